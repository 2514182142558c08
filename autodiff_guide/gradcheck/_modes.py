"""Derivatives other than the first of backward mode: by hand, forward, second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from autodiff_guide.gradcheck._check import Check, Settings
from autodiff_guide.gradcheck._map import Function, Graph, Map
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._screen import random_lengths

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
    """A map whose derivative ``jacobian(map)``, (m, n), is not that of a backward."""

    def __init__(
        self,
        fn: Function,
        inputs: Sequence[object],
        wrt: Sequence[int],
        jacobian: Callable[[Map], Tensor],
    ) -> None:
        super().__init__(fn, inputs, wrt)
        self.jacobian = jacobian

    def graph(self, *, strided: bool = False) -> Graph:
        """Evaluate `fn`; no backward is needed."""
        self.evaluations += 1
        with torch.no_grad():
            outputs = self.outputs(*[x.clone() for x in self.points])
            return self.points, [y.clone().requires_grad_() for y in outputs]

    def pullback(
        self,
        cotangents: Tensor,
        *,
        graph: Graph | None = None,
        strided: bool = False,
        only: int | None = None,
    ) -> Tensor:
        """Return V J for cotangents V of shape (L, m), shape (L, n)."""
        if only:  # no output can be left out: all count as the first
            return self.x.new_zeros(len(cotangents), self.n)
        return cotangents @ self.jacobian(self)


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


def _forward_jacobian(problem: Map) -> Tensor:
    unit = torch.eye(problem.n, dtype=torch.float64, device=problem.device)
    return torch.stack([forward_slope(problem, u) for u in unit.unbind()], 1)


def check_forward(
    fn: Function,
    inputs: Sequence[object],
    wrt: Sequence[int],
    names: Sequence[str],
    settings: Settings,
) -> GradientReport:
    """Compare forward mode with differences."""
    problem = GivenMap(fn, inputs, wrt, cache(_forward_jacobian))
    report = Check(problem, names, settings).run()
    return replace(report, sentence=f"in forward mode (jvp), {report.sentence}")


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


def add_forward_mode(
    report: GradientReport, problem: Map, names: Sequence[str], settings: Settings
) -> GradientReport:
    """Return a report that passed, or what forward mode has against it."""
    try:
        if modes_agree(problem, settings):
            return report
    except Exception as error:  # no derivative in forward mode, or a wrong shape
        sentence = NO_FORWARD_MODE.format(type(error).__name__, error)
        return replace(report, verdict="error", kinds=("vacuous",), sentence=sentence)
    report = check_forward(problem.fn, problem.inputs, problem.wrt, names, settings)
    if not report:
        return report
    kinds = ("mismatch",)
    return replace(report, verdict="fail", kinds=kinds, sentence=MODES_DIFFER)


# ---------------------------------------------------------------- second derivatives


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


def differentiable(result: Any) -> tuple[Tensor, ...]:
    """Return the outputs that require a gradient."""
    outputs = result if isinstance(result, tuple | list) else (result,)
    return tuple(y for y in outputs if isinstance(y, Tensor) and y.requires_grad)


def cotangents_of(outputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Return a random tensor, between -1 and 1, for each output."""
    generators = (torch.Generator(y.device).manual_seed(seed) for y in outputs)
    return [
        2 * torch.rand(y.shape, generator=g, dtype=y.dtype, device=y.device) - 1
        for y, g in zip(outputs, generators, strict=True)
    ]


def gradient_of(fn: Function, wrt: Sequence[int], count: int) -> Function:
    """Return the map from `count` inputs x, and cotangents v, to Jᵀ v."""

    def pulled_back(*arguments: Any) -> tuple[Tensor, ...]:
        inputs, cotangents = arguments[:count], arguments[count:]
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
    more = ["grad_output", *(f"grad_output {k}" for k in range(1, len(v)))]
    both = [*wrt, *range(len(point), len(point) + len(v))]
    gradient = tracked(gradient_of(fn, wrt, len(point)), both)
    return gradient, [*point, *v], both, [*names, *more]
