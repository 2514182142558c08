"""The gradient of a function, as a function that can be checked in its turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autodiff_guide.gradcheck._map import Function


def tracked(fn: Function, wrt: Sequence[int]) -> Function:
    """Return `fn`, evaluated on inputs that require a gradient, in no_grad too."""

    def evaluate(*inputs: Any) -> object:
        if torch.is_grad_enabled():
            return fn(*inputs)
        moved = list(inputs)
        with torch.enable_grad():
            for i in wrt:
                moved[i] = inputs[i].detach().requires_grad_()
            return fn(*moved)

    return evaluate


def differentiable(result: Any) -> list[Tensor]:
    """Return the outputs that require a gradient."""
    outputs = result if isinstance(result, tuple | list) else (result,)
    return [y for y in outputs if isinstance(y, Tensor) and y.requires_grad]


def cotangents_of(outputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Return a random tensor, between -1 and 1, for each output."""
    cotangents = []
    for y in outputs:
        generator = torch.Generator(y.device).manual_seed(seed)
        like = torch.rand(y.shape, dtype=y.dtype, device=y.device, generator=generator)
        cotangents.append(2 * like - 1)
    return cotangents


def gradient_of(fn: Function, wrt: Sequence[int], inputs_count: int) -> Function:
    """Return the map from inputs x and cotangents v, in one row, to Jᵀ v."""

    def pulled_back(*arguments: Any) -> tuple[Tensor, ...]:
        inputs, cotangents = arguments[:inputs_count], arguments[inputs_count:]
        leaves = [inputs[i].requires_grad_() for i in wrt]
        return torch.autograd.grad(
            differentiable(fn(*inputs)),
            leaves,
            cotangents,
            create_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )

    return pulled_back


def second_derivative(
    fn: Function,
    inputs: Sequence[Any],
    wrt: Sequence[int],
    names: Sequence[str],
    seed: int,
) -> tuple[Function, list[Any], list[int], list[str]]:
    """Return what to check, where, by which inputs, and their names."""
    point = [x.detach().clone() if isinstance(x, Tensor) else x for x in inputs]
    with torch.no_grad():
        outputs = differentiable(tracked(fn, wrt)(*point))
    if not outputs:
        raise ValueError(
            "order: expected an output with a gradient, got none; order=1 tells why"
        )
    v = cotangents_of(outputs, seed)
    count = range(len(v))
    more = ["grad_output" if len(v) == 1 else f"grad_output {k}" for k in count]
    both = [*wrt, *(len(point) + k for k in count)]
    gradient = tracked(gradient_of(fn, wrt, len(point)), both)
    return gradient, [*point, *v], both, [*names, *more]
