"""What a check returns: add a field of the report, or a line it prints, here."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide.gradcheck._columns import BARS, Evidence, Status
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._screen import Screen
from autodiff_guide.gradcheck._settings import Settings

# Columns of text.
WIDTH = 88
# What is said of an input that is not wrong, by its worst element.
FOUND = ("agree", "kink", "low-precision")


@dataclass(frozen=True)
class Worst:
    """The element where the two gradients differ most, in error bars.

    Attributes
    ----------
    input : str
        Name of the input.
    index : tuple of int
        Index in that input.
    output : tuple of int
        Index in the output; empty where random sums of very many outputs were compared.
    yours, numeric, bar : float
        The derivative you have, the one by differences, and its error bar.
    """

    input: str
    index: tuple[int, ...]
    output: tuple[int, ...]
    yours: float
    numeric: float
    bar: float

    def __str__(self) -> str:
        index = list(self.index) if self.index else ""
        at = f" by output {list(self.output)}" if self.output else ""
        return (
            f"{self.input}{index}{at}: yours {self.yours:.10g}, "
            f"numeric {self.numeric:.10g} ± {self.bar:.1g}"
        )


@dataclass(frozen=True)
class InputRow:
    """One input of the check.

    Attributes
    ----------
    name, dtype : str
    shape : tuple of int
    kinds : tuple of str
        What was found for this input.
    error : float
        Largest difference relative to the largest numeric slope; NaN where none was
        measured.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kinds: tuple[str, ...]
    error: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """The two gradients, pair by pair, for drawing.

    Attributes
    ----------
    what : str
        ``"probe"`` for random directions, ``"element"`` for elements of the gradient.
    yours, numeric, bar : Tensor
        Flat, float64, on the CPU.
    where : dict
        For elements: name of the input to the error in units of the error bar, in the
        shape of the input; NaN where it was not measured.
    """

    what: str
    yours: Tensor
    numeric: Tensor
    bar: Tensor
    where: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class GradientReport(Printed):
    """The outcome of a gradient check; true if the gradient passed.

    Attributes
    ----------
    verdict : str
        ``"pass"``, ``"fail"``, ``"inconclusive"`` (the differences cannot tell) or
        ``"error"`` (there is no gradient to check).
    kinds : tuple of str
        What was found, the most specific first; keys of `KINDS`.
    sentence : str
        The same for a reader.
    worst : Worst or None
        Where the two gradients differ most; None if only probes were compared.
    resolution : float
        The relative error of a typical slope that the check would have seen; NaN if
        there was no slope.
    remarks : tuple of str
        What a reader of a verdict should know besides.
    inputs : tuple of InputRow
        One row for each input checked.
    comparison : Comparison or None
        The numbers compared, as `plotting.gradient_report` draws them.
    seed, probes : int
        What makes the random directions again.
    steps : tuple of float
        Relative step sizes used.
    evaluations, pullbacks : int
        Calls of the function, and vector-Jacobian products.
    autograd : GradientReport or None
        With a gradient by hand: the report on autograd's own gradient.
    """

    verdict: str
    kinds: tuple[str, ...]
    sentence: str
    worst: Worst | None
    resolution: float
    remarks: tuple[str, ...]
    inputs: tuple[InputRow, ...]
    comparison: Comparison | None
    seed: int
    probes: int
    steps: tuple[float, ...]
    evaluations: int
    pullbacks: int
    autograd: GradientReport | None = None

    @property
    def kind(self) -> str:
        """The most specific kind."""
        return self.kinds[0]

    def __bool__(self) -> bool:
        return self.verdict == "pass"

    def _table(self) -> Table:
        head = f"{self.verdict.upper()} ({', '.join(self.kinds)}): {self.sentence}"
        measured = any(not math.isnan(row.error) for row in self.inputs)
        headers = ["input", "shape", "dtype", "found", "relative error"][: 4 + measured]
        rows = []
        for row in self.inputs:
            error = "" if math.isnan(row.error) else f"{row.error:.1e}"
            cells = [row.name, str(row.shape), row.dtype, ", ".join(row.kinds), error]
            rows.append(cells[: len(headers)])
        return Table(textwrap.fill(head, WIDTH), rows, headers)

    def _notes(self) -> list[str]:
        notes = [f"worst: {self.worst}"] if self.worst else []
        notes += self.remarks
        if self.autograd:
            notes.append(f"autograd: {self.autograd.verdict}, {self.autograd.sentence}")
        seen = f"would have seen an error of {self.resolution:.1e} of the slope; "
        evaluations = _count(self.evaluations, "evaluation")
        pullbacks = _count(self.pullbacks, "vector-Jacobian product")
        cost = f"{_count(self.probes, 'probe')}, seed {self.seed}, {evaluations}"
        notes.append(f"{seen * (self.resolution >= 0)}{cost}, {pullbacks}")
        return [textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in notes]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def resolution(
    seen: Screen | None, evidence: Evidence | None, accepted: Settings
) -> float:
    """Return the relative error from which on a typical slope counts as wrong."""
    if seen is None:
        return math.nan
    numeric, slack = seen.numeric, seen.bar
    if evidence is not None:
        numeric, slack, _ = evidence.judged
    share = (slack + accepted.atol) / numeric.abs()
    share = share[numeric.abs() > slack]
    return max(accepted.rtol, float(share.median())) if len(share) else math.nan


def largest_accepted(evidence: Evidence) -> float:
    """Return the largest relative difference that only a tolerance accepted."""
    numeric, slack, _ = evidence.judged
    apart = (evidence.yours - numeric).abs()
    share = apart / torch.maximum(evidence.yours.abs(), numeric.abs())
    beyond = (apart > slack) & (evidence.status == Status.AGREE)
    return float(share.where(beyond, 0.0).max())


def numbers_of(
    user: Map, seen: Screen | None, evidence: Evidence | None
) -> tuple[Comparison | None, Worst | None]:
    """Return the numbers compared, and the worst element.

    They are every probe; or, for each input element, the output where it is off most.
    Where several slopes are right, and yours is one, the bar reaches to it.
    """
    if seen is None:
        return None, None
    if evidence is None:
        if not seen.numeric.numel():
            return None, None
        probes = (seen.yours, seen.numeric, seen.bar)
        yours, numeric, bar = (x.flatten().cpu() for x in probes)
        return Comparison("probe", yours, numeric, bar, where={}), None
    _, slack, wrong = evidence.judged
    apart = (evidence.yours - evidence.numeric).abs()
    bars = (BARS * apart / (slack + 1e-300)).nan_to_num(math.inf)
    single = wrong | torch.isfinite(slack)
    off, at = bars.where(wrong, bars.clamp(max=1)).where(single, -1.0).max(1)
    reach = evidence.bar.where(single, apart.maximum(evidence.bar))
    compared_at = (evidence.yours, evidence.numeric, reach)
    yours, numeric, bar = (x.gather(1, at[:, None])[:, 0].cpu() for x in compared_at)
    planes = torch.full((user.n,), math.nan, dtype=torch.float64)
    planes[evidence.columns.cpu()] = off.clamp_min(0).cpu()
    cut = zip(user.names, planes.split(user.sizes), user.points, strict=True)
    where = {name: plane.view(x.shape) for name, plane, x in cut}
    comparison = Comparison("element", yours, numeric, bar, where)
    c = int(off.argmax())
    if off[c] < 0:
        return comparison, None
    name, index = user.locate(int(evidence.columns[c]))
    output = user.locate_output(int(at[c]))[1] if evidence.problem is user else ()
    numbers = (float(x[c]) for x in (yours, numeric, bar))
    return comparison, Worst(name, index, output, *numbers)


def input_rows(
    problem: Map,
    kinds: tuple[str, ...],
    seen: Screen | None,
    evidence: Evidence | None,
) -> tuple[InputRow, ...]:
    """Return one row for each input."""
    silent = seen.silent if seen and (evidence or not seen.vacuous) else ()
    rest = tuple(kind for kind in kinds if kind != "no-dependence" and not evidence)
    columns = problem.x[:0] if evidence is None else evidence.columns
    whole = () if evidence is None else evidence.judged
    rows = []
    for k, point in enumerate(problem.points):
        error, found = math.nan, ("no-dependence",) if k in silent else rest
        at = columns - problem.starts[k]
        mine = (at >= 0) & (at < problem.sizes[k])
        if evidence is not None and mine.any():
            numeric, slack, wrong = (x[mine] for x in whole)
            apart = (evidence.yours[mine] - numeric).abs().nan_to_num(math.inf)
            off = apart.where(wrong | torch.isfinite(slack), 0.0).max()
            error = float((off / numeric.abs().max()).nan_to_num(0.0, math.inf))
            if wrong.any():
                found = kinds
            elif k not in silent:
                found = (FOUND[int(evidence.status[mine].max())],)
        shape = tuple(point.shape[: point.dim() - problem.is_complex[k]])
        rows.append(InputRow(problem.names[k], shape, problem.dtypes[k], found, error))
    return tuple(rows)


def allowed_kink(evidence: Evidence) -> str:
    """Return the sentence on kinks where yours lies between the slopes, if any."""
    kinks = evidence.count(Status.KINK)
    if evidence.kink is None or not kinks:
        return ""
    element, sides = evidence.kink
    name, index = evidence.problem.locate(element)
    at = f"{name}{list(index)} sits on a kink"
    if kinks > 1:
        at = f"{kinks} elements sit on a kink, such as {name}{list(index)}"
    return f"{at}: {sides}, which is allowed"
