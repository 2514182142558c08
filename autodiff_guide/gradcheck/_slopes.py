"""The slopes of single columns, from both sides, and what they say of a gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._ladder import (
    extrapolated_limit,
    limit,
    one_sided_limit,
)
from autodiff_guide.gradcheck._map import Map

# Elements that differ by less than this of their value are taken for equal.
RTOL = 1e-7
# An error bar above this share of the largest slope resolves nothing, at any precision.
BLUNT = 0.1
# A relative step from which a smooth function would move.
WIDE = 0.01
# Rounding of an autograd gradient, in units of eps and of the largest slope nearby;
# never more than the second number.
ROUNDINGS, LARGEST_ROUNDING = 50, 0.05
# Noise above this many roundings is no rounding of the result.
LOUD = 20


class Status(IntEnum):
    """What one element of the Jacobian turned out to be."""

    AGREE = 0
    STAIRCASE = 1
    EDGE = 2
    KINK = 3
    UNRESOLVED = 4
    DISAGREE = 5
    BAD_KINK = 6


@dataclass(eq=False)
class Values:
    """f on both sides of a point, moved along C single columns in H steps.

    `plus` and `minus` have shape (H, C, m); `ahead` and `behind`, the distances that
    were really moved, (H, C).
    """

    plus: Tensor
    minus: Tensor
    ahead: Tensor
    behind: Tensor

    def joined(self, other: Values) -> Values:
        """Return these columns and those of `other`."""
        return Values(
            torch.cat([self.plus, other.plus], 1),
            torch.cat([self.minus, other.minus], 1),
            torch.cat([self.ahead, other.ahead], 1),
            torch.cat([self.behind, other.behind], 1),
        )


@dataclass(eq=False)
class Slopes:
    """Limits of the difference quotients, each of shape (C, m), with error bars."""

    central: Tensor
    central_bar: Tensor
    left: Tensor
    left_bar: Tensor
    right: Tensor
    right_bar: Tensor
    staircase: Tensor
    blind: Tensor
    best_rounding: Tensor
    relative_noise: float


@dataclass(eq=False)
class Tolerance:
    """What counts as equal: rounding of yours, and the least slope visible."""

    row: Tensor
    around: Tensor
    visible: Tensor


def blunt(eps: float) -> float:
    """Return the share of the largest slope that an error bar may not exceed."""
    return min(math.pow(eps, 0.2), BLUNT)


def measure(problem: Map, base: Base, values: Values, steps: list[float]) -> Slopes:
    """Return the limits on the ladder `steps`, with the noise measured on it."""
    plus, minus, eps = values.plus, values.minus, problem.eps
    width = (values.ahead + values.behind)[..., None]
    central = (plus - minus) / width
    size = torch.maximum(torch.maximum(plus.abs(), minus.abs()), base.value.abs())
    size = size.nan_to_num(0, 0, 0)
    jitter, loud = _measured_noise(eps, central, width, size, steps)
    rounding = torch.maximum(base.noise, eps * size)
    noise = 2 * torch.maximum(rounding, jitter) / width

    flat = plus == minus
    staircase = (
        _treads(flat) | _treads(plus == base.value) | _treads(minus == base.value)
    )
    if bool(staircase.any()):
        jump = (plus - minus).abs()
        jump = jump.where(~flat & torch.isfinite(jump), math.inf).amin(0)
        staircase &= (jump > 50 * eps * size.amax(0)) & torch.isfinite(jump)
        noise = torch.maximum(noise, jump.where(staircase, 0.0) / width)

    # A value that does not move at all may be the small difference of two large ones.
    still = (flat.all(0) | staircase) & (steps[0] >= WIDE)
    least = eps * float(base.value.abs().nan_to_num(0, 0, 0).amax().clamp_min(1.0))
    blind = torch.where(still, 2 * least / width.amax(0), 0.0)

    h = torch.tensor(steps, dtype=torch.float64, device=central.device)
    value, bar = extrapolated_limit(central, noise, h)
    if bool(staircase.any()):
        moving, moving_bar = limit(central.where(~flat, math.nan), noise)
        value = torch.where(staircase, moving, value)
        bar = torch.where(staircase, moving_bar, bar)
    ahead = (plus - base.value) / values.ahead[..., None]
    behind = (base.value - minus) / values.behind[..., None]
    right, right_bar = one_sided_limit(ahead, 2 * noise, h)
    left, left_bar = one_sided_limit(behind, 2 * noise, h)
    share = jitter / size.amax(0).clamp_min(1e-300)
    return Slopes(
        central=value,
        central_bar=bar,
        left=left,
        left_bar=left_bar,
        right=right,
        right_bar=right_bar,
        staircase=staircase,
        blind=blind,
        best_rounding=(2 * rounding / width).amin(0),
        relative_noise=float(share[loud].median()) if bool(loud.any()) else 0.0,
    )


def _treads(flat: Tensor) -> Tensor:
    """Return where the smallest step changes nothing, and a larger one does."""
    return flat[-1] & ~flat[:-1].all(0)


def _measured_noise(
    eps: float, central: Tensor, width: Tensor, size: Tensor, steps: list[float]
) -> tuple[Tensor, Tensor]:
    """Return how far f jumps between small steps, and where that is far too much.

    A slope hardly changes between two small steps. If it seems to, the values carry
    noise; if that is far above rounding, f is computed in lower precision than its
    input, or cancels, and so are its other columns. Both of shape (C, m).
    """
    small = [k for k, h in enumerate(steps) if h <= 0.3 * eps ** (1 / 3)]
    change = central[small[1:]] - central[small[:-1]]
    jumps = (change.abs() * width[small[1:]] / 2).nan_to_num(0, 0, 0)
    jump = 2 * jumps.where(jumps > 0, math.nan).nanmedian(0).values.nan_to_num(0, 0, 0)
    loud = jump > LOUD * eps * size.amax(0)
    shared = jump.where(loud, math.nan).nanmedian(0).values.nan_to_num(0, 0, 0)
    return torch.maximum(jump, shared), loud


def classify(
    problem: Map, slopes: Slopes, yours: Tensor, tolerance: Tolerance
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (status, numeric slope, error bar) of each element, shape (C, m)."""

    def slack(value: Tensor, bar: Tensor) -> Tensor:
        return 5 * bar + RTOL * torch.maximum(yours.abs(), value.abs()) + around

    row = tolerance.row
    peak = float(row.amax())
    # Where f does not move at all, yours may be what two large terms leave.
    left_over = math.sqrt(problem.eps) * row
    blind = torch.where(slopes.blind > 0, slopes.blind + left_over, 0.0)
    around = tolerance.around + blind.clamp_max(BLUNT * max(peak, problem.eps))
    value, bar = slopes.central, slopes.central_bar
    left, left_bar = slopes.left, slopes.left_bar
    right, right_bar = slopes.right, slopes.right_bar
    stairs = slopes.staircase
    resolved = torch.isfinite(bar)
    has_left, has_right = torch.isfinite(left_bar), torch.isfinite(right_bar)

    size = torch.maximum(yours.abs(), value.abs().nan_to_num(0, 0, 0))
    sharp_enough = min(problem.eps**0.2, 0.04) * size
    sharp_enough += min(problem.eps ** (1 / 3), 0.04) * row
    unavoidable = 3 * slopes.best_rounding + tolerance.visible
    unavoidable = unavoidable.clamp_max(blunt(problem.eps) * peak)
    sharp = bar <= sharp_enough + unavoidable
    close = resolved & ((yours - value).abs() <= slack(value, bar))
    agree = close & sharp

    sides = torch.maximum(left.abs(), right.abs())
    gap = 10 * (left_bar + right_bar) + 1e-6 * sides + 1e-9 * row
    kink = ~stairs & has_left & has_right & ((right - left).abs() > gap)
    low, high = torch.minimum(left, right), torch.maximum(left, right)
    both_bars = left_bar + right_bar
    between = (yours >= low - slack(low, both_bars)) & (
        yours <= high + slack(high, both_bars)
    )

    edge = has_left ^ has_right
    side = torch.where(has_right, right, left)
    side_bar = torch.where(has_right, right_bar, left_bar)
    edge_close = (yours - side).abs() <= slack(side, side_bar)
    edge_sharp = side_bar < 1e-3 * side.abs()

    status = torch.full_like(yours, Status.UNRESOLVED, dtype=torch.int8)
    status[agree] = Status.AGREE
    status[resolved & ~close] = Status.DISAGREE
    status[edge & edge_close & ~resolved] = Status.EDGE
    status[edge & ~edge_close & edge_sharp & ~resolved] = Status.DISAGREE
    status[kink & between] = Status.KINK
    status[kink & ~between] = Status.BAD_KINK
    status[~torch.isfinite(yours) & (resolved | edge)] = Status.DISAGREE

    # On a staircase the slope is 0 on a tread, and `value` over many of them: both are
    # defensible, anything else is not. Rounding to lower precision makes no treads.
    on_tread = stairs & (yours.abs() <= around)
    if problem.low_precision:
        on_tread &= value.abs() <= 5 * bar
    over_many = stairs & close
    wide = stairs & ~on_tread & ~over_many & (bar > 0.05 * value.abs())
    status[wide] = Status.UNRESOLVED
    status[over_many & ~on_tread] = Status.STAIRCASE
    status[over_many & ~on_tread & (bar <= 0.05 * size)] = Status.AGREE
    status[on_tread] = Status.STAIRCASE
    return (
        status,
        torch.where(resolved, value, side),
        torch.where(resolved, bar, side_bar),
    )
