"""Losses as drawn: their values and their slopes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from autodiff_guide import plotting
from autodiff_guide.losses import CATALOGUE

EVERY = pytest.mark.parametrize("loss", CATALOGUE.values(), ids=lambda x: x.name)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@EVERY
def test_the_curve_is_the_loss_and_the_slope_is_the_curves(loss):
    ax = plotting.loss_curve(loss)
    value, slope = ax.lines
    t, values = value.get_data()
    assert (t[0], t[-1]) == (loss.line.start, loss.line.stop)
    expected = loss.function(*loss.line.operands(torch.as_tensor(t)), reduction="none")
    np.testing.assert_allclose(values, expected.numpy())
    steps = np.diff(values) / np.diff(t)
    between = np.sort([slope.get_ydata()[:-1], slope.get_ydata()[1:]], axis=0)
    room = 1e-6 + 0.02 * np.abs(slope.get_ydata()).max()
    assert (steps > between[0] - room).all()
    assert (steps < between[1] + room).all()


def test_labels_come_from_the_entry():
    ax = plotting.loss_curve(CATALOGUE["huber_loss"])
    assert ax.get_title() == "Huber loss"
    assert ax.get_xlabel() == CATALOGUE["huber_loss"].line.label
    assert [line.get_label() for line in ax.lines] == ["loss", "slope"]


def test_views_draw_where_they_are_told():
    _, ax = plt.subplots()
    assert plotting.loss_curve(CATALOGUE["mse_loss"], ax=ax) is ax
