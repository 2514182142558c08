"""Where a gradient is wrong: columns of the Jacobian, compared element by element."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._differences import (
    extrapolated_limit,
    fine_ladder,
    first_step,
    ladder,
    limit,
)
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._screen import Screen, on_ladder, random_lengths
from autodiff_guide.gradcheck._settings import Settings

# Error bars within which two slopes are equal.
BARS = 5
# Slopes that differ by less than this share are equal, whatever rtol is.
EQUAL = 1e-7
# Rounding of a gradient, in units of eps and of the largest slope nearby.
ROUNDINGS = 50
# An error bar is sharp below these shares of the slope, and of the largest one.
SHARP, SHARP_OF_LARGEST = 1e-3, 1e-5
# Directions of the bisection, and how many wrong elements it looks for.
BISECTION_PROBES, BISECTED = 2, 3
SIDES = "the slope is {:.6g} on the left and {:.6g} on the right, yours is {:.6g}"
# A tolerance from which on one difference tells whether a slope is accepted.
MUCH = 1e-5


class Status(IntEnum):
    """What one element of the Jacobian turned out to be."""

    AGREE = 0
    KINK = 1
    UNRESOLVED = 2
    DISAGREE = 3
    BAD_KINK = 4


@dataclass(eq=False)
class Evidence:
    """Columns of the Jacobian: yours, and the numeric ones with error bars.

    Attributes
    ----------
    problem, base : Map, Base
        The map compared: that of the user, or sums of its outputs.
    columns : Tensor
        The flat input elements looked at, shape (C,).
    yours, numeric, bar : Tensor
        Shape (C, m).
    rounding : Tensor
        What rounding may add to `yours`, shape (C, m).
    status : Tensor
        A `Status` for each element, shape (C, m), int8.
    kink : tuple or None
        The flat input element of one kink, a wrong one if there is any, and a sentence
        on its slopes.
    """

    problem: Map
    base: Base
    columns: Tensor
    yours: Tensor
    numeric: Tensor
    bar: Tensor
    rounding: Tensor
    status: Tensor
    kink: tuple[int, str] | None = None

    def count(self, status: Status) -> int:
        """Return how many elements have this status."""
        return int((self.status == status).sum())

    @property
    def failed(self) -> bool:
        """Whether any element is wrong."""
        return bool((self.status >= Status.DISAGREE).any())

    @property
    def judged(self) -> tuple[Tensor, Tensor, Tensor]:
        """The numeric slopes, what may lie between equal ones, and which are wrong.

        Slopes that the differences do not know, or that have two values, are 0 and have
        an infinite slack. Elements left unresolved because others had already failed
        are judged here.
        """
        known = torch.isfinite(self.bar) & (self.status != Status.KINK)
        numeric = self.numeric.where(known, 0.0)
        size = torch.maximum(numeric.abs(), _sizes(self.yours))
        slack = BARS * self.bar + self.rounding + EQUAL * size
        slack = slack.where(known, math.inf)
        apart = (self.yours - numeric).abs() > slack
        unseen = (self.status == Status.UNRESOLVED) & apart
        return numeric, slack, unseen | (self.status >= Status.DISAGREE)


class Values(NamedTuple):
    """f on both sides of a point, moved along C single columns in H steps.

    `plus` and `minus` have shape (H, C, m); `ahead` and `behind`, the distances that
    were really moved, (H, C, 1).
    """

    plus: Tensor
    minus: Tensor
    ahead: Tensor
    behind: Tensor

    @property
    def central(self) -> Tensor:
        """The central differences, (H, C, m)."""
        return (self.plus - self.minus) / (self.ahead + self.behind)

    def rounding(self, problem: Map, base: Base) -> Tensor:
        """Return the rounding of the values, (H, C, m)."""
        size = torch.maximum(self.plus.abs(), self.minus.abs())
        size = torch.maximum(size, base.value.abs()).nan_to_num(0, 0, 0)
        return torch.maximum(base.noise, problem.eps * size)


def move_columns(
    problem: Map, columns: Tensor, steps: list[float], scale: Tensor
) -> Values:
    """Evaluate f with one element moved at a time, both ways, in every step.

    Only the tensor that holds the element is batched; the others are shared.
    """
    shape = (2, len(steps), len(columns), -1)
    sizes = torch.tensor(steps, dtype=torch.float64, device=problem.device)
    moves = sizes[:, None] * scale[columns]
    moves = torch.stack([moves, -moves]).flatten()
    elements = columns.repeat(2 * len(steps))
    y = problem.x.new_empty(len(elements), problem.output_size)
    for p, x in enumerate(problem.points):
        local = elements - problem.starts[p]
        mine = ((local >= 0) & (local < x.numel())).nonzero().flatten()
        rows = problem.rows_at_once(x.numel())
        for here in mine.split(rows) if len(mine) else ():
            points = x.reshape(1, -1).repeat(len(here), 1)
            each, at = (
                torch.arange(len(here), device=x.device),
                local[here].to(x.device),
            )
            to = (problem.x[elements[here]] + moves[here]).to(x)
            moves[here] = to.to(moves) - problem.x[elements[here]]  # as really moved
            points[each, at] = to
            batch = list(problem.points)
            batch[p] = points.view(-1, *x.shape)
            y[here] = problem.values(batch, p)
    return Values(*y.view(shape), *moves.abs().view(shape))


def jacobian_columns(problem: Map, columns: Tensor) -> Tensor:
    """Return these columns of J by autograd, as rows: shape (C, m)."""
    m = problem.output_size
    yours = problem.x.new_empty(len(columns), m)
    every = torch.arange(m, device=problem.device)
    for rows in every.split(problem.rows_at_once(problem.n)):
        unit = problem.x.new_zeros(len(rows), m)
        unit[torch.arange(len(rows), device=problem.device), rows] = 1.0
        yours[:, rows] = problem.pullback(unit)[:, columns].T
    return yours


def compare(problem: Map, base: Base, columns: Tensor, accepted: Settings) -> Evidence:
    """Compare whole columns: two steps for all, a ladder for the doubtful ones.

    The worst climb first, until some have failed. Those still in doubt get two more
    ladders: of steps relative to a small element itself, and of steps small enough for
    a singularity close by.
    """
    yours = jacobian_columns(problem, columns)
    # Rounding inside f is at least that of the terms which the inputs contribute.
    terms = _sizes(yours) * problem.x[columns].abs()[:, None]
    terms = terms.sum(0) * (problem.n / len(columns))
    base = replace(base, noise=torch.maximum(base.noise, problem.eps * terms))
    evidence, doubt = _first_look(problem, base, columns, yours, accepted)
    order = torch.argsort(doubt, descending=True)[: int((doubt > 0).sum())]
    size = problem.x.abs()
    own = torch.where((size > 0) & (size < 0.1 * base.scale), size, base.scale)
    small = (own < base.scale)[columns]
    every = torch.ones_like(small)
    coarse, fine = ladder(problem.eps), fine_ladder(problem.eps)
    ladders = (coarse, base.scale, every), (coarse, own, small), (fine, own, every)
    room = 4 * min(problem.rows_at_once(0) // 16, problem.rows_at_once(problem.n))
    for block in order.split(max(1, room)) if len(order) else ():
        for k, (steps, scale, able) in enumerate(ladders):
            doubtful = (evidence.status[block] >= Status.UNRESOLVED).any(1)
            some = block[able[block] & doubtful]
            if len(some):
                values = move_columns(problem, columns[some], steps, scale)
                _judge(evidence, accepted, some, steps, values, again=k > 0)
        if evidence.failed:
            break
    return evidence


def _first_look(
    problem: Map, base: Base, columns: Tensor, yours: Tensor, accepted: Settings
) -> tuple[Evidence, Tensor]:
    """Return evidence from two steps, and how doubtful each column is; 0 is settled.

    Where much is accepted, one step tells: what agrees with it is not wrong by more.
    """
    h = first_step(problem.eps)
    steps = [h] if accepted.rtol >= MUCH else [h, h / 2]
    values = move_columns(problem, columns, steps, base.scale)
    finite = torch.isfinite(values.plus + values.minus).all(0) & base.usable
    coarse, fine = values.central[0], values.central[-1]
    rounding = values.rounding(problem, base).amax(0)
    bar = (coarse - fine).abs() * (2 / 3) + 4 * rounding / values.ahead[-1]
    numeric = (4 * fine - coarse) / 3
    shown = torch.maximum(_sizes(yours), numeric.abs().where(finite, 0.0))
    nearby = torch.maximum(shown.amax(0), shown.amax(1, keepdim=True))
    unseen = problem.eps ** (-1 / 3) * rounding / base.scale[columns][:, None]
    slack = ROUNDINGS * problem.eps * nearby + 0.1 * unseen
    allowed = 3 * bar + accepted.atol + accepted.rtol * shown + slack
    apart = (yours - numeric).abs() / (allowed + 1e-300)
    sharp = bar <= 0.1 * SHARP * shown + 0.1 * SHARP_OF_LARGEST * shown.amax(0) + unseen
    settled = finite & (apart <= 1) & sharp
    if base.checked is not None:
        settled |= ~base.checked
    status = torch.where(settled, Status.AGREE, Status.UNRESOLVED).to(torch.int8)
    evidence = Evidence(problem, base, columns, yours, numeric, bar, slack, status)
    doubt = (apart + 1e-9).nan_to_num(math.inf).where(~settled, 0.0).amax(1)
    return evidence, doubt


def _judge(
    evidence: Evidence,
    accepted: Settings,
    block: Tensor,
    steps: list[float],
    values: Values,
    *,
    again: bool,
) -> None:
    """Find the limits that columns have on a ladder, and what they say of yours."""
    problem, base = evidence.problem, evidence.base
    noise = 2 * values.rounding(problem, base) / (values.ahead + values.behind)
    numeric, bar = limit(values.central, noise)
    ahead = (values.plus - base.value) / values.ahead
    behind = (base.value - values.minus) / values.behind
    right, right_bar = extrapolated_limit(ahead, 2 * noise, steps)
    left, left_bar = extrapolated_limit(behind, 2 * noise, steps)
    has_left, has_right = torch.isfinite(left_bar), torch.isfinite(right_bar)
    # On the edge of its domain a function has one slope only.
    edge = (has_left ^ has_right) & ~torch.isfinite(bar)
    numeric = torch.where(edge, torch.where(has_right, right, left), numeric)
    bar = torch.where(edge, torch.minimum(left_bar, right_bar), bar)

    yours, rounding = evidence.yours[block], evidence.rounding[block]
    peak = _sizes(evidence.yours).amax(0)
    # Where a slope is 0 and alone, as that of x**3 at 0, the slopes nearby are a scale.
    nearby = torch.maximum(peak, _sizes(values.central[0]))

    def slack(value: Tensor, bar: Tensor) -> Tensor:
        share = accepted.rtol * torch.maximum(_sizes(yours), _sizes(value))
        return BARS * bar + accepted.atol + share + rounding

    resolved = torch.isfinite(bar)
    close = resolved & ((yours - numeric).abs() <= slack(numeric, bar))
    size = torch.maximum(_sizes(yours), _sizes(numeric))
    unavoidable = 3 * noise.amin(0) + 10 * rounding
    sharp = bar <= SHARP * size + SHARP_OF_LARGEST * nearby + unavoidable

    both_bars = left_bar + right_bar
    steepest = torch.maximum(left.abs(), right.abs())
    gap = 2 * BARS * both_bars + 1e-6 * steepest + 1e-9 * peak
    kink = has_left & has_right & ((right - left).abs() > gap)
    low, high = torch.minimum(left, right), torch.maximum(left, right)
    between = yours >= low - slack(low, both_bars)
    between &= yours <= high + slack(high, both_bars)

    status = torch.full_like(yours, Status.UNRESOLVED, dtype=torch.int8)
    status[close & sharp] = Status.AGREE
    status[resolved & ~close & (sharp | ~edge)] = Status.DISAGREE
    status[kink & between] = Status.KINK
    status[kink & ~between] = Status.BAD_KINK
    status[~torch.isfinite(yours) & resolved] = Status.DISAGREE

    better = evidence.status[block] == Status.UNRESOLVED
    if again:
        better = _clearer(evidence, block, status, numeric, bar)
    evidence.status[block] = torch.where(better, status, evidence.status[block])
    evidence.numeric[block] = torch.where(better, numeric, evidence.numeric[block])
    evidence.bar[block] = torch.where(better, bar, evidence.bar[block])
    kinks = kink & better & torch.isfinite(left + right)
    outside = bool((kinks & (status == Status.BAD_KINK)).any())
    if bool(kinks.any()) and (outside or evidence.kink is None):
        at = divmod(int((status * kinks).flatten().argmax()), status.shape[1])
        sentence = SIDES.format(*(float(x[at]) for x in (left, right, yours)))
        evidence.kink = int(evidence.columns[block[at[0]]]), sentence


def _clearer(
    evidence: Evidence, block: Tensor, status: Tensor, numeric: Tensor, bar: Tensor
) -> Tensor:
    """Return where this ladder knows better than the one before.

    It does if its bar is smaller, or if it has a limit that contradicts the one of
    larger steps. It does not if larger steps spoke for your gradient and it speaks
    against: rounding can be smooth over tiny steps.
    """
    before, last_bar = evidence.numeric[block], evidence.bar[block]
    supported = (evidence.yours[block] - before).abs() <= BARS * last_bar
    against = supported & (status >= Status.UNRESOLVED)
    apart = (numeric - before).abs() > 3 * (bar + last_bar)
    contradicts = apart & (bar <= 0.3 * numeric.abs())
    return (contradicts | ~(bar >= last_bar)) & ~against


def _sizes(x: Tensor) -> Tensor:
    """Return the size of each element, 0 where it is not finite."""
    return x.abs().nan_to_num(0, 0, 0)


def bisect(
    problem: Map,
    base: Base,
    seen: Screen,
    accepted: Settings,
    generator: torch.Generator,
) -> list[int]:
    """Return some wrong elements of a large input, halving where they may be.

    A random probe of half the elements tells whether that half holds a wrong one, or
    else the other must, so that log2(n) halves lead to one wrong element among n.
    """
    V, A = seen.cotangents, seen.pulled
    steps = ladder(problem.eps)[2:9]

    def suspicious(some: Tensor) -> bool:
        U = problem.x.new_zeros(BISECTION_PROBES, problem.n)
        U[:, some] = random_lengths(BISECTION_PROBES, len(some), generator).to(U)
        rest, bar = on_ladder(problem, base, V, A, U, steps)
        sizes = (U * base.scale).abs().T
        floor = 1e-12 * A.abs() @ sizes + accepted.atol * V.abs().amax() * sizes.amax()
        return bool((rest.abs() > BARS * bar + floor).any())

    found: list[int] = []
    elements = torch.arange(problem.n, device=problem.device)
    while len(found) < BISECTED and suspicious(elements):
        some = elements
        while len(some) > 1:
            first, second = some.tensor_split(2)
            some = first if suspicious(first) else second
        if not suspicious(some):
            break
        found.append(int(some))
        elements = elements[elements != some]
    return found
