"""What the views of derivatives draw, read back from their artists."""

import matplotlib.pyplot as plt
import pytest
import torch

from autodiff_guide import plotting
from autodiff_guide.derivatives import one_sided_derivatives


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def ends(line):
    x, y = line.get_data()
    return (x[0], y[0]), (x[-1], y[-1])


def test_tangent_touches_the_curve():
    x = torch.tensor(6.0, dtype=torch.float64)
    ax = plotting.tangent_line(lambda x: x**2 - 8 * x + 12, x, reach=1.0)
    curve, tangent, point = ax.lines
    assert ends(curve) == ((5, -3), (7, 5))
    assert ends(tangent) == ((5, -4), (7, 4))
    assert ends(point)[0] == (6, 0)
    assert tangent.get_label() == "tangent, slope 4"


def test_half_tangents_tell_a_kink_from_a_slope():
    x = torch.tensor(0.0, dtype=torch.float64)
    _, axes = plt.subplots(1, 2)
    for fn, ax in zip((torch.abs, torch.sin), axes, strict=True):
        sides = one_sided_derivatives(fn, x)
        assert plotting.half_tangents(fn, x, sides, ax=ax) is ax
    kink, slope = axes
    assert kink.get_title() == "kink"
    assert slope.get_title() == "slope"
    assert [line.get_label() for line in kink.lines[1:3]] == [
        "left slope -1",
        "right slope 1",
    ]
    assert ends(kink.lines[1]) == ((0, 0), (-2, pytest.approx(2)))


def test_error_curve_keeps_its_numbers():
    steps = torch.tensor([1e-3, 1e-2, 1e-1])
    ax = plotting.error_curve(steps, steps**2, label="central")
    x, y = ax.lines[0].get_data()
    assert list(x) == steps.tolist()
    assert list(y) == (steps**2).tolist()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_legend_handles_labels()[1] == ["central"]


def test_gradient_field_draws_the_gradients():
    points = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
    ax = plotting.gradient_field(lambda p: p[0] ** 2 + 3 * p[1], points)
    arrows = ax.collections[-1]
    assert arrows.U.tolist() == [2, 1]
    assert arrows.V.tolist() == [3, 3]
    assert arrows.XY.tolist() == points.tolist()
    assert ax.get_aspect() == 1
