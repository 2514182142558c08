"""The steps of differences, and their limit: change here how far one moves."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autodiff_guide.gradcheck._map import Map

LEVELS = 12
# Of more elements than this the typical size is that of every third, fifth, ... one.
MANY = 2**17


def scales(problem: Map) -> Tensor:
    """Return what steps are relative to: each size, raised to a typical one."""
    size = problem.x.abs()
    if problem.movable is not None:
        size = size.where(problem.movable, 0.0)
    for piece in size.split_with_sizes(problem.sizes):
        piece.clamp_min_(_typical(piece))
    return size


def _typical(size: Tensor) -> float:
    """Return the median of what is not zero in `size`, or in some of many."""
    some = size[:: 2 * (len(size) // MANY) + 1]
    typical = float(some.where(some > 0, math.nan).nanmedian())
    return typical if typical > 0 else 1.0


def first_step(eps: float) -> float:
    """Return the relative step tried first, near the best for smooth maps."""
    return 2 * math.pow(eps, 1 / 3)


def ladder(eps: float) -> list[float]:
    """Return relative steps, from large down to where rounding wins."""
    return _geometric(min(0.5, max(0.05, 4 * eps ** (1 / 3))), 0.1 * math.sqrt(eps))


def fine_ladder(eps: float) -> list[float]:
    """Return relative steps below those of `ladder`, for a singularity close by."""
    return _geometric(0.1 * math.sqrt(eps), 4 * eps)


def _geometric(top: float, bottom: float) -> list[float]:
    ratio = (bottom / top) ** (1 / (LEVELS - 1))
    return [top * ratio**k for k in range(LEVELS)]


def exact_moves(problem: Map, moves: Tensor) -> Tensor:
    """Return the part of `moves`, shape (K, n), that x + move and x - move keep."""
    size = problem.x.abs()
    kept = (moves.abs() + size - size).copysign(moves)
    return kept if problem.movable is None else kept.where(problem.movable, 0.0)


def moved(problem: Map, moves: Tensor) -> Tensor:
    """Return f(x + move) for each row of `moves`, shape (K, m)."""
    points = (problem.place(problem.x + move) for move in moves.unbind())
    return torch.stack([problem.plain_value(point) for point in points])


def limit(estimates: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the limit of estimates (H, ...) at falling steps, and its error bar.

    The error of an estimate is at least its rounding `noise`, and at least the larger
    of its distances to its two neighbours on the ladder; the best estimate is the one
    with the smallest error. The ends have one neighbour and are never chosen.
    """
    gaps = (estimates[1:] - estimates[:-1]).abs()
    gaps = torch.where(torch.isfinite(gaps), gaps, math.inf)
    ends = torch.full_like(estimates[:1], math.inf)
    error = torch.maximum(torch.cat([ends, gaps]), torch.cat([gaps, ends]))
    error = torch.maximum(error, noise)
    error = torch.where(torch.isfinite(estimates), error, math.inf)
    bar, level = error.min(0)
    return estimates.gather(0, level[None])[0], bar


def extrapolated_limit(
    estimates: Tensor, noise: Tensor, steps: list[float]
) -> tuple[Tensor, Tensor]:
    """Return the limit of differences to one side, whose error falls with the step.

    Neighbours D(h) and D(h/r) combine to (r D(h/r) - D(h)) / (r - 1), in which that
    error cancels.
    """
    r = steps[0] / steps[1]
    combined = (r * estimates[1:] - estimates[:-1]) / (r - 1)
    return limit(combined, noise[1:] * (r + 1) / (r - 1))
