"""Where a gradient is wrong: columns of the Jacobian, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._ladder import (
    FEW,
    extrapolated_limit,
    fine_ladder,
    first_steps,
    ladder,
)
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._probe import probe, random_signs
from autodiff_guide.gradcheck._slopes import (
    LARGEST_ROUNDING,
    ROUNDINGS,
    RTOL,
    Status,
    Tolerance,
    Values,
    blunt,
    classify,
    measure,
)

# Columns judged together on the ladder.
BLOCK = 64
# Slopes over a few spacings of the numbers are equal if they differ by less than this.
EQUAL = 0.05
# Directions and cotangents of the bisection.
BISECTION_PROBES = 4
BISECTION_COTANGENTS = 8


@dataclass(eq=False)
class Evidence:
    """Columns of the Jacobian: yours, and the numeric ones with error bars.

    Attributes
    ----------
    columns : Tensor
        The flat input elements looked at, shape (C,).
    yours, numeric, bar : Tensor
        Shape (C, m).
    status : Tensor
        A `Status` for each element, shape (C, m), int8.
    kink : tuple or None
        (column position, output, left slope, right slope) of the clearest kink.
    noise : float
        Relative noise of f above rounding; 0 if there is none.
    stairs : int
        How many elements move in jumps.
    """

    columns: Tensor
    yours: Tensor
    numeric: Tensor
    bar: Tensor
    status: Tensor
    kink: tuple[int, int, float, float] | None = None
    noise: float = 0.0
    stairs: int = 0

    def count(self, status: Status) -> int:
        """Return how many elements have this status."""
        return int((self.status == status).sum())

    @property
    def failed(self) -> bool:
        """Whether any element is wrong."""
        return self.count(Status.DISAGREE) + self.count(Status.BAD_KINK) > 0


def move_columns(
    problem: Map, columns: Tensor, steps: list[float], scale: Tensor, max_memory: int
) -> Values:
    """Evaluate f with one element moved at a time, both ways, in every step.

    Only the tensor that holds the element is batched; the others are shared.
    """
    H, C, m = len(steps), len(columns), problem.output_size
    plus = problem.x.new_empty(H, C, m)
    minus = problem.x.new_empty(H, C, m)
    ahead = problem.x.new_empty(H, C)
    behind = problem.x.new_empty(H, C)
    sizes = torch.tensor(steps, dtype=torch.float64, device=problem.device)[:, None]
    for p, x in enumerate(problem.points):
        start, stop = problem.starts[p], problem.starts[p + 1]
        mine = ((columns >= start) & (columns < stop)).nonzero().flatten()
        row = problem.bytes_per_evaluation + 2 * x.numel() * x.element_size() + 16 * m
        chunk = max(1, int(max_memory / row / 2 / H))
        for here in torch.split(mine, chunk) if len(mine) else ():
            c = len(here)
            local = columns[here] - start
            flat = x.reshape(-1)
            centre = flat[local].to(torch.float64)
            move = sizes * scale[columns[here]]
            up, down = (centre + move).to(x.dtype), (centre - move).to(x.dtype)
            points = flat.repeat(2 * H * c, 1).view(2, H, c, -1)
            each = torch.arange(c, device=problem.device)
            points[0][:, each, local] = up
            points[1][:, each, local] = down
            batch = list(problem.points)
            batch[p] = points.view(2 * H * c, *x.shape)
            y = problem.values(batch, [q == p for q in range(len(batch))])
            plus[:, here], minus[:, here] = y.view(2, H, c, m)
            ahead[:, here] = up.to(torch.float64) - centre
            behind[:, here] = centre - down.to(torch.float64)
    return Values(plus, minus, ahead, behind)


def jacobian_columns(
    problem: Map, base: Base, columns: Tensor, max_memory: int
) -> Tensor:
    """Return these columns of J by autograd, as rows: shape (C, m)."""
    m = problem.output_size
    yours = problem.x.new_empty(len(columns), m)
    chunk = max(
        1, int(max_memory / (24 * (problem.n + m) + problem.bytes_per_evaluation))
    )
    for rows in torch.split(torch.arange(m, device=problem.device), chunk):
        unit = problem.x.new_zeros(len(rows), m)
        unit[torch.arange(len(rows), device=problem.device), rows] = 1.0
        yours[:, rows] = problem.pullback(base.graph, unit)[:, columns].T
    return yours


@dataclass(eq=False)
class _Look:
    """Two steps along each column: the evidence so far, and how far off it is.

    `off` is the difference of each column in units of what two steps can tell, 0 where
    `settled`; more than 1 is a disagreement.
    """

    values: Values
    evidence: Evidence
    settled: Tensor
    tolerance: Tolerance
    off: Tensor


def localise(problem: Map, base: Base, columns: Tensor, max_memory: int) -> Evidence:
    """Compare whole columns: two steps for all, a ladder for the doubtful ones."""
    look = _look(problem, base, columns, max_memory)
    return _judge(problem, base, look, max_memory)


def search(
    problem: Map,
    base: Base,
    columns: Tensor,
    generator: torch.Generator,
    max_memory: int,
) -> Evidence:
    """Compare a sample of columns, and those that bisection finds if it is right."""
    look = _look(problem, base, columns, max_memory)
    evidence = None
    if bool((look.off > 1).any()):
        evidence = _judge(problem, base, look, max_memory)
        if evidence.failed:
            return evidence
    found = bisect(problem, base, generator, max_memory)
    if found:
        more = sorted(set(found).difference(columns.tolist()))
        look = _look(problem, base, columns.new_tensor(more), max_memory, look)
    elif evidence is not None:
        return evidence
    return _judge(problem, base, look, max_memory)


def _look(
    problem: Map,
    base: Base,
    columns: Tensor,
    max_memory: int,
    before: _Look | None = None,
) -> _Look:
    """Take two steps along these columns, and join them to those taken `before`."""
    yours = jacobian_columns(problem, base, columns, max_memory)
    steps = list(first_steps(problem.eps))
    values = move_columns(problem, columns, steps, base.scale, max_memory)
    if before is not None:
        columns = torch.cat([before.evidence.columns, columns])
        yours = torch.cat([before.evidence.yours, yours])
        values = before.values.joined(values)
    evidence, settled, tolerance = _first_look(problem, base, columns, yours, values)
    off = (yours - evidence.numeric).abs() / (3 * evidence.bar + tolerance.around)
    off = off.nan_to_num(math.inf).where(~settled, 0.0).amax(1)
    return _Look(values, evidence, settled, tolerance, off)


def _judge(problem: Map, base: Base, look: _Look, max_memory: int) -> Evidence:
    """Send unsettled columns up the ladder, the worst first, until one has failed."""
    unsettled = (~look.settled).any(1).nonzero().flatten()
    order = unsettled[torch.argsort(look.off[unsettled], descending=True)]
    per_column = 8 * problem.output_size * len(ladder(problem.eps)) * 12
    size = max(1, min(BLOCK, max_memory // per_column))
    for block in torch.split(order, size) if len(order) else ():
        _judge_block(
            problem,
            base,
            look.evidence,
            block,
            look.settled,
            look.tolerance,
            max_memory,
        )
        if look.evidence.failed:
            break
    return look.evidence


def _first_look(
    problem: Map, base: Base, columns: Tensor, yours: Tensor, values: Values
) -> tuple[Evidence, Tensor, Tolerance]:
    """Return evidence from two steps, what it settles, and the tolerances."""
    eps = problem.eps
    plus, minus = values.plus, values.minus
    width = (values.ahead + values.behind)[..., None]
    finite = torch.isfinite(plus).all(0) & torch.isfinite(minus).all(0) & base.usable
    coarse, fine = (plus - minus) / width
    size = torch.maximum(plus.abs(), minus.abs()).amax(0).nan_to_num(0, 0, 0)
    rounding = torch.maximum(base.noise, eps * size)
    bar = (coarse - fine).abs() * (2 / 3) + 4 * rounding / width[1]
    numeric = (4 * fine - coarse) / 3
    shown = torch.maximum(
        yours.abs().nan_to_num(0, 0, 0), numeric.abs().where(finite, 0.0)
    )
    row = shown.amax(0)
    visible = eps ** (-1 / 3) * rounding / base.scale[columns][:, None]
    nearby = torch.maximum(row, shown.amax(1, keepdim=True))
    around = min(ROUNDINGS * eps, LARGEST_ROUNDING) * nearby + 1e-12 * row
    tolerance = Tolerance(row, around + 0.1 * visible, visible)
    agree = (yours - numeric).abs() <= 3 * bar + RTOL * shown + tolerance.around
    sharp = bar <= 1e-4 * shown + 1e-6 * row + visible.clamp_max(
        blunt(eps) * row.amax()
    )
    settled = finite & agree & sharp
    if base.checked is not None:
        settled |= ~base.checked
    status = torch.zeros_like(yours, dtype=torch.int8)
    return Evidence(columns, yours, numeric, bar, status), settled, tolerance


def _judge_block(
    problem: Map,
    base: Base,
    evidence: Evidence,
    block: Tensor,
    settled: Tensor,
    tolerance: Tolerance,
    max_memory: int,
) -> None:
    """Judge some columns on the ladder; give doubtful ones two other ladders.

    Steps relative to a small element itself, and steps small enough for a singularity
    close by.
    """
    coarse, fine = ladder(problem.eps), fine_ladder(problem.eps)
    size = problem.x.abs()
    own = torch.where((size > 0) & (size < 0.1 * base.scale), size, base.scale)
    for attempt, (steps, scale) in enumerate(
        ((coarse, base.scale), (coarse, own), (fine, own))
    ):
        if attempt:
            if steps is fine and problem.low_precision:
                return  # such steps round to nothing inside
            doubtful = (evidence.status[block] >= Status.UNRESOLVED).any(1)
            if attempt == 1:
                doubtful &= (own < base.scale)[evidence.columns[block]]
            again = block[doubtful]
        else:
            again = block
        if not len(again):
            continue
        values = move_columns(
            problem, evidence.columns[again], steps, scale, max_memory
        )
        slopes = measure(problem, base, values, steps)
        here = Tolerance(
            tolerance.row, tolerance.around[again], tolerance.visible[again]
        )
        status, numeric, bar = classify(problem, slopes, evidence.yours[again], here)
        judged = ~settled[again]
        if steps is fine and len(fine) == len(FEW):
            judged &= evidence.status[again] >= Status.UNRESOLVED
            judged &= _equal(values, base, evidence.yours[again], tolerance.row)
            status = torch.full_like(status, Status.AGREE)
            numeric, bar = evidence.yours[again], slopes.best_rounding
        elif attempt:
            judged &= _clearer(evidence, again, status, numeric, bar)
        evidence.status[again] = torch.where(judged, status, evidence.status[again])
        evidence.numeric[again] = torch.where(judged, numeric, evidence.numeric[again])
        evidence.bar[again] = torch.where(judged, bar, evidence.bar[again])
        if steps is coarse:
            evidence.noise = max(evidence.noise, slopes.relative_noise)
            evidence.stairs += int(slopes.staircase.sum())
        kinks = judged & ((status == Status.KINK) | (status == Status.BAD_KINK))
        if evidence.kink is None and bool(kinks.any()):
            worst = int((status * kinks).flatten().argmax())
            c, o = divmod(worst, problem.output_size)
            sides = float(slopes.left[c, o]), float(slopes.right[c, o])
            evidence.kink = (int(again[c]), o, *sides)


def _equal(values: Values, base: Base, yours: Tensor, row: Tensor) -> Tensor:
    """Return where half of the differences, of one side or both, are equal to yours.

    The rounding of such small steps may be as large as the slope, so other differences
    tell nothing. But what only selects, clips or copies rounds nothing.
    """
    plus, minus, here = values.plus, values.minus, base.value
    found = torch.zeros_like(yours, dtype=torch.bool)
    for rise, run in (
        (plus - minus, values.ahead + values.behind),
        (plus - here, values.ahead),
        (here - minus, values.behind),
    ):
        apart = (rise / run[..., None] - yours).abs()
        equal = apart <= EQUAL * torch.maximum(yours.abs(), row)
        found |= equal.to(torch.float64).mean(0) >= 0.5
    return found & torch.isfinite(yours)


def _clearer(
    evidence: Evidence, block: Tensor, status: Tensor, numeric: Tensor, bar: Tensor
) -> Tensor:
    """Return where another ladder knows better than the one before.

    It does if its bar is smaller, if nothing was known, or if it has a limit that
    contradicts the one of larger steps. It does not if larger steps spoke for your
    gradient and it speaks against: rounding can be smooth over tiny steps.
    """
    before, before_bar = evidence.numeric[block], evidence.bar[block]
    supported = (evidence.yours[block] - before).abs() <= 5 * before_bar
    resolved = torch.isfinite(bar)
    apart = (numeric - before).abs() > 3 * (bar + before_bar)
    contradicts = resolved & apart & (bar <= 0.05 * numeric.abs())
    unknown = (evidence.status[block] == Status.UNRESOLVED) & (
        status < Status.UNRESOLVED
    )
    smaller = resolved & ~(bar >= before_bar)
    against = supported & (status >= Status.UNRESOLVED)
    return (contradicts | unknown | smaller) & ~against


def bisect(
    problem: Map,
    base: Base,
    generator: torch.Generator,
    max_memory: int,
    limit: int = 3,
) -> list[int]:
    """Return up to `limit` wrong elements of a large input, halving where they may be.

    A random probe of half the elements tells whether that half holds a wrong one, or
    else the other must, so that log2(n) halves lead to one wrong element among n.
    """
    m = problem.output_size
    size = base.value.abs().nan_to_num(0, 0, 0)
    V = random_signs(min(m, BISECTION_COTANGENTS), m, generator).to(size) / (size + 1)
    if base.checked is not None:
        V = V.where(base.checked, 0.0)
    A = problem.pullback(base.graph, V)
    found: list[int] = []
    elements = torch.arange(problem.n, device=problem.device)
    while len(found) < limit:
        wrong = _halve(problem, base, generator, V, A, elements, max_memory)
        if wrong is None:
            break
        found.append(wrong)
        elements = elements[elements != wrong]
    return found


def _halve(
    problem: Map,
    base: Base,
    generator: torch.Generator,
    V: Tensor,
    A: Tensor,
    elements: Tensor,
    max_memory: int,
) -> int | None:
    """Return one wrong element among `elements`, or None."""
    steps = ladder(problem.eps)[2:9]
    noise_unit = 2 * problem.eps * (V.abs() @ base.value.abs().nan_to_num(0, 0, 0))
    h = torch.tensor(steps, dtype=torch.float64, device=problem.device)

    def suspicious(some: Tensor) -> bool:
        U = problem.x.new_zeros(BISECTION_PROBES, problem.n)
        U[:, some] = random_signs(BISECTION_PROBES, len(some), generator).to(U)
        moves = [step * base.scale[None] for step in steps]
        pairs = probe(problem, U, [(d, len(U)) for d in moves], max_memory)
        exact = (A * base.scale) @ U.T
        rest = torch.stack(
            [
                V @ ((plus - minus) * (0.5 / step)).T - exact
                for step, (plus, minus) in zip(steps, pairs, strict=True)
            ]
        )
        noise = (noise_unit[None, :, None] / h.view(-1, 1, 1)).expand_as(rest)
        value, bar = extrapolated_limit(rest, noise, h)
        floor = 1e-12 * (A * base.scale).abs() @ U.abs().T
        return bool((value.abs() > 5 * bar + floor).any())

    if not suspicious(elements):
        return None
    while len(elements) > 1:
        first, second = elements.tensor_split(2)
        elements = first if suspicious(first) else second
    return int(elements) if suspicious(elements) else None
