"""Step sizes, exact in floating point, and the limit that a ladder of steps has."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autodiff_guide.gradcheck._map import Map

LEVELS = 12
# Of more elements than this the typical size is that of every third, fifth, ... one.
MANY = 2**17
# The finest steps in 16 bits, in spacings of the numbers themselves.
FEW = (4.0, 3.0, 2.0, 1.0)


def scales(problem: Map) -> Tensor:
    """Return what steps are relative to: each size, raised to a typical one."""
    size = problem.x.abs()
    if problem.movable is not None:
        size = size.where(problem.movable, 0.0)
    for piece in size.split_with_sizes(problem.sizes):
        piece.clamp_min_(_typical(piece))
    return size


def _typical(size: Tensor) -> float:
    """Return the median of `size`, or of some of many; of nonzero ones if it is 0."""
    some = size[:: 2 * (len(size) // MANY) + 1]
    typical = float(some.median()) if len(some) else 1.0
    if not typical > 0:
        nonzero = size[size > 0]
        typical = float(nonzero.median()) if len(nonzero) else 1.0
    return typical


def first_steps(eps: float) -> tuple[float, float]:
    """Return the two relative steps of the screen, near the best for smooth maps."""
    step = 2 * eps ** (1 / 3)
    return step, step / 2


def ladder(eps: float) -> list[float]:
    """Return relative steps, from large down to where rounding wins."""
    top, bottom = min(0.5, max(0.05, 4 * eps ** (1 / 3))), 0.1 * math.sqrt(eps)
    ratio = (bottom / top) ** (1 / (LEVELS - 1))
    return [top * ratio**k for k in range(LEVELS)]


def fine_ladder(eps: float) -> list[float]:
    """Return relative steps below those of `ladder`, for a singularity close by.

    In 16 bits they are a `FEW` spacings of the numbers.
    """
    top, bottom = 0.1 * math.sqrt(eps), 4 * eps
    if bottom > top:
        return [k * eps for k in FEW]
    ratio = (bottom / top) ** (1 / (LEVELS - 1))
    return [top * ratio**k for k in range(LEVELS)]


def exact_steps(problem: Map, steps: list[float], scale: Tensor) -> Tensor:
    """Return d, close to step * scale, with x + d and x - d exact in x's precision.

    The shape is (H, n) for H steps.
    """
    wanted = torch.outer(scale.new_tensor(steps), scale)
    if all(x.dtype == torch.float64 for x in problem.points):
        exact = _surviving(problem.x, wanted)
    else:
        pieces = zip(problem.points, problem.pieces(wanted), strict=True)
        exact = torch.cat([_surviving(x.reshape(-1), d) for x, d in pieces], 1)
    return exact if problem.movable is None else exact.where(problem.movable, 0.0)


def _surviving(x: Tensor, d: Tensor) -> Tensor:
    """Return, in its place, the part of d that survives x + d in x's precision."""
    size = x.abs()
    return d.to(x.dtype).add_(size).sub_(size).to(torch.float64)


def limit(estimates: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the limit of estimates (H, ...) at falling steps, and its error bar.

    The error of an estimate is at least its rounding `noise`, and at least the larger
    of its distances to its two neighbours on the ladder; the best estimate is the one
    with the smallest error. The ends have one neighbour and are never chosen. A plateau
    of large steps loses to a plateau of smaller ones that contradicts it: only the
    smaller steps are near the limit.
    """
    gaps = (estimates[1:] - estimates[:-1]).abs()
    gaps = torch.where(torch.isfinite(gaps), gaps, math.inf)
    ends = torch.full_like(estimates[:1], math.inf)
    error = torch.maximum(torch.cat([ends, gaps]), torch.cat([gaps, ends]))
    error = torch.maximum(error, noise)
    error = torch.where(torch.isfinite(estimates), error, math.inf)
    bar, level = error.min(0)
    value = estimates.gather(0, level[None])[0]
    levels = torch.arange(len(estimates), device=level.device)
    finer = levels.view(-1, *[1] * level.dim()) > level
    contradicts = finer & ((estimates - value).abs() > 3 * (error + bar))
    contradicts &= error <= 0.05 * estimates.abs()
    if bool(contradicts.any()):
        second, level = torch.where(contradicts, error, math.inf).min(0)
        switch = torch.isfinite(second)
        value = torch.where(switch, estimates.gather(0, level[None])[0], value)
        bar = torch.where(switch, second, bar)
    return value, bar


def extrapolated_limit(
    estimates: Tensor, noise: Tensor, steps: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the better of `limit` before and after one Richardson step.

    The error of a central difference falls as the square of its step.

    References
    ----------
    .. [1] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)",
       Advances in Engineering Software 4(2), 1982, doi:10.1016/S0141-1195(82)80057-0.
    """
    value, bar = limit(estimates, noise)
    combined, combined_bar = limit(*_richardson(estimates, noise, steps, 2))
    better = combined_bar < bar
    # Two limits that contradict each other are none.
    apart = (combined - value).abs()
    torn = torch.isfinite(apart) & (apart > 3 * (bar + combined_bar))
    bar = torch.where(better, combined_bar, bar)
    return torch.where(better, combined, value), torch.where(torn, apart, bar)


def one_sided_limit(
    estimates: Tensor, noise: Tensor, steps: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the limit of one-sided differences, whose error falls as the step."""
    return limit(*_richardson(estimates, noise, steps, 1))


def _richardson(
    estimates: Tensor, noise: Tensor, steps: Tensor, order: int
) -> tuple[Tensor, Tensor]:
    """Combine neighbours D(h), D(h/r) so that their error c h^order cancels.

    With q = r^order, that is (q D(h/r) - D(h)) / (q - 1).
    """
    q = (steps[:-1] / steps[1:]) ** order
    q = q.view(-1, *[1] * (estimates.dim() - 1))
    combined = (q * estimates[1:] - estimates[:-1]) / (q - 1)
    return combined, noise[1:] * (q + 1) / (q - 1)
