"""The checker against right gradients, and against wrong ones with known mistakes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gradcheck_corpora.bugs import BUGS, with_backward
from gradcheck_corpora.right import RIGHT
from peak_memory import RESET_PEAK

from autodiff_guide.gradcheck import KINDS, check_gradient

LOCALISE_AND_MEASURE = """
import torch
from gradcheck_corpora.bugs import with_backward
from peak_memory import megabytes_added
from autodiff_guide.gradcheck import check_gradient

torch.set_num_threads(1)
fn = with_backward(torch.sin, lambda g, x: 1.5 * g * x.cos())
check_gradient(fn, torch.rand(3, dtype=torch.float64))  # imports on first use
x, kinds = torch.linspace(-1, 1, 20_000, dtype=torch.float64), []
added = megabytes_added(lambda: kinds.append(check_gradient(fn, x).kind))
print(*kinds, added)
"""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.kind}: {bug.name}")
def test_bug_is_found_and_named(bug):
    report = check_gradient(bug.fn, *bug.inputs)
    assert report.verdict in ("fail", "error"), str(report)
    assert report.kind == bug.kind, str(report)


def test_corpus_is_large_and_every_kind_is_defined():
    assert len(BUGS) >= 60
    assert len({id(b) for b in BUGS}) == len({b.name for b in BUGS}) == len(BUGS)
    assert {b.kind for b in BUGS} <= set(KINDS)


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.name)
def test_right_function_is_not_flagged(right):
    report = check_gradient(right.fn, *right.inputs, seed=7)
    assert report.verdict == ("inconclusive" if right.hard else "pass"), str(report)


def test_right_corpus_is_large():
    assert len({r.name for r in RIGHT}) == len(RIGHT) >= 80


@pytest.mark.parametrize("relative", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("seed", range(3))
def test_one_wrong_element_is_found(relative, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1000, generator=generator, dtype=torch.float64)
    k = int(torch.randint(1000, (), generator=generator))
    scale = torch.ones_like(x)
    scale[k] += relative
    fn = with_backward(lambda x: x.exp().sum(), lambda g, x: g * x.exp() * scale)
    report = check_gradient(fn, x, seed=seed)
    assert report.kind == "localized"
    assert report.worst.index == (k,)
    assert report.worst.yours == pytest.approx(float(x[k].exp()) * (1 + relative))
    assert abs(report.worst.numeric - float(x[k].exp())) <= 5 * report.worst.bar


def test_wrong_element_of_very_many_is_named():
    x = torch.linspace(-1, 1, 20_801, dtype=torch.float64)
    scale = torch.ones_like(x)
    scale[12_345] += 0.01
    fn = with_backward(
        lambda x: x.sin().mean(), lambda g, x: g * x.cos() / 20_801 * scale
    )
    report = check_gradient(fn, x)
    assert report.kind == "localized"
    assert report.worst.index == (12_345,)
    assert report.evaluations < 4_000  # sample and halves, each looked at once


@pytest.mark.skipif(not RESET_PEAK.exists(), reason="measures memory by /proc")
def test_twenty_thousand_outputs_are_localised_in_64_megabytes():
    run = subprocess.run(
        [sys.executable, "-c", LOCALISE_AND_MEASURE],
        cwd=Path(__file__).parent,
        check=True,
        capture_output=True,
        text=True,
    )
    kind, megabytes = run.stdout.split()
    assert kind == "factor"
    assert float(megabytes) <= 64


@pytest.mark.parametrize("c", [-1.0, 1.0001])
def test_scaled_loss_cannot_hide_a_wrong_gradient(c):
    fn = with_backward(lambda x: 1e-6 * x.sin(), lambda g, x: c * 1e-6 * g * x.cos())
    x = torch.rand(4, dtype=torch.float64)
    assert check_gradient(fn, x).verdict == "fail"
    assert torch.autograd.gradcheck(fn, x.requires_grad_())  # torch's passes
