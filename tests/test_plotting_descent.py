"""Views of descents and objectives, by what they put on the axes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from autodiff_guide import plotting
from autodiff_guide.descent import (
    Adam,
    GradientDescent,
    Momentum,
    Newton,
    Trajectory,
    minimize,
)
from autodiff_guide.objectives import CATALOGUE, Objective

BOOTH, HIMMELBLAU = CATALOGUE["booth"], CATALOGUE["himmelblau"]


@pytest.fixture(autouse=True)
def _closed():
    before = dict(plt.rcParams)
    yield
    assert dict(plt.rcParams) == before
    plt.close("all")


@pytest.fixture
def path() -> Trajectory:
    start = torch.tensor([-5.0, 5.0], dtype=torch.float64)
    return minimize(BOOTH, start, GradientDescent(0.05), steps=20)


@pytest.fixture
def many() -> Trajectory:
    starts = torch.tensor([[4.0, 4.0], [-4.0, 4.0], [-4.0, -4.0], [4.0, -4.0]])
    return minimize(HIMMELBLAU, starts.double(), Newton())


def legend(ax):
    return ax.get_legend_handles_labels()[1]


@pytest.mark.parametrize("name", [n for n, o in CATALOGUE.items() if o.dimension == 2])
def test_every_objective_of_the_plane_has_its_contours(name):
    objective = CATALOGUE[name]
    ax = plotting.contour(objective)
    assert ax.get_xlim() == objective.domain[0]
    assert ax.get_ylim() == objective.domain[1]
    (filled,) = ax.collections
    assert len(filled.levels) > 8
    low, high = objective.domain
    grid = torch.cartesian_prod(
        torch.linspace(*low, 201).double(), torch.linspace(*high, 201).double()
    )
    values = objective(grid)
    assert filled.levels[-2] < values.max() <= filled.levels[-1]
    # No range, of one color, covers more than a third of the plane.
    among = np.searchsorted(filled.levels, values.numpy())
    assert np.bincount(among).max() <= len(values) / 3


def test_contours_of_a_function_need_a_domain():
    ax = plotting.contour(lambda x: x.prod(-1), domain=((0, 1), (2, 3)))
    assert ax.get_ylim() == (2, 3)
    with pytest.raises(ValueError, match="domain: expected two sides"):
        plotting.contour(lambda x: x.prod(-1))
    with pytest.raises(ValueError, match="two variables"):
        plotting.contour(CATALOGUE["sphere"])


def test_surface_spans_the_domain_and_the_values():
    ax = plotting.surface(BOOTH)
    (sheet,) = ax.collections
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("x", "y", "value")
    low, high = sheet.get_array().min(), sheet.get_array().max()
    assert 0 <= low < 10
    assert 2000 < high <= float(BOOTH(torch.tensor([-10.0, -10.0])))
    own = plt.figure().add_subplot(projection="3d")
    assert plotting.surface(BOOTH, ax=own) is own


def test_trajectory_draws_the_points(path):
    ax = plotting.trajectory(path, fn=BOOTH)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), path.points)
    np.testing.assert_allclose(ax.lines[-1].get_xydata()[0], path.points[0])
    assert legend(ax) == [path.rule]
    assert ax.get_xlim() == BOOTH.domain[0]
    other = minimize(BOOTH, path.points[0], Momentum(0.02), steps=200)
    plotting.trajectory(other, ax=ax)
    assert legend(ax) == [path.rule, other.rule]
    first, second = (ax.get_legend_handles_labels()[0][i].get_color() for i in (0, 1))
    assert first != second


def test_trajectory_of_many_has_one_label_and_skips_what_overflowed(many):
    ax = plotting.trajectory(many)
    assert legend(ax) == [many.rule]
    for i in range(4):
        np.testing.assert_allclose(ax.lines[i].get_xydata(), many.points[:, i])
    lost = minimize(BOOTH, torch.ones(2), GradientDescent(10.0), steps=200)
    line = plotting.trajectory(lost).lines[0]
    assert not np.isinf(line.get_xydata()).any()


def test_values_are_drawn_above_the_minimum(path, many):
    ax = plotting.values(path)
    assert ax.get_yscale() == "log"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), path.values)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "value")
    plotting.values(many, ax=ax)
    assert len(ax.lines) == 5
    assert legend(ax) == [path.rule, many.rule]
    shifted = plotting.values(path, minimum=-2)
    np.testing.assert_allclose(shifted.lines[0].get_ydata(), path.values + 2)
    assert shifted.get_ylabel() == "value above -2"


def test_basins_count_who_reached_what(many):
    minimizers = torch.tensor(HIMMELBLAU.minimizers).double()
    reached = torch.cdist(many.points[-1], minimizers).argmin(1)
    assert reached.unique().numel() == 4
    names = [f"({x:.3g}, {y:.3g})" for x, y in minimizers.tolist()]
    ax = plotting.basins(many, reached=reached, names=names)
    assert legend(ax) == [f"{name}: 1 start" for name in names]
    (cell,) = ax.collections[0].get_paths()
    np.testing.assert_allclose(cell.get_extents().get_points(), [[0, 0], [8, 8]])
    some = plotting.basins(
        many, reached=reached.where(reached < 2, -1), names=names[:2]
    )
    assert legend(some)[-1] == "elsewhere: 2 starts"
    with pytest.raises(ValueError, match="reached: expected one index for each start"):
        plotting.basins(many, reached=reached[:2], names=names)


@pytest.mark.parametrize("counts", [(4, 3), (1, 5), (1, 1)])
def test_the_cells_of_a_grid_fill_its_rectangle(counts):
    sides = [torch.linspace(0.0, k - 1.0, k) for k in counts]
    starts = torch.cartesian_prod(*sides)
    found = minimize(HIMMELBLAU, starts, Newton(), steps=1)
    ax = plotting.basins(found, reached=torch.zeros(len(starts)), names=["one"])
    cells = [path.get_extents() for some in ax.collections for path in some.get_paths()]
    corners = sorted((cell.x0, cell.y0) for cell in cells)
    np.testing.assert_allclose(corners, starts - 0.5)
    assert {(cell.width, cell.height) for cell in cells} == {(1.0, 1.0)}


def test_scattered_starts_have_cells_that_can_be_seen():
    starts = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    found = minimize(HIMMELBLAU, starts, Newton(), steps=1)
    ax = plotting.basins(found, reached=torch.zeros(len(starts)), names=["one"])
    (cell, *_) = ax.collections[-1].get_paths()
    assert cell.get_extents().width == pytest.approx(1 / 9, rel=0.05)


def test_animation_is_light_and_opens_with_whole_paths(path):
    other = minimize(BOOTH, path.points[0], Adam(0.5), steps=90)
    moving = plotting.animation([path, other], fn=BOOTH)
    page = moving.to_jshtml()
    assert len(page) < 650_000
    assert 2 <= page.count("data:image/png;base64") <= 60
    first, then, *_, last = moving.new_frame_seq()
    assert (first, then, last) == (90, 0, 90)
    moving._init_draw()
    (ax,) = moving._fig.axes
    np.testing.assert_allclose(ax.lines[0].get_xydata(), path.points)
    np.testing.assert_allclose(ax.lines[1].get_xydata(), other.points)
    assert [text.get_text() for text in ax.figure.legends[0].texts] == [
        path.rule,
        other.rule,
    ]


def test_views_draw_on_the_axes_given(path, many):
    _, ax = plt.subplots()
    rates = torch.arange(4.0)
    assert plotting.contour(BOOTH, ax=ax) is ax
    assert plotting.trajectory(path, ax=ax) is ax
    assert plotting.values(path, ax=ax) is ax
    assert plotting.basins(many, reached=rates, names="abcd", ax=ax) is ax


@pytest.mark.parametrize("view", ["trajectory", "animation", "basins"])
def test_views_refuse_points_they_cannot_draw(view):
    sphere: Objective = CATALOGUE["sphere"]
    found = minimize(sphere, torch.ones(3), GradientDescent(0.1), steps=2)
    extra = {
        "trajectory": {},
        "animation": {"fn": sphere},
        "basins": {"reached": torch.zeros(()), "names": []},
    }[view]
    with pytest.raises(ValueError, match="result: expected points"):
        getattr(plotting, view)(found, **extra)


@pytest.mark.parametrize("frames", [2, 61])
def test_animations_have_a_sensible_length(path, frames):
    with pytest.raises(ValueError, match="frames: expected 3 to 60"):
        plotting.animation(path, fn=BOOTH, frames=frames)
