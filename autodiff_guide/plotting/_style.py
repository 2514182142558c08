"""What every view shares: colors that all readers can tell apart, and an axes."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

# From Okabe and Ito's palette, the four with contrast 3:1 on white and on black.
BLUE = "#0072b2"
VERMILION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#cc79a7"
COLORS = (BLUE, VERMILION, GREEN, PURPLE)
COLOR_MAP = "viridis"
DIVERGING_MAP = "PRGn"


def own_axes(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax


def numbers(tensor: Tensor) -> NDArray[np.floating[Any]]:
    """Return what matplotlib draws: a float64 array of its own."""
    return tensor.detach().double().cpu().numpy()
