"""Activations drawn: value, slope, saturation, kinks and jumps."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from matplotlib.axes import Axes
from torch import Tensor

from autodiff_guide.activations import Activation
from autodiff_guide.plotting._style import BLUE, VERMILION, own_axes

REACH = 5.0
SATURATED_BELOW = 1e-2


def activation(entry: Activation, *, ax: Axes | None = None) -> Axes:
    """Draw an activation with its slope by hand, its kinks, and where it is saturated.

    Where the size of the slope is below 1e-2 the background is shaded. A ring marks
    each kink, a dot the slope that torch returns there.

    Parameters
    ----------
    entry : Activation
        An element-wise entry of the catalogue, or one of your own.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If it mixes the entries of a vector.

    Examples
    --------
    >>> from autodiff_guide.activations import CATALOGUE
    >>> [line.get_label() for line in activation(CATALOGUE["sigmoid"]).lines]
    ['Sigmoid', 'slope']
    """
    if entry.vector:
        raise ValueError(
            f"entry: expected an element-wise activation, got {entry.name}, which "
            "mixes the entries of a vector; look at its Jacobian, entry.derivative(x)"
        )
    ax = own_axes(ax)
    kinks = torch.tensor([*entry.kinks], dtype=torch.float64)
    reach = max([REACH, *(abs(kink) + 1 for kink in entry.kinks)])
    x = torch.cat([torch.linspace(-reach, reach, 1000).double(), kinks]).sort().values
    slope = entry.derivative(x)
    ax.plot(x, _broken(entry(x), x, entry.jumps), BLUE, label=entry.title)
    ax.plot(x, _broken(slope, x, entry.kinks), VERMILION, label="slope")
    ax.fill_between(
        x,
        0,
        1,
        where=(slope.abs() < SATURATED_BELOW).numpy(),
        transform=ax.get_xaxis_transform(),
        color=BLUE,
        alpha=0.25,
        linewidth=0,
        label=f"saturated: |slope| < {SATURATED_BELOW}",
    )
    if entry.kinks:
        there = list(entry.kinks.values())
        ax.plot(kinks, entry(kinks), "o", color=BLUE, fillstyle="none", label="kink")
        ax.plot(kinks, there, ".", color=VERMILION, label="slope there")
    ax.set_xlabel("x")
    ax.set_ylabel("value and slope")
    return ax


def _broken(values: Tensor, x: Tensor, at: Iterable[float]) -> Tensor:
    """Return `values` with a gap at the points `at`, so that no line crosses them."""
    gaps = torch.isin(x, torch.tensor([*at], dtype=x.dtype))
    return values.masked_fill(gaps, float("nan"))
