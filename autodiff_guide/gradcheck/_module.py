"""The check of a module: its parameters by name, on a copy."""

from __future__ import annotations

import copy
import inspect
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from autodiff_guide.gradcheck._api import (
    POSITIONAL,
    choose,
    input_names,
    run_check,
)
from autodiff_guide.gradcheck._map import Function
from autodiff_guide.gradcheck._report import GradientReport

DROPOUTS = (
    nn.modules.dropout._DropoutNd,
    nn.RReLU,
    nn.RNNBase,
    nn.MultiheadAttention,
)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def check_module(
    module: nn.Module,
    *inputs: object,
    loss: Function | None = None,
    wrt: str = "parameters",
    **options: Any,
) -> GradientReport:
    r"""Compare the gradient of a module with central differences.

    The check works on a copy, computed in double; your module, its mode, its gradients
    and its buffers stay as they are.

    Parameters
    ----------
    module : torch.nn.Module
        What to check, in the mode it is in.
    *inputs : Tensor or object
        Arguments of the module.
    loss : callable, optional
        ``loss(output)``, or ``loss(output, target)`` with the target as the last of
        `inputs`. Without it, the module's output itself is differentiated.
    wrt : {"parameters", "inputs", "both"}
        What to differentiate by. Parameters that do not require a gradient are
        left out.
    **options
        `probes`, `seed`, `full`, `strict`, `rtol`, `atol`, `order`, `forward`, as in
        `check_gradient`.

    Returns
    -------
    GradientReport
        With one row for each parameter, by name.

    Raises
    ------
    TypeError
        If `module` is not a ``torch.nn.Module``.
    ValueError
        If `wrt` is unknown, or there is nothing to differentiate by, or one
        of `options` is out of range.

    Examples
    --------
    >>> import torch
    >>> module = torch.nn.Linear(3, 2)
    >>> report = check_module(module, torch.rand(4, 3), loss=lambda y: y.square().sum())
    >>> report.verdict, [row.name for row in report.inputs]
    ('pass', ['weight', 'bias'])
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module: expected a torch.nn.Module, got {type(module).__name__}; for a "
            "function use check_gradient"
        )
    if wrt not in ("parameters", "inputs", "both"):
        raise ValueError(f'wrt: expected "parameters", "inputs" or "both", got {wrt!r}')
    twin = copy.deepcopy(module)
    buffers = dict(twin.named_buffers())
    parameters = {k: p for k, p in twin.named_parameters() if p.requires_grad}
    names = list(parameters)
    targets = int(loss is not None and _required_arguments(loss) > 1)

    def run(*values: Any) -> object:
        state = {k: b.clone() for k, b in buffers.items()}
        state |= dict(zip(names, values, strict=False))
        features = values[len(names) : len(values) - targets]
        output = functional_call(twin, state, features)
        if loss is None:
            return output
        return loss(output, *values[len(values) - targets :])

    point = [*parameters.values(), *inputs]
    movable = [
        k
        for k, x in enumerate(point[: len(point) - targets])
        if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())
    ]
    chosen = {
        "parameters": [k for k in movable if k < len(names)],
        "inputs": [k for k in movable if k >= len(names)],
        "both": movable,
    }[wrt]
    if not chosen:
        raise ValueError(
            f"wrt: the module has no {wrt} to differentiate by; parameters must "
            "require a gradient, inputs must be floating-point tensors"
        )
    labels = list(names)
    for k, name in enumerate(input_names(module, len(inputs))):
        labels.append(f"input {k}" if name in names else name)
    choice = choose(**options)
    report = run_check(run, point, chosen, [labels[i] for i in chosen], choice)
    return _name_layers(report, module)


def _required_arguments(loss: Function) -> int:
    """Return how many positional arguments a loss needs."""
    target = loss.forward if isinstance(loss, nn.Module) else loss
    parameters = inspect.signature(target).parameters.values()
    return sum(p.kind in POSITIONAL and p.default is p.empty for p in parameters)


def _name_layers(report: GradientReport, module: nn.Module) -> GradientReport:
    """Add to a report which layers are random, or use the statistics of the batch."""
    training = {k or "the module": x for k, x in module.named_modules() if x.training}
    random = ", ".join(name for name, layer in training.items() if _is_random(layer))
    norms = ", ".join(k for k, x in training.items() if isinstance(x, BATCH_NORMS))
    if "nondeterministic" in report.kinds and random:
        report = replace(
            report,
            sentence=f"{random}: random in training mode, so no two evaluations agree "
            "and there is no derivative to check; call module.eval(), or set p to 0",
        )
    if norms:
        remark = (
            f"{norms}: batch-norm in training mode was checked with the statistics of "
            "this batch; module.eval() checks the stored ones"
        )
        report = replace(report, remarks=(*report.remarks, remark))
    return report


def _is_random(layer: nn.Module) -> bool:
    """Return whether a layer in training mode is random."""
    share = getattr(layer, "p", getattr(layer, "dropout", 1.0))
    return isinstance(layer, DROPOUTS) and share > 0
