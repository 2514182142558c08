"""What every view shares: colours that all readers can tell apart, and an axes."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

# From Okabe and Ito's palette, the four with contrast 3:1 on white and on black.
BLUE = "#0072b2"
VERMILION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#cc79a7"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
COLOUR_MAP = "viridis"


def own_axes(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax
