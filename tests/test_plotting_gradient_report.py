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
    assert labels(ax) == ["equal", f"within its bar: {report.comparison.yours.numel()}"]
    points = ax.containers[0].lines[0]
    np.testing.assert_allclose(points.get_xdata(), points.get_ydata(), atol=1e-8)
    assert ax.get_title() == "pass: agree"
    assert "random direction" in ax.get_xlabel()


def test_wrong_element_lies_off_it():
    x = normal(6)
    report = check_gradient(WRONG, x)
    ax = plotting.gradient_report(report)
    assert labels(ax) == ["equal", "within its bar: 5", "off: 1"]
    off = ax.containers[1].lines[0]
    assert off.get_xdata()[0] == pytest.approx(float(x.max().cos()))
    assert off.get_ydata()[0] == pytest.approx(1.1 * float(x.max().cos()))
    assert ax.get_title() == "fail: localized"


def test_draws_into_given_axes():
    _, ax = plt.subplots()
    assert plotting.gradient_report(check_gradient(torch.sin, normal(3)), ax=ax) is ax


def test_errors_show_where():
    x = normal(3, 4)
    ax = plotting.gradient_errors(check_gradient(WRONG, x))
    image = ax.images[0].get_array()
    assert image.shape == (3, 4)
    assert np.unravel_index(image.argmax(), image.shape) == divmod(int(x.argmax()), 4)
    assert ax.get_title() == "input 0, shape (3, 4)"


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4)])
def test_errors_of_any_shape(shape):
    ax = plotting.gradient_errors(check_gradient(torch.sin, normal(*shape), full=True))
    rows = int(np.prod(shape[:-1])) if shape else 1
    assert ax.images[0].get_array().shape == (rows, shape[-1] if shape else 1)


def test_errors_of_a_named_input():
    report = check_gradient(torch.mul, normal(4), normal(4), full=True)
    ax = plotting.gradient_errors(report, name="input 1")
    assert ax.get_title() == "input 1, shape (4,)"
    with pytest.raises(ValueError, match="name: expected one of"):
        plotting.gradient_errors(report, name="input 2")


def test_errors_need_elements():
    with pytest.raises(ValueError, match="full=True"):
        plotting.gradient_errors(check_gradient(torch.sin, normal(3)))


def test_report_without_comparison():
    report = check_gradient(lambda x: x.mul_(2), normal(3))
    with pytest.raises(ValueError, match="the check ended before"):
        plotting.gradient_report(report)


def test_draws_nan_and_leaves_style_alone():
    before = dict(plt.rcParams)
    fn = with_backward(torch.sin, lambda g, x: g * torch.nan)
    ax = plotting.gradient_report(check_gradient(fn, normal(3)))
    assert ax.get_legend() is None
    assert dict(plt.rcParams) == before


def test_allowed_kink_lies_within_its_bar():
    x = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)
    report = check_gradient(torch.relu, x, full=True)
    assert labels(plotting.gradient_report(report)) == ["equal", "within its bar: 3"]
