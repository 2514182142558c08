"""The check of a module: its parameters by name, on a copy."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from torch import nn
from torch.func import functional_call

from autodiff_guide.gradcheck._api import (
    input_names,
    require_function,
    run_check,
)
from autodiff_guide.gradcheck._double import has_derivative
from autodiff_guide.gradcheck._map import Function
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._settings import Settings

# Layers that are random in training mode, and those that take means of the batch.
RANDOM = nn.modules.dropout._DropoutNd, nn.RReLU, nn.RNNBase, nn.MultiheadAttention
NORMS = nn.modules.batchnorm._BatchNorm
NO_DERIVATIVE = (
    "{}: random in training mode, so no two evaluations agree and there is no "
    "derivative to check; call module.eval(), or set p to 0"
)
OF_THE_BATCH = (
    "{}: batch-norm in training mode was checked with the statistics of this batch; "
    "module.eval() checks the stored ones"
)


def check_module(
    module: nn.Module,
    loss: Function | None = None,
    data: object = (),
    *,
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
    loss : callable, optional
        ``loss(output, target)``. Without it, the module's output itself is
        differentiated.
    data : tuple or Tensor
        With a loss ``(inputs, target)``, or ``(inputs,)`` for a ``loss(output)``;
        without one, the inputs. They are a tensor, or a tuple of the arguments of the
        module.
    wrt : {"parameters", "inputs", "both"}
        What to differentiate by. Parameters that do not require a gradient are
        left out.
    **options
        As in `check_gradient`.

    Returns
    -------
    GradientReport
        With one row for each parameter, by name.

    Raises
    ------
    TypeError
        If `module` is not a ``torch.nn.Module``, `loss` is not callable, `data` is no
        tuple where there is a loss, or an option is unknown.
    ValueError
        If `wrt` is unknown, or there is nothing to differentiate by, or one
        of `options` is out of range.

    Examples
    --------
    >>> import torch
    >>> module, x = torch.nn.Linear(3, 2), torch.rand(4, 3)
    >>> report = check_module(module, torch.nn.MSELoss(), (x, torch.rand(4, 2)))
    >>> report.verdict, [row.name for row in report.inputs]
    ('pass', ['weight', 'bias'])
    >>> check_module(module, data=x, wrt="inputs").verdict
    'pass'
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module: expected a torch.nn.Module, got {type(module).__name__}; for a "
            "function use check_gradient"
        )
    inputs, targets = data, []
    if loss is not None:
        require_function("loss", loss, "loss(output, target), or data=inputs alone")
        if not isinstance(data, tuple | list) or not data:
            raise TypeError(
                f"data: expected (inputs, target), got {type(data).__name__}; for a "
                "loss without a target (inputs,)"
            )
        inputs, *targets = data
    twin = copy.deepcopy(module)
    buffers = dict(twin.named_buffers())
    parameters = {k: p for k, p in twin.named_parameters() if p.requires_grad}
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    first, last = len(parameters), len(parameters) + len(arguments)

    def run(*values: Any) -> object:
        state = {k: b.clone() for k, b in buffers.items()}
        state |= dict(zip(parameters, values, strict=False))
        output = functional_call(twin, state, values[first:last])
        return output if loss is None else loss(output, *values[last:])

    point = [*parameters.values(), *arguments, *targets]
    names = list(parameters)
    for k, name in enumerate(input_names(module, len(arguments))):
        names.append(f"input {k}" if name in parameters else name)
    ranges = {"parameters": (0, first), "inputs": (first, last), "both": (0, last)}
    if wrt not in ranges:
        raise ValueError(f"wrt: expected one of {', '.join(ranges)}, got {wrt!r}")
    able = [k for k in range(*ranges[wrt]) if has_derivative(point[k])]
    if not able:
        raise ValueError(
            f"wrt: the module has no {wrt} to differentiate by; parameters must "
            "require a gradient, inputs must be floating-point tensors"
        )
    chosen = {k: names[k] for k in able}
    report = run_check(run, point, chosen, Settings.of(options))
    return _name_layers(report, module)


def _name_layers(report: GradientReport, module: nn.Module) -> GradientReport:
    """Add to a report which layers are random, or use the statistics of the batch."""
    training = {k or "the module": x for k, x in module.named_modules() if x.training}
    random = ", ".join(name for name, layer in training.items() if _is_random(layer))
    if "nondeterministic" in report.kinds and random:
        report = replace(report, sentence=NO_DERIVATIVE.format(random))
    norms = ", ".join(k for k, layer in training.items() if isinstance(layer, NORMS))
    if norms:
        remarks = (*report.remarks, OF_THE_BATCH.format(norms))
        report = replace(report, remarks=remarks)
    return report


def _is_random(layer: nn.Module) -> bool:
    share = getattr(layer, "p", getattr(layer, "dropout", 1.0))
    return isinstance(layer, RANDOM) and share > 0
