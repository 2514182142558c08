"""What tests and doctests share: the figures that one opens do not outlive it."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _no_figure_left():
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
