"""Heights over a plane, a slice's or a function's: line, contours, and a surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.contour import QuadContourSet
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray
from torch import Tensor

from autodiff_guide.landscape import Landscape
from autodiff_guide.plotting._style import (
    BLUE,
    COLOR_MAP,
    DIVERGING_MAP,
    numbers,
    own_axes,
)

Function: TypeAlias = Callable[[Tensor], Tensor]
Domain: TypeAlias = Sequence[tuple[float, float]]
Heights: TypeAlias = tuple[NDArray[np.floating[Any]], ...]  # x, y, z: one shape each

_SIDE = 201  # points along a side of a function that is drawn
_RANGES = 15
_HIDDEN = 0.3  # of a plane, in the lowest of equal ranges: then they are logarithmic
_RATIO = 30  # of the largest loss to the smallest, from which a surface is log


def slice_line(
    result: Landscape,
    *,
    label: str | None = None,
    color: str = BLUE,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss along a line.

    Parameters
    ----------
    result : Landscape
        Of one direction.
    label : str, optional
        Name of the curve in a legend.
    color : str
        Of the curve.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With the curve, and a dot at the module's own parameters.

    Raises
    ------
    ValueError
        If the slice has two directions.

    Examples
    --------
    >>> import torch
    >>> axis = torch.linspace(-1, 1, 5)
    >>> slice_line(Landscape(axis**2, axis, torch.tensor(0.0))).get_ylabel()
    'loss'
    """
    if result.values.dim() != 1:
        raise ValueError(
            "result: expected a slice along 1 direction, got one along 2; "
            "contour and surface draw planes"
        )
    ax = own_axes(ax)
    ax.plot(numbers(result.axis), numbers(result.values), color=color, label=label)
    if result.axis[0] <= 0 <= result.axis[-1]:
        ax.plot(0, float(result.center), "o", color=color)
    ax.set(xlabel="step along the direction", ylabel="loss")
    return ax


def contour(
    what: Landscape | Function,
    *,
    domain: Domain | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a plane from above: one color, one range of heights.

    The ranges are equal, so that many on a short way mean steep. They are 1, 2 and 5
    times powers of ten where the lowest of equal ones would fill 3/10 of the plane.
    Heights that go about as far below 0 as above have a color map with 0 in its middle.

    Parameters
    ----------
    what : Landscape, Objective or callable
        A slice along two directions; or a function, which maps points ``(*, 2)`` to
        values ``(*)``.
    domain : sequence of tuple of float, optional
        Of a function: lowest and highest x, then y; an objective knows its own.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With the contours and their color bar.

    Raises
    ------
    ValueError
        If it is not a plane, or no height is finite, or a function has no domain.

    Examples
    --------
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> contour(CATALOGUE["saddle"]).get_xlabel()
    'x'
    """
    ax = own_axes(ax)
    names, heights = heights_of(what, domain)
    drawn = draw_contour(ax, heights)
    ax.figure.colorbar(drawn, ax=ax, label=names[2], format="%g")
    ax.set(xlabel=names[0], ylabel=names[1])
    return ax


def surface(
    what: Landscape | Function,
    *,
    domain: Domain | None = None,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw a plane as a surface in space.

    Losses are on a logarithmic scale where the largest is 30 times the smallest or
    more. What is not finite is drawn at the upper end.

    Parameters
    ----------
    what : Landscape, Objective or callable
        A slice along two directions; or a function, which maps points ``(*, 2)`` to
        values ``(*)``.
    domain : sequence of tuple of float, optional
        Of a function: lowest and highest x, then y; an objective knows its own.
    ax : Axes3D, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes3D
        With the surface.

    Raises
    ------
    ValueError
        If it is not a plane, or no height is finite, or a function has no domain.

    Examples
    --------
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> surface(CATALOGUE["saddle"]).get_zlabel()
    'value'
    """
    names, (x, y, z) = heights_of(what, domain)
    finite = _finite(z)
    low, high = finite.min(), finite.max()
    z = np.clip(np.nan_to_num(z, nan=high), low, high)
    if ax is None:
        ax = plt.figure(layout="constrained").add_subplot(projection="3d")
    logarithmic = isinstance(what, Landscape) and 0 < _RATIO * low <= high
    if logarithmic:
        z = np.log10(z)
    ax.plot_surface(
        x, y, z, cmap=COLOR_MAP, rcount=len(z), ccount=len(z), antialiased=False
    )
    if logarithmic:
        powers = np.arange(np.ceil(z.min()), np.floor(z.max()) + 1)
        ax.set_zlim(z.min(), z.max())
        ax.set_zticks(powers, [f"{10.0**power:g}" for power in powers])
    ax.zaxis.labelpad = 6
    first, second, third = (name.removeprefix("step along ") for name in names)
    ax.set(xlabel=first, ylabel=second, zlabel=third)
    ax.set_box_aspect(None, zoom=0.76)  # leaves room for the labels
    return ax


def heights_of(
    what: Landscape | Function, domain: Domain | None
) -> tuple[tuple[str, str, str], Heights]:
    """Return the names of three axes, and x, y and z at the points of a grid."""
    if isinstance(what, Landscape):
        if what.values.dim() != 2:
            raise ValueError(
                "what: expected a slice along 2 directions, got one along 1; "
                "slice_line draws it"
            )
        x, y = torch.meshgrid(what.axis, what.axis, indexing="ij")
        names = ("step along direction 1", "step along direction 2", "loss")
        return names, (numbers(x), numbers(y), numbers(what.values))
    sides: Domain = getattr(what, "domain", ()) if domain is None else domain
    if len(sides) != 2:
        raise ValueError(
            f"domain: expected two sides, ((x0, x1), (y0, y1)), got {len(sides)}; "
            "only functions of two variables can be drawn from above"
        )
    axes = [torch.linspace(a, b, _SIDE, dtype=torch.float64) for a, b in sides]
    x, y = torch.meshgrid(*axes, indexing="ij")
    with torch.no_grad():
        z = what(torch.stack([x, y], -1))
    return ("x", "y", "value"), (numbers(x), numbers(y), numbers(z))


def draw_contour(ax: Axes, heights: Heights, ranges: int = _RANGES) -> QuadContourSet:
    """Fill contours of about so many ranges, at levels a reader can count with."""
    x, y, z = heights
    finite = _finite(z)
    low, high = finite.min(), finite.max()
    colors, norm = COLOR_MAP, None
    if low == high:
        levels = low + np.array([-0.5, 0.5])
    elif _in_powers(finite):
        levels = _powers(finite)
        z, norm = np.maximum(z, levels[0]), LogNorm()
    elif -2 * low >= high >= -low / 2:
        levels = MaxNLocator(ranges, symmetric=True).tick_values(low, high)
        colors = DIVERGING_MAP
    else:
        levels = MaxNLocator(ranges).tick_values(low, high)
    shown = np.ma.masked_invalid(z)
    drawn = ax.contourf(x, y, shown, levels=levels, cmap=colors, norm=norm)
    ax.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal")
    ax.locator_params(nbins=6)  # a number of ticks that the aspect does not change
    return drawn


def _in_powers(finite: NDArray[np.floating[Any]]) -> bool:
    """Whether the lowest of equal ranges would hide much of what is there."""
    low, some, high = np.quantile(finite, [0, _HIDDEN, 1])
    return bool(low >= 0 and high - low > _RANGES * (some - low))


def _powers(finite: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return 1, 2 and 5 times powers of ten, from the lowest hundredth to the top."""
    lowest = np.quantile(finite[finite > 0], 0.01)
    exponents = np.arange(np.floor(np.log10(lowest)), np.log10(finite.max()) + 1)
    levels = np.outer(10.0**exponents, [1, 2, 5]).ravel()
    first, last = np.searchsorted(levels, [lowest, finite.max()])
    return levels[max(first - 1, 0) : last + 1]


def _finite(z: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    finite: NDArray[np.floating[Any]] = z[np.isfinite(z)]
    if not finite.size:
        raise ValueError("what: expected finite heights, got none; try a smaller span")
    return finite
