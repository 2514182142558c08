"""The check of a module: its parameters by name, on a copy in double precision."""

from __future__ import annotations

import copy
import inspect
from dataclasses import replace
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autodiff_guide.gradcheck._api import (
    POSITIONAL,
    Options,
    input_names,
    run_check,
)
from autodiff_guide.gradcheck._map import Function
from autodiff_guide.gradcheck._report import GradientReport

DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def check_module(
    module: nn.Module,
    *inputs: object,
    loss: Function | None = None,
    wrt: str = "parameters",
    **options: Unpack[Options],
) -> GradientReport:
    r"""Compare the gradient of a module with central differences.

    The check works on a copy in double precision; your module, its mode, its gradients
    and its buffers stay as they are.

    Parameters
    ----------
    module : torch.nn.Module
        What to check, in the mode it is in.
    *inputs : Tensor or object
        Arguments of the module; floating-point tensors are taken in float64.
    loss : callable, optional
        ``loss(output)``, or ``loss(output, target)`` with the target as the last of
        `inputs`. Without it, the module's output itself is differentiated.
    wrt : {"parameters", "inputs", "both"}
        What to differentiate by. Parameters that do not require a gradient are
        left out.
    probes, seed, full, strict, rtol, atol
        As in `check_gradient`.

    Returns
    -------
    GradientReport
        With one row for each parameter, by name.

    Raises
    ------
    TypeError
        If `module` is not a ``torch.nn.Module``.
    ValueError
        If `wrt` is unknown, or there is nothing to differentiate by, or `probes`,
        `rtol` or `atol` is out of range.

    Examples
    --------
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
    twin = copy.deepcopy(module).double()
    for layer in twin.modules():
        if isinstance(layer, BATCH_NORMS) and layer.training:
            _forget_statistics(layer)
    parameters = {k: p.detach() for k, p in twin.named_parameters() if p.requires_grad}
    arguments = [_double(x) for x in inputs]
    names = list(parameters)
    takes_target = loss is not None and _required_arguments(loss) > 1

    def run(*values: object) -> object:
        given: dict[str, Any] = dict(zip(names, values, strict=False))
        rest = values[len(names) :]
        features = rest[:-1] if takes_target else rest
        output = functional_call(twin, given, features)
        if loss is None:
            return output
        return loss(output, rest[-1]) if takes_target else loss(output)

    features = arguments[:-1] if takes_target else arguments
    movable = [
        len(names) + k
        for k, x in enumerate(features)
        if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())
    ]
    chosen = {
        "parameters": list(range(len(names))),
        "inputs": movable,
        "both": [*range(len(names)), *movable],
    }[wrt]
    if not chosen:
        raise ValueError(
            f"wrt: the module has no {wrt} to differentiate by; parameters must "
            "require a gradient, inputs must be floating-point tensors"
        )
    labels = list(names)
    for k, name in enumerate(input_names(module, len(arguments))):
        labels.append(f"input {k}" if name in names else name)
    everything = [*parameters.values(), *arguments]
    report = run_check(run, everything, chosen, [labels[i] for i in chosen], **options)
    return _name_layers(report, module)


def _double(x: object) -> object:
    if not isinstance(x, Tensor):
        return x
    x = x.detach()
    if x.is_complex():
        return x.to(torch.complex128)
    return x.double() if x.is_floating_point() else x


def _forget_statistics(layer: nn.modules.batchnorm._NormBase) -> None:
    """Stop a copied batch-norm from updating statistics that training never reads."""
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        setattr(layer, name, None)
    layer.track_running_stats = False


def _required_arguments(loss: Function) -> int:
    """Return how many positional arguments a loss needs."""
    target = loss.forward if isinstance(loss, nn.Module) else loss
    parameters = inspect.signature(target).parameters.values()
    return sum(p.kind in POSITIONAL and p.default is p.empty for p in parameters)


def _name_layers(report: GradientReport, module: nn.Module) -> GradientReport:
    """Add to a report which layers are random, or use the statistics of the batch."""
    layers = list(module.named_modules())
    random = [name or "the module" for name, layer in layers if _is_random(layer)]
    norms = [
        name or "the module"
        for name, layer in layers
        if isinstance(layer, BATCH_NORMS) and layer.training
    ]
    remarks = report.remarks
    sentence = report.sentence
    if "nondeterministic" in report.kinds and random:
        sentence = (
            f"{', '.join(random)}: random in training mode, so no two evaluations "
            "agree and there is no derivative to check; call module.eval(), or set p "
            "to 0"
        )
    if norms:
        remarks = (
            *remarks,
            f"{', '.join(norms)}: batch-norm in training mode was checked with the "
            "statistics of this batch; module.eval() checks the stored ones",
        )
    return replace(report, sentence=sentence, remarks=remarks)


def _is_random(layer: nn.Module) -> bool:
    if not layer.training:
        return False
    if isinstance(layer, (*DROPOUTS, nn.RReLU)):
        return float(getattr(layer, "p", 1.0)) > 0
    return (
        float(getattr(layer, "dropout", 0.0) or 0.0) > 0
        if isinstance(layer, nn.RNNBase | nn.MultiheadAttention)
        else False
    )
