r"""The screen: a few random directions and cotangents in place of a whole Jacobian.

For a direction u and a cotangent v, central differences give :math:`v^T (J u)` and
autograd gives :math:`(J^T v)^T u`. If the gradient is wrong anywhere, random signs make
the two differ with probability at least one half, and K directions miss it with
probability at most :math:`2^{-K}`.

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
from autodiff_guide.gradcheck._ladder import (
    exact_steps,
    extrapolated_limit,
    first_steps,
    ladder,
)
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._probe import probe, random_signs

# Directions of up to this many elements are kept in float64, more in int8.
SMALL = 2**20
# Elements of int8 directions that are made float64 at once.
BLOCK = 2**16
# Memory that one direction takes on the ladder, for each output: 20 float64 numbers.
BYTES_PER_RUNG = 160
# Directions that also get the second, smaller step.
SECOND_STEP_PROBES = 4
# A probe is suspicious beyond this many error bars.
BARS = 6
# Rounding of the autograd side: of a typical probe, and of the sum of all its terms.
TYPICAL_ROUNDING = 1e-11
ROUNDINGS = 20
# Differences that resolve less than this of the slope deserve more step sizes.
SHARP = 1e-4
# Noise this many times eps means that the function computes in lower precision.
LOW_PRECISION = 1e7


@dataclass(eq=False)
class Screen:
    """Every probe, seen from both sides.

    Attributes
    ----------
    yours, numeric, bar : Tensor
        (Jᵀv)·u by autograd, v·(Ju) by differences, and the error bar; shape (L, K).
    cotangents, pulled : Tensor
        V of shape (L, m), and V J of shape (L, n).
    suspicious : bool
        Some probe disagrees, or could not be judged.
    disagree : bool
        Some probe disagrees beyond its bar.
    resolution : float
        Error bar relative to the slope, of the output resolved worst.
    kinked, vacuous : bool
        The slopes on both sides differ; every derivative is zero.
    silent : tuple of int
        Inputs (positions in `wrt`) whose gradient is zero.
    detached : int
        Outputs that move with the inputs and carry no gradient.
    noise : float
        Relative rounding noise, where the ladder measured it.
    """

    yours: Tensor
    numeric: Tensor
    bar: Tensor
    cotangents: Tensor
    pulled: Tensor
    detached: int
    suspicious: bool = True
    disagree: bool = True
    resolution: float = 0.0
    kinked: bool = False
    vacuous: bool = False
    silent: tuple[int, ...] = ()
    noise: float = 0.0


def screen(
    problem: Map,
    base: Base,
    probes: int,
    generator: torch.Generator,
    max_memory: int,
) -> Screen:
    """Compare `probes` directions with as many cotangents; climb with suspicious ones.

    If there are no more elements than probes, each is a direction.
    """
    if problem.n <= probes:
        U = torch.eye(problem.n, dtype=torch.float64, device=problem.device)
    else:
        U = random_signs(probes, problem.n, generator).to(problem.device)
        if U.numel() <= SMALL:
            U = U.to(torch.float64)
    result, again = _two_steps(problem, base, U, probes, generator, max_memory)
    if again is not None:
        single = problem.n <= probes
        _climb(problem, base, result, U[again], single, max_memory)
    return result


def _two_steps(
    problem: Map,
    base: Base,
    U: Tensor,
    probes: int,
    generator: torch.Generator,
    max_memory: int,
) -> tuple[Screen, Tensor | None]:
    """Return the screen by two step sizes, and which directions deserve more."""
    K, m = U.shape[0], problem.output_size
    all_columns = problem.n <= probes
    K2 = K if all_columns else min(K, SECOND_STEP_PROBES)
    h1, h2 = first_steps(problem.eps)
    d1, d2 = exact_steps(problem, [h1, h2], base.scale).split_with_sizes([1, 1])
    (plus1, minus1), (plus2, minus2) = probe(
        problem, U, [(d1, K), (d2, K2)], max_memory
    )
    slope1 = (plus1 - minus1) * (0.5 / h1)
    slope2 = (plus2 - minus2) * (0.5 / h2)
    largest = plus1.abs().amax(0)
    newly_bad = False
    checked = base.checked
    if not math.isfinite(slope1.sum() + slope2.sum()):
        bad = ~(torch.isfinite(slope1).all(0) & torch.isfinite(slope2).all(0))
        newly_bad = bool((bad & base.usable).any())
        bad |= ~base.usable
        slope1, slope2 = slope1.where(~bad, 0.0), slope2.where(~bad, 0.0)
        largest = largest.where(~bad, 0.0)
        checked = ~bad if checked is None else checked & ~bad

    rounding = torch.maximum(base.noise, problem.eps * largest)
    jump = (slope1[:K2] - slope2).abs()
    error = jump * (2 / 3) + rounding * (2 / h2)
    if K2 < K:  # the probes without a second step: what the others found, and a margin
        others = 4 * jump.median(0).values + rounding * (2 / h1)
        error = torch.cat([error, others.expand(K - K2, m)])

    kinked = False
    bend = torch.sub(plus2 + minus2, base.value, alpha=2)
    bent = bend.abs() > 1e-3 * h2 * slope2.abs()
    if bool(bent.any()):  # on a kink the bend halves with the step; else it quarters
        wider = plus1[:K2] + minus1[:K2] - 2 * base.value
        bent &= (bend.abs() > 0.4 * wider.abs()) & (bend.abs() > 100 * rounding)
        share = bent.to(torch.float64).mean(0).amax()
        kinked = bool(share > (0.0 if all_columns else 0.5))
    del plus1, minus1, plus2, minus2  # the largest of all, where outputs are many

    steepest = slope1.abs().amax(0)
    typical_error = error.amax(0) if all_columns else error.median(0).values
    detached = 0
    if base.attached is not None:
        moves = (slope1.abs() > 10 * error).any(0) & ~base.attached
        detached = int(moves.sum())
    V = _cotangents(base, typical_error, steepest, probes, generator)
    if checked is not None:
        V = V.where(checked, 0.0)
        steepest = steepest.where(checked, 0.0)
    A = problem.pullback(base.graph, V)
    repeat_pullback(problem, base, V[:1], A[:1])
    result = Screen(
        yours=A,
        numeric=A,
        bar=A,
        cotangents=V,
        pulled=A,
        detached=detached,
        kinked=kinked,
    )
    if not math.isfinite(A.sum()):
        return result, None

    # Richardson, (4 slope2 - slope1) / 3 of both sides, where there are two steps.
    stretch = d1.div_(h1)
    slope = torch.lerp(slope1[:K2], slope2, 4 / 3)
    yours = _project(A, torch.lerp(stretch, d2.div_(h2), 4 / 3), U[:K2])
    if K2 < K:
        slope = torch.cat([slope, slope1[K2:]])
        yours = torch.cat([yours, _project(A, stretch, U[K2:])], 1)
    result.yours = yours
    result.numeric = V @ slope.T
    rest = result.numeric - yours
    result.bar = BARS * (V.square() @ error.square().T).sqrt()
    _, floor = _rounding_floor(problem, base, A, yours, all_columns)
    suspects = rest.abs() > result.bar + floor
    relative = (typical_error / steepest).nan_to_num(0, 0, 0)
    result.resolution = float(relative.max())
    zero = [not bool(a.any()) for a in problem.pieces(A)]
    result.silent = tuple(k for k, nothing in enumerate(zero) if nothing)
    result.vacuous = all(zero) and bool((slope1.abs() <= error).all())
    result.disagree = bool(suspects.any())
    blind = newly_bad or result.resolution > SHARP
    result.suspicious = result.disagree or blind
    if not result.suspicious:
        return result, None
    return result, suspects.any(0) | blind


def _project(A: Tensor, stretch: Tensor, U: Tensor) -> Tensor:
    """Return (A * stretch) Uᵀ, some elements at a time if the signs U are int8."""
    if U.dtype == A.dtype:
        return (A * stretch) @ U.T
    projected = A.new_zeros(len(U), len(A))
    for first in range(0, U.shape[1], BLOCK):
        here = slice(first, first + BLOCK)
        projected += U[:, here].to(A.dtype) @ (A[:, here] * stretch[:, here]).T
    return projected.T


def _cotangents(
    base: Base,
    error: Tensor,
    steepest: Tensor,
    probes: int,
    generator: torch.Generator,
) -> Tensor:
    """Return signed cotangents that weigh each output by 1 / its error bar.

    Their lengths differ at random, so that a backward which forgets the incoming
    gradient cannot be right for all of them.
    """
    m = error.shape[0]
    rows = min(probes, m)
    length = 0.5 + torch.rand(rows, 1, generator=generator, dtype=torch.float64)
    if m == 1:
        V = length.to(error)
    else:
        error = error + 1e-12 * steepest
        known = error > 0
        if not bool(known.all()):
            other = error[known].median() if bool(known.any()) else error + 1.0
            error = error.where(known, other)
        V = (random_signs(rows, m, generator) * length).to(error)
        V *= error.amin() / error
        if m <= probes:
            V = torch.diag(V.diagonal())
    if all(y.dtype == torch.float64 for y in base.graph[1]):
        return V
    pieces = torch.split(V, [y.numel() for y in base.graph[1]], 1)
    return torch.cat(
        [v.to(y.dtype).to(V) for v, y in zip(pieces, base.graph[1], strict=True)], 1
    )


def _rounding_floor(
    problem: Map, base: Base, A: Tensor, yours: Tensor, single: bool
) -> tuple[Tensor, Tensor]:
    """Return the typical size of each probe, and the rounding of its autograd side."""
    of_all = ROUNDINGS * problem.eps
    if single:  # one column, and one term, each
        typical = yours.abs()
        return typical, typical * (TYPICAL_ROUNDING + of_all)
    terms = A * base.scale
    typical = torch.linalg.vector_norm(terms, 2, 1, keepdim=True)
    total = torch.linalg.vector_norm(terms, 1, 1, keepdim=True)
    return typical, TYPICAL_ROUNDING * typical + of_all * total


def _climb(
    problem: Map, base: Base, result: Screen, U: Tensor, single: bool, max_memory: int
) -> None:
    """Judge the suspicious directions again, on a ladder of step sizes."""
    A = result.pulled
    steps = ladder(problem.eps)
    # A quarter of the memory: the screen's own tensors take the rest.
    rows = max(1, max_memory // 4 // (BYTES_PER_RUNG * problem.output_size))
    rungs = [_rungs(problem, base, result, u, max_memory) for u in U.split(rows)]
    rests, noises, jumps, stuck = zip(*rungs, strict=True)
    rest, bar = extrapolated_limit(
        torch.cat(rests, 1), torch.cat(noises, 1), torch.tensor(steps).to(A)
    )
    result.yours = _project(A, base.scale[None], U)
    typical, floor = _rounding_floor(problem, base, A, result.yours, single)
    result.disagree = bool((rest.abs() > 5 * bar + floor.T).any())
    relative = (bar / typical.T)[(typical.T > 0).expand_as(bar)]
    result.resolution = float(relative.max()) if len(relative) else 0.0
    low = result.resolution > SHARP or not bool(torch.isfinite(bar).all())
    result.suspicious = result.disagree or low or any(stuck)
    jump = torch.stack(jumps).amax(0)
    noise = jump.where(jump > 0, math.nan).nanmedian(0).values.nan_to_num(0, 0, 0)
    result.noise = float(noise[base.usable].amax())
    result.kinked &= result.noise < LOW_PRECISION * problem.eps
    result.numeric = result.yours + rest.T
    result.bar = 5 * bar.T


def _rungs(
    problem: Map, base: Base, result: Screen, U: Tensor, max_memory: int
) -> tuple[Tensor, Tensor, Tensor, bool]:
    """Return what each step of the ladder finds, for the directions U.

    That is how far numeric and yours are apart, and the noise of it, both (H, K, L);
    the largest relative jump of each output from one small step to the next; and
    whether some output stands still at the smallest step and moved at a larger one.
    """
    V, A = result.cotangents, result.pulled
    rests, noises, jumps = [], [], []
    previous = None
    moved = torch.zeros_like(U[:, :1] != 0)
    for h in ladder(problem.eps):
        d = exact_steps(problem, [h], base.scale)
        ((plus, minus),) = probe(problem, U, [(d, len(U))], max_memory)
        slope = ((plus - minus) * (0.5 / h)).where(base.usable, 0.0)
        rests.append(slope @ V.T - _project(A, d / h, U).T)
        largest = torch.maximum(plus.abs(), minus.abs()).nan_to_num(0, 0, 0)
        largest = torch.maximum(largest, base.value.abs().nan_to_num(0, 0, 0))
        rounding = torch.maximum(base.noise, problem.eps * largest)
        rounding = rounding.where(base.usable, 0.0) / h
        noises.append(3 * (rounding.square() @ V.square().T).sqrt())
        if previous is not None and h < 0.3 * problem.eps ** (1 / 3):
            jump = (slope - previous).abs() * h / largest.clamp_min(1e-300)
            jumps.append(jump.nan_to_num(0, 0, 0).amax(0))
        moved = moved | (slope != 0)
        previous = slope
    stuck = bool((moved & (slope == 0)).any())
    return torch.stack(rests), torch.stack(noises), torch.stack(jumps), stuck
