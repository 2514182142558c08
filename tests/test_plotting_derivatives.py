"""What the view of a derivative's two sides draws, read back from its artists."""

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


def test_half_tangents_tell_a_kink_from_a_slope():
    x = torch.tensor(0.0, dtype=torch.float64)
    _, axes = plt.subplots(1, 2)
    for fn, ax in zip((torch.abs, torch.sin), axes, strict=True):
        sides = one_sided_derivatives(fn, x)
        assert plotting.half_tangents(sides, (0.0, 0.0), ax=ax) is ax
    kink, slope = axes
    assert kink.get_title() == "kink"
    assert slope.get_title() == "slope"
    assert [line.get_label() for line in kink.lines[:2]] == [
        "left slope -1",
        "right slope 1",
    ]
    assert ends(kink.lines[0]) == ((0, 0), (-2, pytest.approx(2)))
