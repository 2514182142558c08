"""The numbers of a report: the worst place, a row per input, pairs to draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autodiff_guide.gradcheck._columns import ROUNDINGS, Evidence, Status
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._report import Comparison, InputRow, Worst
from autodiff_guide.gradcheck._screen import Screen

# A difference of this many error bars is enough to be wrong.
ENOUGH = 5
FOUND = {
    Status.DISAGREE: "mismatch",
    Status.BAD_KINK: "kink",
    Status.KINK: "kink",
    Status.UNRESOLVED: "low-precision",
}


def resolution(seen: Screen | None, evidence: Evidence | None, eps: float) -> float:
    """Return the relative error from which on a typical slope counts as wrong."""
    if seen is None:
        return math.nan
    share = seen.resolution
    if evidence is not None:
        numeric, bar = evidence.numeric.abs(), evidence.bar
        known = (bar / numeric)[numeric > ENOUGH * bar]
        share = float(known.median()) if len(known) else share
    return max(1e-7, min(ROUNDINGS * eps, 0.05), ENOUGH * share)


def error_bars(evidence: Evidence) -> Tensor:
    """Return the difference of each element in units of its error bar, (C, m)."""
    size = torch.maximum(evidence.yours.abs(), evidence.numeric.abs())
    unit = _bars(evidence) + 1e-9 * size.nan_to_num(0, 0, 0) + 1e-300
    ratio = ((evidence.yours - evidence.numeric).abs() / unit).nan_to_num(math.inf)
    judged = evidence.status >= Status.DISAGREE
    if bool(judged.any()):  # show what was judged wrong, not what was not looked at
        ratio = ratio.where(judged, ratio.clamp(max=1.0))
    return ratio


def _bars(evidence: Evidence) -> Tensor:
    """Return the error bars, which reach to yours where several slopes are right."""
    reach = (evidence.yours - evidence.numeric).abs()
    wide = torch.maximum(reach, evidence.bar)
    return torch.where(_uncompared(evidence), wide, evidence.bar)


def _uncompared(evidence: Evidence) -> Tensor:
    """Return which elements have several slopes, yours one of them, or none at all."""
    status = evidence.status
    none = ~torch.isfinite(evidence.numeric) & (status < Status.DISAGREE)
    return (status == Status.KINK) | none


def worst_element(
    problem: Map, evidence: Evidence, names: tuple[str, ...]
) -> Worst | None:
    """Return the element with one slope that is off by most error bars."""
    bars = error_bars(evidence).where(~_uncompared(evidence), -1.0)
    if not bool((bars >= 0).any()):
        return None
    c, o = divmod(int(bars.argmax()), evidence.yours.shape[1])
    k, index = problem.locate(int(evidence.columns[c]))
    return Worst(
        input=names[k],
        index=index,
        output=problem.locate_output(o)[1],
        yours=float(evidence.yours[c, o]),
        numeric=float(evidence.numeric[c, o]),
        bar=float(evidence.bar[c, o]),
    )


def worst_probe(seen: Screen) -> Worst:
    """Return the probe that is off by most error bars."""
    k = int(((seen.yours - seen.numeric).abs() / (seen.bar + 1e-300)).argmax())
    yours, numeric, bar = (
        x.reshape(-1)[k].item() for x in (seen.yours, seen.numeric, seen.bar)
    )
    return Worst("all inputs", (), (), yours, numeric, bar)


def element_comparison(
    problem: Map, evidence: Evidence, names: tuple[str, ...]
) -> Comparison:
    """Return, for each input element, the output where it is off most."""
    bars = error_bars(evidence)
    off, output = bars.max(1)
    pick = output[:, None]
    where = {}
    for k, point in enumerate(problem.points):
        start, stop = problem.starts[k], problem.starts[k + 1]
        mine = (evidence.columns >= start) & (evidence.columns < stop)
        plane = torch.full((point.numel(),), math.nan, dtype=torch.float64)
        plane[(evidence.columns[mine] - start).cpu()] = off[mine].cpu()
        where[names[k]] = plane.view(point.shape)
    return Comparison(
        what="element",
        yours=evidence.yours.gather(1, pick).flatten().cpu(),
        numeric=evidence.numeric.gather(1, pick).flatten().cpu(),
        bar=_bars(evidence).gather(1, pick).flatten().cpu(),
        where=where,
    )


def probe_comparison(seen: Screen) -> Comparison:
    """Return every probe, as a pair."""
    return Comparison(
        what="probe",
        yours=seen.yours.cpu().reshape(-1),
        numeric=seen.numeric.cpu().reshape(-1),
        bar=seen.bar.cpu().reshape(-1),
        where={},
    )


def input_rows(
    problem: Map,
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    evidence: Evidence | None,
) -> tuple[InputRow, ...]:
    """Return one row for each input."""
    rows = []
    for k, (name, point) in enumerate(zip(names, problem.points, strict=True)):
        if problem.is_complex[k]:
            point = torch.view_as_complex(point)
        error, found = math.nan, kinds
        if evidence is not None:
            start, stop = problem.starts[k], problem.starts[k + 1]
            mine = (evidence.columns >= start) & (evidence.columns < stop)
            error, found = _block_summary(evidence, mine, kinds)
        rows.append(
            InputRow(
                name=name,
                shape=tuple(point.shape),
                dtype=problem.dtypes[k],
                kinds=found,
                error=error,
            )
        )
    return tuple(rows)


def _block_summary(
    evidence: Evidence, mine: Tensor, kinds: tuple[str, ...]
) -> tuple[float, tuple[str, ...]]:
    """Return the largest error of some columns, relative to the largest slope."""
    if not bool(mine.any()):
        return math.nan, ()
    status = evidence.status[mine]
    yours, numeric = evidence.yours[mine], evidence.numeric[mine]
    difference = (yours - numeric).abs().where(~_uncompared(evidence)[mine], 0.0)
    largest = float(numeric.abs().nan_to_num(0, 0, 0).max())
    off = float(difference.nan_to_num(math.inf).max())
    error = off / largest if largest > 0 else math.inf if off > 0 else 0.0
    worst = Status(int(status.max()))
    if worst >= Status.DISAGREE:
        return error, kinds
    return error, (FOUND.get(worst, "agree"),)
