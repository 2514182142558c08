"""The check itself: base, screen, localise, diagnose, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base, examine, outputs_alone
from autodiff_guide.gradcheck._clues import find_low_precision
from autodiff_guide.gradcheck._conclusion import ConclusionError
from autodiff_guide.gradcheck._diagnose import diagnose
from autodiff_guide.gradcheck._ladder import first_steps, ladder
from autodiff_guide.gradcheck._localise import Evidence, localise, search
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._numbers import (
    element_comparison,
    input_rows,
    probe_comparison,
    resolution,
    within_a_tread,
    worst_element,
    worst_probe,
)
from autodiff_guide.gradcheck._probe import random_signs
from autodiff_guide.gradcheck._report import Comparison, GradientReport, Worst
from autodiff_guide.gradcheck._screen import (
    LOW_PRECISION,
    Screen,
    screen,
)
from autodiff_guide.gradcheck._sentences import (
    COARSE,
    DETACHED,
    EDGE,
    LOW,
    MEAN_OF_SIDES,
    NO_DEPENDENCE,
    NOT_LINEAR,
    NOTHING,
    STAIRCASE,
    allowed_kink,
)
from autodiff_guide.gradcheck._slopes import Status

# Jacobians up to this many columns and elements are compared whole on failure.
WHOLE_COLUMNS = 4096
WHOLE_ELEMENTS = 2**20
# A failure that is everywhere in a sample is worth this many columns to name.
DENSE_COLUMNS = 2**13
SAMPLE_COLUMNS = 512
# Outputs beyond this many are localised through random sums of them.
WHOLE_OUTPUTS = 4096
SUMS = 8
# A backward is linear if doubling its input doubles its output this closely.
LINEAR = 2e-2
# Kinds that pass, and fail under `strict`.
STRICT = ("vacuous", "kink")


Remarks = list[tuple[str, str]]


@dataclass(frozen=True)
class Settings:
    """What the user chose."""

    probes: int
    seed: int
    full: bool
    strict: bool
    max_memory: int


class Check:
    """One check of one map, from the first evaluation to the report."""

    def __init__(self, problem: Map, names: Sequence[str], settings: Settings) -> None:
        self.problem = problem
        self.names = tuple(names)
        self.settings = settings
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.base: Base | None = None
        self.screen: Screen | None = None
        self.evidence: Evidence | None = None
        self.localised = problem

    def run(self) -> GradientReport:
        """Return the report; no step raises for what is wrong with the gradient."""
        try:
            return self._judge()
        except ConclusionError as end:
            return self._report(end.verdict, end.kinds, end.sentence)

    def _judge(self) -> GradientReport:
        problem, settings = self.problem, self.settings
        self.base = base = examine(problem)
        if problem.n == 0 or problem.output_size == 0:
            empty = "inputs" if problem.n == 0 else "outputs"
            return self._passed(
                [("vacuous", f"the {empty} have no elements: {NOTHING}")]
            )
        size = problem.n + problem.output_size
        problem.bytes_per_evaluation = 16 * size
        if (
            2 * settings.probes * problem.bytes_per_evaluation
            > settings.max_memory / 16
        ):
            problem.measure_memory()
        seen = self.screen = screen(
            problem, base, settings.probes, self.generator, settings.max_memory
        )
        outputs_alone(problem, base, self.generator)
        if not (seen.suspicious or settings.full):
            return self._passed(self._screen_remarks(seen, base))
        return self._localise(seen, base)

    # ------------------------------------------------- when the screen is not enough

    def _localise(self, seen: Screen, base: Base) -> GradientReport:
        problem, budget = self.problem, self.settings.max_memory
        linear = self._is_linear(base)
        cast = find_low_precision(problem)
        problem.low_precision = cast[0] if cast else ""
        if problem.output_size > WHOLE_OUTPUTS and not self.settings.full:
            problem, base = self._sums_of_outputs(base)
        columns = self._columns(problem)
        partial = len(columns) < len(self._movable(problem))
        if partial and seen.disagree:
            evidence = search(problem, base, columns, self.generator, budget)
        else:
            evidence = localise(problem, base, columns, budget)
        self.localised, self.evidence = problem, evidence
        if not linear:
            return self._report("fail", ("not-linear",), NOT_LINEAR)
        if not evidence.failed:
            return self._settled(seen, base, evidence, partial)
        kinds, sentence = diagnose(problem, base, evidence, self.names)
        off = (evidence.yours - evidence.numeric).abs() > 10 * evidence.bar
        dense = float(off.any(1).double().mean()) > 0.1
        affordable = problem.n <= DENSE_COLUMNS
        affordable &= problem.n * problem.output_size <= WHOLE_ELEMENTS
        if partial and dense and affordable and kinds[0] in ("mismatch", "localized"):
            columns = self._movable(problem)
            self.evidence = evidence = localise(problem, base, columns, budget)
            kinds, sentence = diagnose(problem, base, evidence, self.names)
        if (
            kinds[0] == "step"
            and cast
            and within_a_tread(problem, base, evidence, cast[1])
        ):
            coarse = COARSE.format(problem.low_precision)
            return self._report("inconclusive", ("low-precision", *kinds), coarse)
        return self._report("fail", kinds, sentence)

    def _movable(self, problem: Map) -> Tensor:
        """Return the elements that can be moved: the finite ones."""
        elements = torch.arange(problem.n, device=problem.device)
        return elements if problem.movable is None else elements[problem.movable]

    def _columns(self, problem: Map) -> Tensor:
        """Return the columns to look at: all finite elements, or a sample of them."""
        columns = self._movable(problem)
        n, m = columns.numel(), problem.output_size
        whole = n <= WHOLE_COLUMNS and n * m <= WHOLE_ELEMENTS
        if whole or self.settings.full:
            return columns
        count = max(16, min(SAMPLE_COLUMNS, WHOLE_ELEMENTS // m))
        sample = torch.randperm(n, generator=self.generator)[:count]
        return columns[sample.sort().values.to(problem.device)]

    def _sums_of_outputs(self, base: Base) -> tuple[Map, Base]:
        """Return the map to a few random sums of very many outputs."""
        problem = self.problem
        m = problem.output_size
        weights = random_signs(SUMS, m, self.generator).to(base.value)
        weights /= base.value.abs().nan_to_num(0, 0, 0) + 1
        if base.checked is not None:
            weights = weights.where(base.checked, 0.0)
        sums = problem.summed(weights)
        sums.bytes_per_evaluation = problem.bytes_per_evaluation
        sums.low_precision = problem.low_precision
        return sums, examine(sums)

    def _is_linear(self, base: Base) -> bool:
        """Return whether the backward of -3 v is -3 times the backward of v."""
        problem = self.problem
        v = torch.randn(
            1, problem.output_size, dtype=torch.float64, generator=self.generator
        ).to(problem.device)
        v = v.where(base.usable, 0.0)
        once = problem.pullback(base.graph, v)
        thrice = problem.pullback(base.graph, -3.0 * v)
        if not bool(torch.isfinite(once).all()):
            return True
        largest = float(base.value.abs().nan_to_num(0, 0, 0).max())
        rounding = 1e3 * problem.eps * largest / float(base.scale.max())
        bound = 3 * LINEAR * float(once.abs().max()) + rounding
        return float((thrice + 3 * once).abs().max()) <= bound

    # ------------------------------------------------------------------- passing

    def _screen_remarks(self, seen: Screen, base: Base) -> Remarks:
        """Return what a passing screen should mention."""
        remarks = self._noise_remarks(seen.noise, 0) + base.remarks
        if seen.kinked:
            remarks.append(("kink", MEAN_OF_SIDES))
        if seen.detached:
            remarks.append(("detached", DETACHED.format(seen.detached)))
        if seen.vacuous:
            if not any(y.grad_fn is not None for y in base.graph[1]):
                remarks.append(("no-dependence", NO_DEPENDENCE.format("any input")))
            remarks.append(("vacuous", f"every derivative is zero here: {NOTHING}"))
        elif seen.silent:
            silent = ", ".join(self.names[k] for k in seen.silent)
            remarks.append(("no-dependence", NO_DEPENDENCE.format(silent)))
        return remarks

    def _noise_remarks(self, noise: float, stairs: int) -> Remarks:
        """Return whether f is rough: of low precision inside, or a staircase."""
        eps = self.problem.eps
        rough = noise > LOW_PRECISION * eps
        cast = self.problem.low_precision
        if stairs and not cast:
            return [("staircase", STAIRCASE.format(stairs))]
        if rough or stairs:
            inside = f" ({cast})" if cast else ""
            return [("low-precision", LOW.format(noise, eps, inside))]
        return []

    def _settled(
        self, seen: Screen, base: Base, evidence: Evidence, partial: bool
    ) -> GradientReport:
        """Return the report on columns that hold nothing wrong."""
        if seen.disagree and not partial:
            self._backward_precision(seen, base, evidence)
        unresolved = evidence.count(Status.UNRESOLVED)
        kinks = evidence.count(Status.KINK)
        edges = evidence.count(Status.EDGE)
        skip = ("vacuous", "kink")
        noise, seen.noise = max(seen.noise, evidence.noise), 0.0
        remarks = [r for r in self._screen_remarks(seen, base) if r[0] not in skip]
        rough = self._noise_remarks(noise, evidence.stairs)
        remarks = rough + remarks
        if kinks and evidence.kink is not None:
            sentence = allowed_kink(
                self.localised, evidence, self.names, kinks, evidence.kink
            )
            remarks.insert(0, ("kink", sentence))
        if edges:
            lie = "1 element lies" if edges == 1 else f"{edges} elements lie"
            remarks.append(("kink", EDGE.format(lie)))
        flat = bool((evidence.numeric.abs() <= 3 * evidence.bar).all())
        if not bool(evidence.yours.any()) and flat:
            remarks.append(("vacuous", f"every derivative is zero here: {NOTHING}"))
        if unresolved and _looks_zero(evidence):
            remarks.append(
                ("vacuous", f"every derivative is within noise of zero: {NOTHING}")
            )
            unresolved = 0
        if not unresolved:
            return self._passed(remarks)
        noisy = any(kind == "low-precision" for kind, _ in remarks)
        bare = not bool(torch.isfinite(evidence.bar).any(1).all())
        kind = "nonfinite" if bare and not noisy else "low-precision"
        kinds = tuple(dict.fromkeys([kind, *(kind for kind, _ in remarks)]))
        return self._report(
            "inconclusive",
            kinds,
            f"{unresolved} of {evidence.status.numel()} elements cannot be resolved by "
            "differences (noise, a jump, or values that are not finite nearby)",
            tuple(sentence for _, sentence in remarks),
        )

    def _backward_precision(self, seen: Screen, base: Base, evidence: Evidence) -> None:
        """Conclude if unit cotangents pull back right and general ones do not."""
        if bool((evidence.status != Status.AGREE).any()):
            return
        V, eps = seen.cotangents, self.problem.eps
        A = seen.pulled[:, evidence.columns]
        if V.shape[1] != evidence.numeric.shape[1]:
            return
        expected = V @ evidence.numeric.T
        slack = 5 * (V.abs() @ evidence.bar.T) + 1e-6 * (
            V.abs() @ evidence.numeric.abs().T
        )
        slack += 20 * eps * (V.abs() @ evidence.yours.abs().T)
        slack += 100 * eps * float(expected.abs().nan_to_num(0, 0, 0).max())
        over = ((A - expected).abs() > slack) & (expected != 0)
        if bool(over.any()) and bool(torch.isfinite(expected).all()):
            error = ((A - expected) / expected).abs()[over].max()
            raise ConclusionError(
                "fail",
                ("low-precision", "not-linear"),
                f"the gradient is right for unit grad_outputs, and off by "
                f"{float(error):.1e} for general ones: the backward casts to lower "
                "precision, rounds or clips",
            )

    # ------------------------------------------------------------------- reports

    def _passed(self, remarks: Remarks) -> GradientReport:
        kinds = tuple(dict.fromkeys(kind for kind, _ in remarks)) or ("agree",)
        sentences = tuple(sentence for _, sentence in remarks)
        forbidden = [k for k in kinds if k in STRICT] if self.settings.strict else []
        if forbidden:
            kinds = (*forbidden, *(k for k in kinds if k not in forbidden))
            first = next(text for kind, text in remarks if kind == kinds[0])
            return self._report("fail", kinds, f"under strict: {first}", sentences)
        if "agree" not in kinds and "vacuous" not in kinds:
            kinds = (*kinds, "agree")
        sentence = "the gradient agrees with central differences"
        if "kink" in kinds:
            sentence += " wherever there is one slope"
        if "vacuous" in kinds:
            sentence = f"nothing disagrees, but {NOTHING}"
        return self._report("pass", kinds, sentence, sentences)

    def _report(
        self,
        verdict: str,
        kinds: tuple[str, ...],
        sentence: str,
        remarks: tuple[str, ...] = (),
    ) -> GradientReport:
        seen, problem = self.screen, self.problem
        steps: tuple[float, ...] = first_steps(problem.eps)
        if seen is not None and seen.suspicious:
            steps = (*steps, *ladder(problem.eps))
        return GradientReport(
            verdict=verdict,
            kinds=kinds,
            sentence=sentence,
            remarks=remarks,
            resolution=resolution(seen, self.evidence, problem.eps),
            seed=self.settings.seed,
            probes=self.settings.probes,
            steps=steps,
            evaluations=problem.evaluations,
            pullbacks=problem.pullbacks,
            inputs=input_rows(problem, self.names, kinds, self.evidence),
            worst=self._worst(),
            comparison=self._comparison(),
        )

    def _worst(self) -> Worst | None:
        if self.evidence is not None:
            return worst_element(self.localised, self.evidence, self.names)
        return worst_probe(self.screen) if self.screen is not None else None

    def _comparison(self) -> Comparison | None:
        if self.evidence is not None:
            return element_comparison(self.localised, self.evidence, self.names)
        return probe_comparison(self.screen) if self.screen is not None else None


def _looks_zero(evidence: Evidence) -> bool:
    """Return whether what could not be resolved is zero on both sides, within bars."""
    open_ones = evidence.status == Status.UNRESOLVED
    bar = evidence.bar[open_ones]
    small = (evidence.numeric[open_ones].abs() <= bar).all()
    return bool(small & (evidence.yours.abs().max() <= bar.max()))
