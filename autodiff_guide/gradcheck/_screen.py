r"""The screen: a few random directions and cotangents in place of a whole Jacobian.

For a direction u and a cotangent v, central differences give :math:`v^T (J u)` and
autograd gives :math:`(J^T v)^T u`. Signs and lengths of both are random, so that a
wrong element shows in each of them, and wrong elements cannot cancel in all.

References
----------
.. [1] R. Freivalds, "Probabilistic machines can use less running time",
   IFIP Congress 1977, pp. 839-842.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base, repeat_pullback
from autodiff_guide.gradcheck._differences import (
    both_sides,
    exact_move,
    first_steps,
    ladder,
    limit,
)
from autodiff_guide.gradcheck._map import Map

# Up to this many elements, each is a direction.
FEW = 2
# A probe is suspicious beyond this many error bars.
BARS = 6
# How many times larger than that of the first direction the truncation may be.
MARGIN = 4
# Rounding of the autograd side: of a typical probe, and of the sum of all its terms.
TYPICAL_ROUNDING = 1e-11
ROUNDINGS = 20
# Differences that resolve less than this of the slope deserve more step sizes.
RESOLVED = 1e-4
# What an element adds to a levelled direction stands out of rounding by this factor.
STANDS_OUT = 1e3
# Inputs of more elements than this climb before they are looked at column by column.
CLIMB = 32


@dataclass(eq=False)
class Screen:
    """Every probe, seen from both sides.

    Attributes
    ----------
    yours, numeric, bar : Tensor
        (Jᵀv)·u by autograd, v·(Ju) by differences, and the error bar; shape (L, K).
    detached : int
        Outputs that move with the inputs and carry no gradient.
    suspicious, disagree : bool
        Some probe disagrees or could not be judged; disagrees beyond its bar.
    resolution : float
        Error bar relative to the slope, of the output resolved worst.
    vacuous, kinked : bool
        Every derivative is zero; the slopes on both sides differ.
    silent : tuple of int
        Inputs (positions in `wrt`) whose gradient is zero.
    cotangents, pulled : Tensor
        V of shape (L, m), and V J of shape (L, n).
    """

    yours: Tensor
    numeric: Tensor
    bar: Tensor
    detached: int
    cotangents: Tensor
    pulled: Tensor
    suspicious: bool = True
    disagree: bool = True
    resolution: float = 0.0
    vacuous: bool = False
    kinked: bool = False
    silent: tuple[int, ...] = ()


class _Slopes:
    """Slopes of f along one direction after the other, with their errors."""

    def __init__(self, problem: Map, base: Base) -> None:
        self.problem, self.base = problem, base
        self.slopes: list[Tensor] = []
        self.errors: list[Tensor] = []
        self.directions: list[Tensor] = []
        self.jump = torch.zeros_like(base.value)
        self.kinked = False

    def along(self, u: Tensor, *, twice: bool) -> None:
        """Take one step along u, or two to see how the slope depends on the step."""
        problem, base = self.problem, self.base
        h1, h2 = first_steps(problem.eps)
        move = exact_move(problem, h1 * base.scale * u)
        plus, minus = both_sides(problem, move)
        slope, direction = (plus - minus) * (0.5 / h1), move / h1
        rounding = torch.maximum(base.noise, problem.eps * plus.abs())
        error = MARGIN * self.jump + rounding * (2 / h1)
        if twice:
            wider = (plus + minus - 2 * base.value).abs()
            move = exact_move(problem, h2 * base.scale * u)
            plus, minus = both_sides(problem, move)
            half = (plus - minus) * (0.5 / h2)
            self.jump = (slope - half).abs()
            error = self.jump * (2 / 3) + rounding * (2 / h2)
            # Richardson: the error of a central difference is 4 times that of half.
            slope = torch.lerp(slope, half, 4 / 3)
            direction = torch.lerp(direction, move / h2, 4 / 3)
            # On a kink the bend halves with the step; else it quarters.
            bend = (plus + minus - 2 * base.value).abs()
            bent = (bend > 0.4 * wider) & (bend > 1e-3 * h2 * half.abs())
            self.kinked |= bool((bent & (bend > 100 * rounding)).any())
        self.slopes.append(slope)
        self.errors.append(error)
        self.directions.append(direction)

    def found(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return slopes and errors (K, m), directions (K, n), and where all are finite."""
        slopes, errors = torch.stack(self.slopes), torch.stack(self.errors)
        finite = torch.isfinite(slopes + errors).all(0) & self.base.usable
        return (
            slopes.where(finite, 0.0),
            errors.where(finite, 0.0),
            torch.stack(self.directions),
            finite,
        )


def screen(
    problem: Map, base: Base, probes: int, atol: float, generator: torch.Generator
) -> Screen:
    """Compare `probes` directions, or all columns if there are few, with cotangents."""
    single = problem.n <= FEW
    if single:
        U = torch.eye(problem.n, dtype=torch.float64, device=problem.device)
    else:
        U = random_lengths(probes, problem.n, generator).to(problem.device)
    level = not single and probes > 1
    found = _Slopes(problem, base)
    for k in range(len(U) - level):
        found.along(U[k], twice=single or k == 0)
    slopes, errors, D, finite = found.found()
    error, steepest = errors.amax(0), slopes.abs().amax(0)
    checked = finite if base.checked is None else finite & base.checked
    V = _cotangents(error, steepest, probes, generator).where(checked, 0.0)
    A = problem.pullback(base.graph, V)
    repeat_pullback(problem, base, V[:1], A[:1])
    detached = 0
    if base.attached is not None:
        detached = int(((steepest > 10 * error) & ~base.attached).sum())
    result = Screen(A, A, A, detached, V, A, kinked=found.kinked)
    if not math.isfinite(A.sum()):
        return result
    if level:
        U[-1] *= _levels(problem, base, V, A)
        found.along(U[-1], twice=False)
        slopes, errors, D, finite = found.found()
    result.numeric, result.yours = V @ slopes.T, A @ D.T
    result.bar = BARS * (V.square() @ errors.square().T).sqrt()
    floor = _rounding_floor(problem, A, D) + atol * _least(V) * _least(D)
    suspects = (result.numeric - result.yours).abs() > result.bar + floor
    result.resolution = float((error / steepest)[checked].nan_to_num(0, 0, 0).amax())
    zero = [not bool(a.any()) for a in problem.pieces(A)]
    result.silent = tuple(k for k, nothing in enumerate(zero) if nothing)
    result.vacuous = all(zero) and bool((slopes.abs() <= errors).all())
    result.disagree = bool(suspects.any())
    newly_bad = bool((base.usable & ~finite).any())
    unresolved = newly_bad or result.resolution > RESOLVED
    result.suspicious = result.disagree or unresolved
    if result.suspicious and not newly_bad and problem.n > CLIMB:
        again = U if unresolved else U[suspects.any(0)]
        _climb(problem, base, result, again)
    return result


def random_lengths(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return random numbers of both signs and of sizes between 1/2 and 3/2."""
    numbers = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    numbers = numbers.mul_(2).sub_(1)
    return numbers.add_(numbers.sign(), alpha=0.5)


def _cotangents(
    error: Tensor, steepest: Tensor, probes: int, generator: torch.Generator
) -> Tensor:
    """Return random cotangents that weigh each output by 1 / its error.

    Their lengths differ at random, so that a backward which forgets the incoming
    gradient cannot be right for all of them.
    """
    m = len(error)
    V = random_lengths(min(probes, m), m, generator).to(error)
    if m == 1:
        return V
    error = error + 1e-12 * steepest
    known = error > 0
    if not bool(known.all()):
        other = error[known].median() if bool(known.any()) else error + 1.0
        error = error.where(known, other)
    return V * (error.amin() / error)


def _levels(problem: Map, base: Base, V: Tensor, A: Tensor) -> Tensor:
    """Return how far to move each element so that all change the output alike.

    So an element whose slope is far below the largest is seen too, as far as the
    rounding of the output allows.
    """
    share = A.abs().amax(0) * base.scale
    rounding = problem.eps * (V.abs() @ base.value.abs().nan_to_num(0, 0, 0)).amax()
    least = torch.maximum(
        share.amin(), STANDS_OUT * rounding / first_steps(problem.eps)[0]
    )
    return (least / share).nan_to_num(1.0, 1.0, 1.0).clamp_max(1.0)


def _least(x: Tensor) -> float:
    """Return the least size that is not zero, of any element."""
    size = x.abs()
    return float(size.where(size > 0, math.inf).amin())


def _rounding_floor(problem: Map, A: Tensor, D: Tensor) -> Tensor:
    """Return the rounding of the autograd side of each probe, shape (L, K)."""
    typical = (A.square() @ D.square().T).sqrt()
    return TYPICAL_ROUNDING * typical + ROUNDINGS * problem.eps * (A.abs() @ D.abs().T)


def _climb(problem: Map, base: Base, result: Screen, U: Tensor) -> None:
    """Judge suspicious directions again, on a ladder of step sizes."""
    V, A = result.cotangents, result.pulled
    result.yours, rest, bar = on_ladder(problem, base, V, A, U, ladder(problem.eps))
    D = U * base.scale
    result.numeric, result.bar = result.yours + rest, BARS * bar
    floor = _rounding_floor(problem, A, D)
    result.disagree = bool((rest.abs() > result.bar + floor).any())
    relative = bar / (A.square() @ D.square().T).sqrt()
    result.resolution = float(relative.nan_to_num(0).amax())
    result.suspicious = result.disagree or result.resolution > RESOLVED


def on_ladder(
    problem: Map, base: Base, V: Tensor, A: Tensor, U: Tensor, steps: list[float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return yours along U, how far numeric is apart from it, and the error bar.

    The limit on a ladder of steps; each of shape (L, K), for cotangents V and A = V J.
    """
    rests, noises = [], []
    for h in steps:
        slopes, errors, D = [], [], []
        for u in U.unbind():
            move = exact_move(problem, h * base.scale * u)
            plus, minus = both_sides(problem, move)
            size = torch.maximum(plus.abs(), minus.abs()).nan_to_num(0, 0, 0)
            slopes.append((plus - minus) * (0.5 / h))
            errors.append(torch.maximum(base.noise, problem.eps * size) / h)
            D.append(move / h)
        slope = torch.stack(slopes).where(base.usable, 0.0)
        error = torch.stack(errors).where(base.usable, 0.0)
        rests.append(V @ slope.T - A @ torch.stack(D).T)
        noises.append(2 * (V.square() @ error.square().T).sqrt())
    rest, bar = limit(torch.stack(rests), torch.stack(noises))
    return A @ (U * base.scale).T, rest, bar
