"""Forward mode: the derivative along a direction, and what it must agree with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.autograd import forward_ad

from autodiff_guide.gradcheck._check import Check, Settings
from autodiff_guide.gradcheck._map import Graph, Map
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._screen import random_lengths

# Both modes may differ by this many roundings.
ROUNDINGS = 1e3
SEED = 0
NO_FORWARD_MODE = (
    "in forward mode (jvp) there is nothing to compare, it raised {}: {}; give the "
    "function a jvp, or leave forward=False"
)
MODES_DIFFER = (
    "slopes along random directions differ from those of backward mode (vjp) by more "
    "than rounding, by less than differences resolve"
)


def forward_slope(problem: Map, u: Tensor, *, only: int | None = None) -> Tensor:
    """Return J u, shape (m,), by forward mode, for a direction u of shape (n,).

    With `only`, the other inputs carry no tangent at all, which must equal zeros.
    """
    problem.evaluations += 1
    tangents = problem.place(u)
    with forward_ad.dual_level(), torch.enable_grad():
        moved = [
            forward_ad.make_dual(x.clone(), t) if only in (None, k) else x.clone()
            for k, (x, t) in enumerate(zip(problem.points, tangents, strict=True))
        ]
        outputs = problem.outputs(*moved)
        slopes = [forward_ad.unpack_dual(y).tangent for y in outputs]
        return problem.flattened(
            [
                torch.zeros_like(y) if slope is None else slope
                for y, slope in zip(outputs, slopes, strict=True)
            ]
        )


class ForwardMap(Map):
    """A map whose derivative is that of forward mode."""

    @cached_property
    def jacobian(self) -> Tensor:
        """J column by column, shape (m, n)."""
        unit = torch.eye(self.n, dtype=torch.float64, device=self.device)
        return torch.stack([forward_slope(self, u) for u in unit.unbind()], 1)

    def graph(self, *, strided: bool = False) -> Graph:
        """Evaluate `fn`; no backward is needed."""
        self.evaluations += 1
        with torch.no_grad():
            outputs = self.outputs(*[x.clone() for x in self.points])
            return self.points, [y.clone().requires_grad_() for y in outputs]

    def pullback(
        self,
        graph: Graph,
        cotangents: Tensor,
        *,
        strided: bool = False,
        only: int | None = None,
    ) -> Tensor:
        """Return V J for cotangents V of shape (L, m), shape (L, n)."""
        if only:  # outputs cannot be left out; they all count as the first
            return self.x.new_zeros(len(cotangents), self.n)
        return cotangents @ self.jacobian


def in_forward_mode(report: GradientReport) -> GradientReport:
    """Return the report on a `ForwardMap`, with forward mode named."""
    return replace(report, sentence=f"in forward mode (jvp), {report.sentence}")


def modes_agree(problem: Map, probes: int) -> bool:
    """Return whether v·(J u) by forward mode is (Jᵀ v)·u by backward mode."""
    generator = torch.Generator().manual_seed(SEED)
    U = random_lengths(probes, problem.n, generator).to(problem.x)
    V = random_lengths(probes, problem.output_size, generator).to(problem.x)
    slopes = torch.stack([forward_slope(problem, u) for u in U.unbind()])
    pulled = problem.pullback(problem.graph(), V)
    size = V.abs() @ slopes.abs().T + pulled.abs() @ U.abs().T
    apart = (V @ slopes.T - pulled @ U.T).abs()
    return bool((apart <= ROUNDINGS * problem.eps * size).all())


def tangents_may_miss(problem: Map) -> bool:
    """Return whether inputs without a tangent count as inputs with a zero tangent."""
    generator = torch.Generator().manual_seed(SEED)
    u = random_lengths(1, problem.n, generator).to(problem.x)[0]
    together = forward_slope(problem, u)
    count = range(len(problem.points))
    alone = torch.stack([forward_slope(problem, u, only=k) for k in count]).sum(0)
    return torch.allclose(together, alone, equal_nan=True)


def add_forward_mode(
    report: GradientReport, problem: Map, names: Sequence[str], settings: Settings
) -> GradientReport:
    """Return a report that passed, or what forward mode has against it."""
    try:
        if modes_agree(problem, settings.probes):
            return report
    except Exception as error:  # no derivative in forward mode, or a wrong shape
        return replace(
            report,
            verdict="error",
            kinds=("vacuous",),
            sentence=NO_FORWARD_MODE.format(type(error).__name__, error),
        )
    by_forward = ForwardMap(problem.fn, problem.inputs, problem.wrt)
    report = Check(by_forward, names, settings).run()
    if report:
        report = replace(
            report, verdict="fail", kinds=("mismatch",), sentence=MODES_DIFFER
        )
    return in_forward_mode(report)
