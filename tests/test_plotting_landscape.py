"""Views of a slice, tested through what they drew."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from autodiff_guide import plotting
from autodiff_guide.landscape import Landscape

AXIS = torch.linspace(-1, 1, 21, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def bowl():
    return Landscape(
        2 + AXIS[:, None] ** 2 + 3 * AXIS**2, AXIS, torch.tensor(2.0), torch.ones(2)
    )


@pytest.fixture
def steep():
    values = 10 ** (2 * AXIS[:, None] + AXIS)
    return Landscape(values, AXIS, torch.tensor(1.0))


def test_line_shows_the_losses_and_its_center():
    line = Landscape(AXIS**2, AXIS, torch.tensor(0.0))
    ax = plotting.slice_line(line, label="one")
    curve, center = ax.lines
    assert curve.get_xdata().tolist() == AXIS.tolist()
    assert curve.get_ydata().tolist() == (AXIS**2).tolist()
    assert (center.get_xdata()[0], center.get_ydata()[0]) == (0, 0)
    assert ax.get_legend_handles_labels()[1] == ["one"]


def test_line_away_from_its_center_does_not_show_it():
    axis = AXIS + 2
    line = Landscape(axis**2, axis, torch.tensor(0.0))
    assert len(plotting.slice_line(line).lines) == 1


def test_contours_are_equally_far_apart(bowl):
    ax = plotting.contour(bowl)
    levels = ax.collections[0].levels
    np.testing.assert_allclose(np.diff(levels), levels[1] - levels[0])
    assert levels[0] <= 2 < levels[1]
    assert levels[-2] < 6 <= levels[-1]
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "loss"
    assert {float(tick.get_text()) for tick in bar.get_yticklabels()} <= {
        *levels.round(9)
    }


def test_contours_of_decades_are_logarithmic(steep):
    ax = plotting.contour(steep)
    levels = ax.collections[0].levels
    assert 0.001 <= levels[0] < 0.01
    assert levels[-1] == pytest.approx(1000)
    assert ((levels[1:] / levels[:-1]).round(2) <= 2.5).all()
    assert ax.figure.axes[1].get_yscale() == "log"


def test_contours_of_what_is_odd_have_0_in_the_middle():
    odd = AXIS[:, None] * torch.exp(-(AXIS[:, None] ** 2 + AXIS**2))
    filled = plotting.contour(Landscape(odd, AXIS, torch.tensor(0.0))).collections[0]
    np.testing.assert_allclose(filled.levels, -filled.levels[::-1], atol=1e-12)
    assert filled.get_cmap().name == "PRGn"


def test_first_direction_is_drawn_to_the_right(bowl):
    ax = plotting.contour(bowl)
    # The loss grows faster along direction 2, so its contours are lower than wide.
    extents = ax.collections[0].get_paths()[2].get_extents()
    assert extents.width == pytest.approx(3**0.5 * extents.height, rel=0.1)
    assert ax.get_aspect() == 1


def test_wide_ranges_are_logarithmic(steep):
    ax = plotting.surface(steep)
    labels = [tick.get_text() for tick in ax.get_zticklabels()]
    assert labels == ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]
    assert list(ax.get_zlim()) == pytest.approx([-3, 3])


def test_losses_that_overflow_are_left_out():
    values = AXIS[:, None] ** 2 + AXIS**2 + 1
    values[0, 0], values[-1, -1] = float("inf"), float("nan")
    slice_ = Landscape(values, AXIS, torch.tensor(1.0))
    levels = plotting.contour(slice_).collections[0].levels
    assert levels[-2] < 3 <= levels[-1]
    plotting.surface(slice_).figure.canvas.draw()


def test_flat_and_lost_surfaces():
    flat = Landscape(torch.ones(5, 5), AXIS[:5], torch.tensor(1.0))
    assert plotting.contour(flat).collections[0].levels.tolist() == [0.5, 1.5]
    lost = Landscape(flat.values * torch.nan, flat.axis, flat.center)
    with pytest.raises(ValueError, match="what: expected finite heights, got none"):
        plotting.surface(lost)


@pytest.mark.parametrize(
    ("view", "result", "message"),
    [
        (plotting.slice_line, "plane", "along 1 direction.* got one along 2"),
        (plotting.contour, "line", "along 2 direction.* got one along 1"),
        (plotting.surface, "line", "along 2 direction"),
    ],
)
def test_views_refuse_what_they_cannot_draw(view, result, message, bowl):
    line = Landscape(bowl.values[0], AXIS, bowl.center)
    with pytest.raises(ValueError, match=message):
        view({"plane": bowl, "line": line}[result])


def test_missing_rows_are_left_blank(bowl):
    values = bowl.values.clone()
    values[12:] = torch.nan
    ax = plotting.contour(Landscape(values, AXIS, bowl.center))
    right = max(path.get_extents().x1 for path in ax.collections[0].get_paths())
    assert right == pytest.approx(AXIS[11].item())
    assert ax.get_xlim() == (-1, 1)
