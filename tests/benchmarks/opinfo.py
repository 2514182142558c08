"""Rates on torch's operations: ``python tests/benchmarks/opinfo.py --seed 3``.

Every differentiable operation, some samples each, up to 200 elements. In float64
torch's gradcheck says what is right. In float32 an operation counts as right if its
float64 samples are. A mutation is an identity with a wrong backward, in front of a
right operation. What is flagged or missed is printed, then the table of rates.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))

from gradcheck_corpora import opinfo
from gradcheck_corpora.opinfo import MUTATIONS, Sample

from autodiff_guide._printed import Table
from autodiff_guide.gradcheck import GradientReport, check_gradient


def check(sample: Sample, seed: int) -> GradientReport | None:
    """Return the report, or None if the checker itself raised."""
    try:
        return check_gradient(sample.fn, *sample.inputs, seed=seed)
    except Exception as error:
        print(f"RAISED {sample.name}: {type(error).__name__}: {error}")
        return None


def show(what: str, sample: Sample, report: GradientReport | None) -> None:
    """Print one sample that the table will count against us."""
    shapes = [tuple(x.shape) for x in sample.inputs]
    print(what, sample.name, shapes, report is not None and report.kinds)
    if report is not None:
        print("   ", report.sentence[:160], "|", report.worst)


def double(seed: int, per_operation: int) -> tuple[list[Sample], list[list[str]]]:
    """Return the samples that torch accepts and we pass, and the rows of rates."""
    right, verdicts = [], Counter()
    for sample in opinfo.samples(torch.float64, seed, per_operation):
        if not opinfo.torch_passes(sample):
            continue
        report = check(sample, seed)
        verdict = report.verdict if report is not None else "raised"
        verdicts[verdict] += 1
        if verdict == "pass":
            right.append(sample)
        else:
            show("float64", sample, report)
    return right, _rows("float64", verdicts)


def single(seed: int, per_operation: int, accepted: set[str]) -> list[list[str]]:
    """Return the rows of rates in float32."""
    verdicts: Counter[str] = Counter()
    found = opinfo.samples(torch.float32, seed, per_operation, accepted.__contains__)
    for sample in found:
        report = check(sample, seed)
        verdict = report.verdict if report is not None else "raised"
        verdicts[verdict] += 1
        if verdict != "pass":
            show("float32", sample, report)
    return _rows("float32", verdicts)


def mutations(seed: int, right: list[Sample]) -> list[list[str]]:
    """Return the rows of rates for planted errors."""
    rows = []
    for label, (kind, size) in MUTATIONS.items():
        verdicts: Counter[str] = Counter()
        for sample in right:
            if not opinfo.matters(sample, kind):
                continue
            report = check(opinfo.mutated(sample, kind, size), seed)
            verdict = report.verdict if report is not None else "raised"
            verdicts[verdict] += 1
            if verdict != "fail":
                show(label, sample, report)
        rows += _rows(label, verdicts)
        print(*rows[-len(verdicts) :], sep="\n", flush=True)
    return rows


def _rows(what: str, verdicts: Counter[str]) -> list[list[str]]:
    total = verdicts.total()
    return [
        [what, verdict, str(count), str(total), f"{count / total:.2%}"]
        for verdict, count in sorted(verdicts.items())
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-operation", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    right, rows = double(options.seed, options.per_operation)
    rows += single(options.seed, options.per_operation, {s.name for s in right})
    print(*rows, sep="\n", flush=True)
    rows += mutations(options.seed, right)
    caption = f"torch {torch.__version__}, seed {options.seed}"
    print(Table(caption, rows, ["samples", "verdict", "count", "of", "rate"]))


if __name__ == "__main__":
    main()
