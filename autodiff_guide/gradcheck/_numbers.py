"""The numbers of a report: change here what is compared, and what counts as worst."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from autodiff_guide.gradcheck._block import judged
from autodiff_guide.gradcheck._columns import Evidence, Status
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._report import Comparison, InputRow, Worst
from autodiff_guide.gradcheck._screen import Screen
from autodiff_guide.gradcheck._settings import Settings

# A difference of this many error bars is enough to be wrong.
ENOUGH = 5
# What is said of an input that is not wrong, by its worst element.
FOUND = {
    Status.AGREE: "agree",
    Status.KINK: "kink",
    Status.UNRESOLVED: "low-precision",
}


def resolution(
    seen: Screen | None, evidence: Evidence | None, accepted: Settings
) -> float:
    """Return the relative error from which on a typical slope counts as wrong."""
    if seen is None:
        return math.nan
    numeric, slack = seen.numeric, seen.bar
    if evidence is not None:
        numeric, slack, _ = judged(evidence)
    share = ((slack + accepted.atol) / numeric.abs())[numeric.abs() > slack]
    return max(accepted.rtol, float(share.median())) if len(share) else math.nan


def largest_accepted(evidence: Evidence) -> float:
    """Return the largest relative difference that only a tolerance accepted."""
    numeric, slack, _ = judged(evidence)
    apart = (evidence.yours - numeric).abs()
    share = apart / torch.maximum(evidence.yours.abs(), numeric.abs())
    beyond = (apart > slack) & (evidence.status == Status.AGREE)
    return float(share.where(beyond, 0.0).max())


def compare_probes(seen: Screen) -> Comparison:
    """Return every probe, as a pair."""
    yours, numeric, bar = (
        x.cpu().flatten() for x in (seen.yours, seen.numeric, seen.bar)
    )
    return Comparison("probe", yours, numeric, bar, where={})


def compare_elements(
    user: Map, compared: Map, evidence: Evidence, names: Sequence[str]
) -> tuple[Comparison, Worst | None]:
    """Return, for each input element, the output where it is off most; and the worst.

    Where several slopes are right, and yours is one, the bar reaches to it.
    """
    slopes, slack, wrong = judged(evidence)
    bars = ENOUGH * (evidence.yours - slopes).abs() / (slack + 1e-300)
    bars = bars.nan_to_num(math.inf).where(wrong, bars.clamp(max=1))
    single = wrong | torch.isfinite(slack)
    off, output = bars.where(single, -1.0).max(1, keepdim=True)
    reach = (evidence.yours - evidence.numeric).abs().maximum(evidence.bar)
    bar = evidence.bar.where(single, reach)
    yours, numeric, bar = (
        x.gather(1, output).flatten().cpu()
        for x in (evidence.yours, evidence.numeric, bar)
    )
    planes = torch.full((user.n,), math.nan, dtype=torch.float64)
    planes[evidence.columns.cpu()] = off.flatten().clamp_min(0).cpu()
    where = [
        plane.view(point.shape)
        for plane, point in zip(planes.split(user.sizes), user.points, strict=True)
    ]
    pairs = Comparison(
        "element", yours, numeric, bar, dict(zip(names, where, strict=True))
    )
    c = int(off.argmax())
    if off[c] < 0:
        return pairs, None
    k, index = user.locate(int(evidence.columns[c]))
    at = user.locate_output(int(output[c]))[1] if compared is user else ()
    numbers = (float(x[c]) for x in (yours, numeric, bar))
    return pairs, Worst(names[k], index, at, *numbers)


def input_rows(
    problem: Map,
    names: Sequence[str],
    kinds: tuple[str, ...],
    seen: Screen | None,
    evidence: Evidence | None,
) -> tuple[InputRow, ...]:
    """Return one row for each input."""
    rows = []
    silent = () if seen is None else seen.silent
    for k, point in enumerate(problem.points):
        shape = point.shape[:-1] if problem.is_complex[k] else point.shape
        error, found = math.nan, kinds
        if evidence is not None:
            error, found = _summary(problem, evidence, k, kinds)
        elif silent:
            found = tuple(kind for kind in kinds if kind != "no-dependence")
        if k in silent and found != kinds:
            found = ("no-dependence",)
        rows.append(InputRow(names[k], tuple(shape), problem.dtypes[k], found, error))
    return tuple(rows)


def _summary(
    problem: Map, evidence: Evidence, k: int, kinds: tuple[str, ...]
) -> tuple[float, tuple[str, ...]]:
    """Return the largest error of an input, by its largest slope, and its kinds."""
    start, stop = problem.starts[k], problem.starts[k + 1]
    mine = (evidence.columns >= start) & (evidence.columns < stop)
    if not bool(mine.any()):
        return math.nan, ()
    numeric, slack, wrong = (x[mine] for x in judged(evidence))
    apart = (evidence.yours[mine] - numeric).abs().nan_to_num(math.inf)
    off = float(apart.where(wrong | torch.isfinite(slack), 0.0).max())
    largest = float(numeric.abs().max())
    error = off / largest if largest else math.inf if off else 0.0
    if bool(wrong.any()):
        return error, kinds
    return error, (FOUND[Status(int(evidence.status[mine].max()))],)


def allowed_kink(problem: Map, evidence: Evidence, names: Sequence[str]) -> str:
    """Return the sentence on kinks where yours lies between the slopes."""
    kinks = evidence.count(Status.KINK)
    if evidence.kink is None:
        return f"{kinks} elements have one slope only, on the edge of the domain"
    column, output, left, right = evidence.kink
    k, index = problem.locate(int(evidence.columns[column]))
    at = f"{names[k]}{list(index)} sits on a kink"
    if kinks > 1:
        at = f"{kinks} elements sit on a kink, such as {names[k]}{list(index)}"
    return (
        f"{at}: the slope is {left:.6g} on the left, {right:.6g} on the right, and "
        f"yours, {float(evidence.yours[column, output]):.6g}, is allowed"
    )
