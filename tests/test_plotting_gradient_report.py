"""The pictures of a gradient check, through what they draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from gradcheck_corpora.bugs import normal, with_backward

from autodiff_guide import plotting
from autodiff_guide.gradcheck import check_gradient

WRONG = with_backward(
    lambda x: x.sin().sum(), lambda g, x: g * x.cos() * (1 + 0.1 * (x == x.max()))
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_right_gradient_lies_on_the_diagonal():
    report = check_gradient(torch.sin, normal(6))
    ax = plotting.gradient_report(report)
    assert labels(ax) == ["equal", "yours"]
    points = ax.containers[0].lines[0]
    assert len(points.get_xdata()) == report.comparison.yours.numel()
    np.testing.assert_allclose(points.get_xdata(), points.get_ydata(), atol=1e-8)
    assert ax.get_title() == "pass: agree"
    assert "random direction" in ax.get_xlabel()


def test_the_worst_element_of_a_wrong_one_has_a_cross():
    x = normal(6)
    ax = plotting.gradient_report(check_gradient(WRONG, x))
    assert labels(ax) == ["equal", "worst", "yours"]
    (cross,) = [line for line in ax.lines if line.get_label() == "worst"]
    assert cross.get_xdata()[0] == pytest.approx(float(x.max().cos()))
    assert cross.get_ydata()[0] == pytest.approx(1.1 * float(x.max().cos()))
    assert ax.get_title() == "fail: localized"


def test_draws_into_given_axes():
    _, ax = plt.subplots()
    assert plotting.gradient_report(check_gradient(torch.sin, normal(3)), ax=ax) is ax


def test_report_without_comparison():
    report = check_gradient(lambda x: x.mul_(2), normal(3))
    with pytest.raises(ValueError, match="the check ended before"):
        plotting.gradient_report(report)


def test_draws_nan_and_leaves_style_alone():
    before = dict(plt.rcParams)
    fn = with_backward(torch.sin, lambda g, x: g * torch.nan)
    ax = plotting.gradient_report(check_gradient(fn, normal(3)))
    assert labels(ax) == ["yours"]
    assert dict(plt.rcParams) == before
