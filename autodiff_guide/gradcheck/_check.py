"""The order of a check: change here which step follows which, and what it passes."""

from __future__ import annotations

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base, examine, outputs_alone, repeat_value
from autodiff_guide.gradcheck._columns import Evidence, Status, bisect, compare
from autodiff_guide.gradcheck._conclusion import ConclusionError
from autodiff_guide.gradcheck._diagnose import diagnose
from autodiff_guide.gradcheck._differences import first_step, ladder
from autodiff_guide.gradcheck._map import Map, largest
from autodiff_guide.gradcheck._report import (
    GradientReport,
    allowed_kink,
    input_rows,
    largest_accepted,
    numbers_of,
    resolution,
)
from autodiff_guide.gradcheck._screen import Screen, random_lengths, screen
from autodiff_guide.gradcheck._settings import Settings

NOTHING = "nothing was tested"
EMPTY = f"the {{}} have no elements: {NOTHING}"
NOT_FINITE = "{} of {} outputs are NaN or inf and were not checked"
NOT_RESOLVED = (
    "{} of {} elements cannot be resolved by differences (noise, a jump, or values "
    "that are not finite nearby)"
)
DETACHED = (
    "{} output elements carry no gradient (.detach(), .data) and were not checked"
)
NO_DEPENDENCE = "no output changes with {}: it is unused, or in a flat region"
MEAN_OF_SIDES = "the point is on a kink: yours is the mean of the slopes on both sides"
NOT_GENERAL = (
    "the gradient is right for unit grad_outputs, and off by {:.1e} for general ones: "
    "the backward casts to lower precision, rounds or clips"
)
WIDENED = "parts in {} were computed in double"
OWN_PRECISION = "the function was checked in its own precision, of {:.1e}, not double"
ACCEPTED = "accepted: differences up to {:.2g} of the slope (rtol={:g}, atol={:g})"

# Jacobians up to this many columns and elements are compared whole on failure.
WHOLE_COLUMNS = 4096
WHOLE_ELEMENTS = 2**22
# Of others, this many columns are sampled.
SAMPLE_COLUMNS = 256
# Points of a sample hold no more numbers than this.
SAMPLE_NUMBERS = 2**25
# Outputs beyond this many are compared through this many random sums of them.
WHOLE_OUTPUTS, SUMS = 4096, 8
# Kinds that pass, and fail under `strict`.
STRICT = ("vacuous", "kink")

# Verdict, kinds and sentence.
Outcome = tuple[str, tuple[str, ...], str]


class Check:
    """One check of one map, from the first evaluation to the report."""

    def __init__(self, problem: Map, settings: Settings) -> None:
        self.problem = problem
        self.settings = settings
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.screen: Screen | None = None
        self.evidence: Evidence | None = None
        self.remarks: dict[str, str] = {}  # by kind

    def run(self) -> GradientReport:
        """Return the report; no step raises for what is wrong with the gradient."""
        try:
            return self._report(*self._judge())
        except ConclusionError as end:
            return self._report(end.verdict, end.kinds, end.sentence)

    def _judge(self) -> Outcome:
        """Run the steps in order: base, screen, outputs alone, columns, verdict."""
        problem, settings = self.problem, self.settings
        base = examine(problem)
        if problem.n == 0 or problem.output_size == 0:
            empty = "inputs" if problem.n == 0 else "outputs"
            self.remarks["vacuous"] = EMPTY.format(empty)
            return self._passed()
        arguments = (problem, base, settings, self.generator)
        seen = self.screen = screen(*arguments)
        if (seen.suspicious or settings.full) and repeat_value(problem, base):
            seen = self.screen = screen(*arguments)
        outputs_alone(problem, seen.cotangents, seen.pulled)
        if seen.suspicious or settings.full:
            self._by_column(seen, base)
        return self._nothing_wrong(seen, base)

    # ------------------------------------------------- when the screen is not enough

    def _by_column(self, seen: Screen, base: Base) -> None:
        """Look at columns of the Jacobian; conclude if any is wrong."""
        problem, whole, accepted = self.problem, base, self.settings
        if problem.output_size > WHOLE_OUTPUTS and not accepted.full:
            problem, base = self._sums_of_outputs(base)
        movable = torch.isfinite(problem.x).nonzero().flatten()
        columns = self._sample(movable, problem.output_size)
        partial = len(columns) < len(movable)
        evidence = compare(problem, base, columns, accepted)
        if partial and seen.disagree and not evidence.failed:
            wrong = bisect(self.problem, whole, seen, accepted, self.generator)
            columns = torch.cat([columns, columns.new_tensor(wrong)]).unique()
            evidence = compare(problem, base, columns, accepted)
        self.evidence = evidence
        if evidence.failed:
            diagnose(self.problem, evidence)
        if seen.disagree and not partial:
            self._backward_precision(seen, evidence)

    def _sample(self, columns: Tensor, m: int) -> Tensor:
        """Return the columns to look at: all, or some, half of them side by side."""
        n = len(columns)
        whole = n <= WHOLE_COLUMNS and n * m <= WHOLE_ELEMENTS
        if whole or self.settings.full:
            return columns
        count = max(16, min(SAMPLE_COLUMNS, WHOLE_ELEMENTS // m, SAMPLE_NUMBERS // n))
        some = torch.randperm(n, generator=self.generator)[: count // 2]
        start = int(torch.randint(n - count // 2, (), generator=self.generator))
        run = torch.arange(start, start + count // 2)  # where a shift shows
        return columns[torch.cat([some, run]).unique().to(columns.device)]

    def _sums_of_outputs(self, base: Base) -> tuple[Map, Base]:
        """Return the map to a few random sums of very many outputs."""
        weights = random_lengths(SUMS, self.problem.output_size, self.generator)
        weights = weights.to(base.value) / (base.value.abs().nan_to_num(0, 0, 0) + 1)
        sums = self.problem.summed(base.masked(weights))
        return sums, examine(sums)

    def _backward_precision(self, seen: Screen, evidence: Evidence) -> None:
        """Conclude if unit cotangents pull back right and general ones do not."""
        V, A = seen.cotangents, seen.pulled[:, evidence.columns]
        agrees = not bool((evidence.status != Status.AGREE).any())
        if not agrees or V.shape[1] != evidence.numeric.shape[1]:
            return
        share = 1e-6 + self.settings.rtol
        slack = V.abs() @ (self.settings.atol + share * evidence.yours.abs()).T
        error = (A - V @ evidence.yours.T).abs()
        if bool((error > slack).any()):
            sentence = NOT_GENERAL.format(largest(error) / largest(A))
            raise ConclusionError("fail", ("low-precision", "not-linear"), sentence)

    # ------------------------------------------------------------------- passing

    def _nothing_wrong(self, seen: Screen, base: Base) -> Outcome:
        """Return what is said where nothing is wrong."""
        problem, evidence, accepted = self.problem, self.evidence, self.settings
        remarks = self.remarks
        if evidence is not None:
            flat = bool((evidence.numeric.abs() <= 3 * evidence.bar).all())
            seen.vacuous = not bool(evidence.yours.any()) and flat
            if sentence := allowed_kink(evidence):
                seen.kinked = False
                remarks["kink"] = sentence
        if base.checked is not None and (bad := int((~base.usable).sum())):
            remarks["nonfinite"] = NOT_FINITE.format(bad, len(base.usable))
        if problem.refused:
            remarks["low-precision"] = OWN_PRECISION.format(problem.eps)
        elif problem.narrow and not problem.narrow_inputs:
            narrow = sorted(str(d).removeprefix("torch.") for d in problem.narrow)
            remarks["low-precision"] = WIDENED.format(", ".join(narrow))
        if seen.kinked:
            remarks["kink"] = MEAN_OF_SIDES
        if seen.detached:
            remarks["detached"] = DETACHED.format(seen.detached)
        if seen.vacuous:
            remarks["vacuous"] = f"every derivative is zero here: {NOTHING}"
        elif seen.silent:
            silent = ", ".join(problem.names[k] for k in seen.silent)
            remarks["no-dependence"] = NO_DEPENDENCE.format(silent)
        if evidence is None:
            return self._passed()
        if off := largest_accepted(evidence):
            remarks["agree"] = ACCEPTED.format(off, accepted.rtol, accepted.atol)
        unresolved = evidence.count(Status.UNRESOLVED)
        if not unresolved:
            return self._passed()
        bare = not bool(torch.isfinite(evidence.bar).any(1).all())
        kinds = dict.fromkeys(["nonfinite" if bare else "low-precision", *remarks])
        sentence = NOT_RESOLVED.format(unresolved, evidence.status.numel())
        return "inconclusive", tuple(kinds), sentence

    def _passed(self) -> Outcome:
        """Return that nothing is wrong, or what `strict` does not allow."""
        forbidden = [k for k in STRICT if k in self.remarks and self.settings.strict]
        if forbidden:
            kinds = tuple(dict.fromkeys([*forbidden, *self.remarks]))
            return "fail", kinds, f"under strict: {self.remarks[kinds[0]]}"
        kinds = tuple(self.remarks)
        if "vacuous" not in kinds:
            kinds = tuple(dict.fromkeys([*kinds, "agree"]))
        sentence = "the gradient agrees with central differences"
        if "kink" in kinds:
            sentence += " wherever there is one slope"
        if "vacuous" in kinds:
            sentence = f"nothing disagrees, but {NOTHING}"
        return "pass", kinds, sentence

    # ------------------------------------------------------------------- reports

    def _report(
        self, verdict: str, kinds: tuple[str, ...], sentence: str
    ) -> GradientReport:
        seen, problem, evidence = self.screen, self.problem, self.evidence
        steps = [first_step(problem.eps)]
        if seen is not None and seen.suspicious:
            steps += ladder(problem.eps)
        comparison, worst = numbers_of(problem, seen, evidence)
        maps = {problem, problem if evidence is None else evidence.problem}
        return GradientReport(
            verdict=verdict,
            kinds=kinds,
            sentence=sentence,
            remarks=tuple(self.remarks.values()),
            resolution=resolution(seen, evidence, self.settings),
            seed=self.settings.seed,
            probes=self.settings.probes,
            steps=tuple(steps),
            evaluations=sum(each.evaluations for each in maps),
            pullbacks=sum(each.pullbacks for each in maps),
            inputs=input_rows(problem, kinds, seen, evidence),
            worst=worst,
            comparison=comparison,
        )
