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

from autodiff_guide.gradcheck._base import SPAN, Base, repeat_pullback
from autodiff_guide.gradcheck._differences import (
    exact_moves,
    first_step,
    ladder,
    limit,
    moved,
)
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._settings import Settings

# Random cotangents: their lengths are random, so that one more adds little.
COTANGENTS = 2
# A probe is suspicious beyond this many error bars.
BARS = 6
# How many times larger than that of the first direction the truncation may be.
MARGIN = 4
# Differences that resolve less than this of the slope deserve more step sizes.
RESOLVED = 1e-4
# What an element adds to a levelled direction stands out of rounding by this factor.
STANDS_OUT = 100
# Inputs of more elements than this climb before they are looked at column by column.
CLIMB = 32


@dataclass(eq=False)
class Screen:
    """Every probe, seen from both sides.

    Attributes
    ----------
    yours, numeric, bar : Tensor
        (Jᵀv)·u by autograd, v·(Ju) by differences, and what may lie between them;
        shape (L, K), for L cotangents and K directions.
    cotangents, pulled : Tensor
        V of shape (L, m), and V J of shape (L, n).
    detached : int
        Outputs that move with the inputs and carry no gradient.
    kinked, vacuous : bool
        The slopes on both sides differ; every derivative is zero.
    suspicious, disagree : bool
        Some probe disagrees or could not be judged; disagrees beyond its bar.
    silent : tuple of int
        Inputs (positions in `wrt`) whose gradient is zero.
    """

    yours: Tensor
    numeric: Tensor
    bar: Tensor
    cotangents: Tensor
    pulled: Tensor
    detached: int = 0
    kinked: bool = False
    vacuous: bool = False
    suspicious: bool = True
    disagree: bool = True
    silent: tuple[int, ...] = ()


def screen(
    problem: Map, base: Base, settings: Settings, generator: torch.Generator
) -> Screen:
    """Compare random directions with random cotangents.

    The first direction takes a third point, which tells how the slope depends on the
    step. The last direction is levelled: elements with a small slope move further.
    """
    rtol, atol = settings.rtol, settings.atol
    probes = settings.probes if problem.n > 1 else 1
    U = random_lengths(probes, problem.n, generator).to(problem.device)
    h = first_step(problem.eps)
    moves, plus, minus = _both_sides(problem, base, U[:1], h)
    slopes = (plus - minus) * (0.5 / h)
    further = moved(problem, 2 * moves)
    D = moves / h  # the direction as it was really moved
    bend, next_bend = plus - 2 * base.value + minus, further - 2 * plus + base.value
    # A central difference is off by the third derivative times its step squared / 6.
    truncation = (next_bend - bend).abs() / (6 * h)
    rounding = torch.maximum(base.noise, problem.eps * plus.abs()) * (2 / h)
    errors = truncation + rounding
    error, steepest = errors.amax(0), slopes.abs().amax(0)
    V = _cotangents(error + 1e-12 * steepest, settings.probes, generator)
    V, error = base.masked(V), base.masked(error)
    if not math.isfinite(errors.sum()):
        finite = torch.isfinite(errors).all(0)
        V, error = V.where(finite, 0.0), error.where(finite, 0.0)
    A = problem.pullback(V)
    repeat_pullback(problem, base, V, A)
    nothing = A.new_empty(len(V), 0)  # no probe is judged yet
    result = Screen(nothing, nothing, nothing, V, A)
    # At a kink the bend is there, and not one step further on.
    bent = bend.abs() - 100 * h * rounding - 1e-3 * h * slopes.abs()
    result.kinked = bool((0.4 * bent > next_bend.abs()).any())
    if base.checked is not None:
        detached = base.usable & ~base.checked & (steepest > 0)
        result.detached = int(detached.sum())
    if not math.isfinite(A.sum()):
        return result

    terms = V.abs() @ base.value.abs().nan_to_num(0, 0, 0)
    terms = torch.maximum(terms, A.abs() @ D[0].abs())
    floor = 2 * problem.eps / h * terms[:, None]
    if probes > 1:
        U[-1] *= _levels(base, A, STANDS_OUT * floor.amax())
        moves, plus, minus = _both_sides(problem, base, U[1:], h)
        slopes = torch.cat([slopes, (plus - minus) * (0.5 / h)])
        D = torch.cat([D, moves / h])
        errors = torch.cat([errors, (MARGIN * truncation + rounding).expand_as(plus)])
    newly_bad = False
    if not math.isfinite(slopes.sum()):
        finite = torch.isfinite(slopes).all(0)
        newly_bad = bool((base.usable & ~finite).any())
        slopes, errors = slopes.where(finite, 0.0), errors.where(finite, 0.0)
    result.numeric, result.yours = V @ slopes.T, A @ D.T
    result.bar = BARS * (V.square() @ errors.square().T).sqrt() + floor
    enough = max(RESOLVED, rtol) * steepest
    if atol:
        result.bar += atol * torch.outer(_least(V), _least(D))
        enough += atol * _least(D).amin()
    suspects = (result.numeric - result.yours).abs() > result.bar
    result.disagree = bool(suspects.any())
    parts = A.split_with_sizes(problem.sizes, 1)
    if bool(V.any()):
        result.silent = tuple(k for k, a in enumerate(parts) if not a.any())
    flat = bool((slopes.abs() <= errors).all())
    result.vacuous = flat and len(result.silent) == len(parts)
    coarse = (error > enough) & ((steepest > 0) | (truncation > rounding).any(0))
    unresolved = newly_bad or bool(coarse.any())
    result.suspicious = result.disagree or unresolved
    if result.suspicious and not newly_bad and problem.n > CLIMB:
        again = U if unresolved else U[suspects.any(0)]
        _climb(problem, base, result, again, floor)
    return result


def _both_sides(
    problem: Map, base: Base, U: Tensor, h: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the moves by a step `h` along directions U, and f on both sides."""
    moves = exact_moves(problem, h * base.scale * U)
    return moves, moved(problem, moves), moved(problem, -moves)


def random_lengths(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return random numbers of both signs and of sizes between 1/2 and 3/2."""
    numbers = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    numbers = numbers.mul_(2).sub_(1)
    return numbers.add_(numbers.sign(), alpha=0.5)


def _cotangents(error: Tensor, probes: int, generator: torch.Generator) -> Tensor:
    """Return random cotangents that weigh each output by 1 / its error.

    The last is short, and shows a backward that drops what is small.
    """
    m = len(error)
    V = random_lengths(min(probes, COTANGENTS, m), m, generator).to(error)
    V[-1] /= SPAN
    if m == 1:
        return V
    if not error.amin() > 0:
        known = error > 0
        other = error[known].median() if bool(known.any()) else error.new_ones(())
        error = error.where(known, other)
    return V * (error.amin() / error)


def _levels(base: Base, A: Tensor, least: Tensor) -> Tensor:
    """Return how far to move each element so that all change the output alike.

    So an element whose slope is far below the largest is seen too, unless it adds less
    than `least`.
    """
    share = A.abs().amax(0) * base.scale
    level = torch.maximum(share.amin(), least) / share
    return level.nan_to_num(1.0, 1.0, 1.0).clamp_max(1.0)


def _least(x: Tensor) -> Tensor:
    """Return the least size that is not zero, of each row."""
    size = x.abs()
    return size.where(size > 0, math.inf).amin(1)


def _climb(problem: Map, base: Base, result: Screen, U: Tensor, floor: Tensor) -> None:
    """Judge suspicious directions again, on a ladder of step sizes."""
    V, A = result.cotangents, result.pulled
    rest, bar = on_ladder(problem, base, V, A, U, ladder(problem.eps))
    D = U * base.scale
    result.yours, result.bar = A @ D.T, BARS * bar + floor
    result.numeric = result.yours + rest
    result.disagree = bool((rest.abs() > result.bar).any())
    relative = bar / (A.square() @ D.square().T).sqrt()
    resolution = float(relative.nan_to_num(0).amax())
    result.suspicious = result.disagree or resolution > RESOLVED


def on_ladder(
    problem: Map, base: Base, V: Tensor, A: Tensor, U: Tensor, steps: list[float]
) -> tuple[Tensor, Tensor]:
    """Return how far numeric and yours are apart along U, and the error bar.

    The limit on a ladder of steps; each of shape (L, K), for cotangents V and A = V J.
    """
    rests, noises = [], []
    for h in steps:
        moves, plus, minus = _both_sides(problem, base, U, h)
        size = torch.maximum(plus.abs(), minus.abs()).nan_to_num(0, 0, 0)
        error = torch.maximum(base.noise, problem.eps * size).where(base.usable, 0.0)
        slope = (plus - minus).where(base.usable, 0.0) * (0.5 / h)
        rests.append(V @ slope.T - A @ moves.T / h)
        noises.append(2 / h * (V.square() @ error.square().T).sqrt())
    return limit(torch.stack(rests), torch.stack(noises))
