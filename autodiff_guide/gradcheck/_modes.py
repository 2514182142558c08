"""Gradients by hand, forward mode, second derivatives: how each comes to a check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from autodiff_guide.gradcheck._check import Check
from autodiff_guide.gradcheck._map import Function, Map
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._screen import random_lengths
from autodiff_guide.gradcheck._settings import Settings

# Forward and backward mode may differ by this many roundings.
ROUNDINGS = 1e3
NO_FORWARD_MODE = (
    "in forward mode (jvp) there is nothing to compare, it raised {}: {}; give the "
    "function a jvp, or leave forward=False"
)
MODES_DIFFER = (
    "in forward mode (jvp), slopes along random directions differ from those of "
    "backward mode (vjp) by more than rounding, by less than differences resolve"
)


class GivenMap(Map):
    """A map whose derivative at the point is given: `jacobian`, shape (m, n)."""

    def __init__(self, problem: Map, jacobian: Tensor) -> None:
        vars(self).update(vars(problem))  # what is known of it already
        self.jacobian = jacobian
        outputs = [y.detach().clone() for y in problem.base_graph[1]]
        self.base_graph = [], [y.requires_grad_() for y in outputs]

    def pullback(self, cotangents: Tensor, **_: object) -> Tensor:
        """Return V J for cotangents V of shape (L, m), shape (L, n)."""
        return cotangents @ self.jacobian

    def summed(self, weights: Tensor) -> Map:
        """Return the map to weighted sums of all outputs; `weights` is (L, m)."""
        return GivenMap(super().summed(weights), weights @ self.jacobian)


def with_gradient(
    fn: Function, gradient: Function, inputs: Sequence[Any], wrt: Mapping[int, str]
) -> Map:
    """Return the map ``fn(*inputs).sum()`` whose derivative is `gradient`."""

    def total(*point: Any) -> Tensor:
        value = fn(*point)
        if not isinstance(value, Tensor) or not value.is_floating_point():
            got = getattr(value, "dtype", type(value).__name__)
            raise TypeError(
                f"fn: expected a real tensor, got {got}; a gradient by hand is that of "
                "fn(*inputs).sum()"
            )
        return value.sum()

    def gradients(*point: Any) -> list[Tensor]:
        found = gradient(*point)
        given = found if isinstance(found, tuple | list) else (found,)
        shapes = [tuple(g.shape) if isinstance(g, Tensor) else type(g) for g in given]
        expected = [tuple(point[i].shape) for i in wrt]
        if shapes != expected:
            raise ValueError(
                f"gradient: expected tensors of shapes {expected}, got {shapes}; "
                "return the gradient of fn(*inputs).sum() for each input"
            )
        return [g.to(point[i].dtype) for g, i in zip(given, wrt, strict=True)]

    return GivenMap(Map(total, inputs, wrt), Map(gradients, inputs, wrt).first[None])


# ---------------------------------------------------------------------- forward mode


def forward_slope(problem: Map, u: Tensor) -> Tensor:
    """Return J u, shape (m,), by forward mode, for a direction u of shape (n,)."""
    problem.evaluations += 1
    pairs = zip(problem.points, problem.place(u), strict=True)
    with forward_ad.dual_level(), torch.enable_grad():
        moved = [forward_ad.make_dual(x.clone(), t) for x, t in pairs]
        duals = [forward_ad.unpack_dual(y) for y in problem.outputs(*moved)]
        slopes = [torch.zeros_like(y) if t is None else t for y, t in duals]
        return problem.flattened(slopes)


def modes_agree(problem: Map, settings: Settings) -> bool:
    """Return whether v·(J u) by forward mode is (Jᵀ v)·u by backward mode."""
    generator = torch.Generator().manual_seed(settings.seed)
    U = random_lengths(settings.probes, problem.n, generator).to(problem.x)
    V = random_lengths(settings.probes, problem.output_size, generator).to(problem.x)
    slopes = torch.stack([forward_slope(problem, u) for u in U.unbind()])
    pulled = problem.pullback(V)
    size = V.abs() @ slopes.abs().T + pulled.abs() @ U.abs().T
    apart = (V @ slopes.T - pulled @ U.T).abs()
    return bool((apart <= ROUNDINGS * problem.eps * size).all())


def check_both_modes(problem: Map, settings: Settings) -> GradientReport:
    """Check autograd's backward mode and, if asked to, its forward mode."""
    report = Check(problem, settings).run()
    if not (report and settings.forward):
        return report
    try:
        if modes_agree(problem, settings):
            return report
    except Exception as error:  # no derivative in forward mode, or a wrong shape
        sentence = NO_FORWARD_MODE.format(type(error).__name__, error)
        return replace(report, verdict="error", kinds=("vacuous",), sentence=sentence)
    units = torch.eye(problem.n).to(problem.x)
    columns = [forward_slope(problem, unit) for unit in units]
    given = GivenMap(problem, torch.stack(columns, 1))
    found = Check(given, settings).run()
    found = replace(found, sentence=f"in forward mode (jvp), {found.sentence}")
    differ = replace(found, verdict="fail", kinds=("mismatch",), sentence=MODES_DIFFER)
    return differ if found else found


# ---------------------------------------------------------------- second derivatives


def differentiable(result: Any) -> tuple[Tensor, ...]:
    """Return the outputs that require a gradient."""
    outputs = result if isinstance(result, tuple | list) else (result,)
    return tuple(y for y in outputs if isinstance(y, Tensor) and y.requires_grad)


def gradient_of(fn: Function, wrt: Sequence[int], count: int) -> Function:
    """Return the map from `count` inputs x, and cotangents v, to Jᵀ v."""

    def pulled_back(*arguments: Any) -> tuple[Tensor, ...]:
        inputs, cotangents = arguments[:count], arguments[count:]
        with torch.enable_grad():  # where only the value is asked for, too
            leaves = [inputs[i].requires_grad_() for i in wrt]
            outputs = differentiable(fn(*inputs))
            return torch.autograd.grad(
                outputs, leaves, cotangents, create_graph=True, materialize_grads=True
            )

    return pulled_back


def second_derivative(
    fn: Function, inputs: Sequence[Any], chosen: dict[int, str], seed: int
) -> tuple[Function, list[Any], dict[int, str]]:
    """Return the map to Jᵀ v, its point, and its inputs: those chosen, and v."""
    point = [x.detach().clone() if isinstance(x, Tensor) else x for x in inputs]
    with torch.enable_grad():
        for i in chosen:
            point[i].requires_grad_()
        outputs = differentiable(fn(*point))
    if not outputs:
        raise ValueError(
            "order: expected an output with a gradient, got none; order=1 tells why"
        )
    generator = torch.Generator().manual_seed(seed)
    v = [torch.rand(y.shape, generator=generator, dtype=y.dtype) for y in outputs]
    v = [2 * x.to(y.device) - 1 for x, y in zip(v, outputs, strict=True)]
    names = ["grad_output", *(f"grad_output {k}" for k in range(1, len(v)))]
    both = chosen | dict(enumerate(names, len(point)))
    return gradient_of(fn, list(chosen), len(point)), [*point, *v], both
