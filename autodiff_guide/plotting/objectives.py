"""Functions of two variables drawn: contours from above, and surfaces in space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray
from torch import Tensor

from autodiff_guide.objectives import Objective
from autodiff_guide.plotting._style import COLOUR_MAP, own_axes

Function: TypeAlias = Callable[[Tensor], Tensor]
Domain: TypeAlias = Sequence[tuple[float, float]]

_LEVELS = 14


def contour(
    function: Objective | Function,
    *,
    domain: Domain | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a function of two variables from above: one colour, one range of values.

    The ranges are quantiles of the values seen, finest at the low end, so that both a
    valley and the walls around it show.

    Parameters
    ----------
    function : Objective or callable
        Maps points ``(*, 2)`` to values ``(*)``.
    domain : sequence of tuple of float, optional
        Lowest and highest x, then y; an objective knows its own.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If the function is not one of two variables, or has no domain.

    Examples
    --------
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> contour(CATALOGUE["booth"]).get_xlim() == (-10.0, 10.0)
    True
    """
    ax = own_axes(ax)
    draw_contour(ax, function, require_domain(function, domain))
    return ax


def surface(
    function: Objective | Function,
    *,
    domain: Domain | None = None,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw a function of two variables as a surface in space.

    Parameters
    ----------
    function : Objective or callable
        Maps points ``(*, 2)`` to values ``(*)``.
    domain : sequence of tuple of float, optional
        Lowest and highest x, then y; an objective knows its own.
    ax : Axes3D or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes3D
        The axes drawn on.

    Raises
    ------
    ValueError
        If the function is not one of two variables, or has no domain.

    Examples
    --------
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> surface(CATALOGUE["saddle"]).get_zlabel()
    'value'
    """
    x, y, z = sample(function, require_domain(function, domain), 81)
    if ax is None:
        figure = plt.figure(layout="constrained")
        ax = figure.add_subplot(projection="3d")
    ax.plot_surface(x, y, z, cmap=COLOUR_MAP, rcount=80, ccount=80, antialiased=False)
    ax.set(xlabel="x", ylabel="y", zlabel="value")
    ax.set_box_aspect(None, zoom=0.78)  # leaves room for the labels
    return ax


def sample(
    function: Function, domain: Domain, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return x, y and the values on a grid, each ``(size, size)``."""
    axes = [torch.linspace(*side, size, dtype=torch.float64) for side in domain]
    x, y = torch.meshgrid(*axes, indexing="xy")
    with torch.no_grad():
        z = function(torch.stack([x, y], -1))
    return x.numpy(), y.numpy(), z.numpy()


def draw_contour(
    ax: Axes, function: Function, domain: Domain, *, light: bool = False
) -> None:
    """Fill the contours, with a colour bar; `light` ones make small files."""
    x, y, z = sample(function, domain, 121 if light else 201)
    shares = np.linspace(0, 1, 7 if light else _LEVELS + 1) ** 2
    levels = np.unique(np.quantile(z, shares))
    ticks = np.arange(len(levels))
    # Colours follow the number of the range, not the value.
    drawn = ax.contourf(
        x,
        y,
        np.interp(z, levels, ticks),
        levels=ticks,
        cmap=COLOUR_MAP,
        antialiased=not light,
    )
    ax.set(xlabel="x", ylabel="y", xlim=domain[0], ylim=domain[1])
    if not light:
        bar = ax.figure.colorbar(drawn, ax=ax, label="value", ticks=ticks[::2])
        bar.set_ticklabels([f"{level:.3g}" for level in levels[::2].round(6) + 0.0])


def require_domain(function: Function, domain: Domain | None) -> Domain:
    """Return the two sides of `domain`, or of the function's own."""
    known = getattr(function, "domain", None) if domain is None else domain
    if known is None or len(known) != 2:
        got = "none" if known is None else f"{len(known)}"
        raise ValueError(
            f"domain: expected two sides, ((x0, x1), (y0, y1)), got {got}; "
            "only functions of two variables can be drawn from above"
        )
    return known
