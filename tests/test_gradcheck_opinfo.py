"""The checker on a random share of torch's own operations, right ones and mutated."""

import random
import warnings

import pytest
import torch
from gradcheck_corpora import opinfo

from autodiff_guide.gradcheck import check_gradient

SEED = 20
SHARE = 40
NAMES = random.Random(SEED).sample(opinfo.names(), SHARE)


@pytest.fixture(autouse=True)
def _warnings_of_operations_are_not_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def right():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = opinfo.samples(torch.float64, SEED, 2, lambda name: name in NAMES)
        return [sample for sample in found if opinfo.torch_passes(sample)]


@pytest.fixture(scope="module")
def passed(right):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [s for s in right if check_gradient(s.fn, *s.inputs, seed=SEED)]


def test_what_torch_accepts_is_not_flagged(right):
    verdicts = [check_gradient(s.fn, *s.inputs, seed=SEED).verdict for s in right]
    assert len(right) > SHARE / 2
    assert set(verdicts) <= {"pass", "inconclusive"}
    assert verdicts.count("inconclusive") <= 1


def test_single_precision_is_not_flagged(right):
    accepted = {sample.name for sample in right}
    found = opinfo.samples(torch.float32, SEED, 2, lambda name: name in accepted)
    passed = [bool(check_gradient(s.fn, *s.inputs, seed=SEED)) for s in found]
    assert len(passed) > SHARE / 2
    assert sum(passed) >= 0.96 * len(passed)


@pytest.mark.parametrize(
    ("kind", "size"), [("scale", 1e-4), ("sign", 0), ("element", 1e-3)]
)
def test_mutations_are_found(passed, kind, size):
    changed = [s for s in passed[::2] if opinfo.matters(s, kind)]
    assert len(changed) > SHARE / 6
    for sample in changed:
        wrong = opinfo.mutated(sample, kind, size)
        report = check_gradient(wrong.fn, *wrong.inputs, seed=SEED)
        assert report.verdict == "fail", (sample.name, str(report))
