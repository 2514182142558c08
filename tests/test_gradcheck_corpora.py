"""The checker against right gradients, and against wrong ones with known mistakes."""

import pytest
import torch
from gradcheck_corpora.bugs import BUGS, with_backward
from gradcheck_corpora.right import RIGHT

from autodiff_guide.gradcheck import KINDS, check_gradient


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


@pytest.mark.parametrize("c", [-1.0, 1.0001])
def test_scaled_loss_cannot_hide_a_wrong_gradient(c):
    fn = with_backward(lambda x: 1e-6 * x.sin(), lambda g, x: c * 1e-6 * g * x.cos())
    x = torch.rand(4, dtype=torch.float64)
    assert check_gradient(fn, x).verdict == "fail"
    assert torch.autograd.gradcheck(fn, x.requires_grad_())  # torch's passes
