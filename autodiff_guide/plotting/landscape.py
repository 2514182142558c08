"""Views of a slice through a loss: line, contours, surface, and one that turns."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray
from torch import Tensor

from autodiff_guide._validate import require_floating
from autodiff_guide.landscape import Landscape
from autodiff_guide.plotting._style import BLUE, COLOUR_MAP, VERMILION, own_axes

_RATIO = 30  # of the largest loss to the smallest, from which on scales are logarithmic
_LEVELS = 15


def slice_line(
    result: Landscape,
    *,
    label: str | None = None,
    colour: str = BLUE,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss along a line.

    Parameters
    ----------
    result : Landscape
        Of one direction.
    label : str, optional
        Name of the curve in a legend.
    colour : str
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
    >>> line = Landscape(axis**2, axis, torch.tensor(0.0), torch.ones(1))
    >>> slice_line(line).get_ylabel()
    'loss'
    """
    _require_dimensions(result, 1)
    ax = own_axes(ax)
    values = _numbers(result.values)
    ax.plot(_numbers(result.axis), values, color=colour, label=label)
    if result.axis[0] <= 0 <= result.axis[-1]:
        ax.plot(0, float(result.centre), "o", color=colour)
    ax.set(xlabel="step along the direction", ylabel="loss")
    return ax


def slice_contour(
    result: Landscape,
    *,
    path: Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss on a plane from above, and a path of training on it.

    Each colour is one range of losses. The ranges are quantiles of the losses seen,
    finest at the low end, so that both a pit and the walls around it show.

    Parameters
    ----------
    result : Landscape
        Of two directions.
    path : Tensor, optional
        Of shape ``(T, 2)``: what `autodiff_guide.landscape.project` returned.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With the contours, their colour bar, and the path with its end.

    Raises
    ------
    ValueError
        If the slice has one direction, or no finite loss, or the path another shape.

    Examples
    --------
    >>> import torch
    >>> axis = torch.linspace(-1, 1, 5)
    >>> bowl = axis[:, None] ** 2 + axis**2
    >>> plane = Landscape(bowl, axis, torch.tensor(0.0), torch.ones(2))
    >>> slice_contour(plane).get_xlabel()
    'step along direction 1'
    """
    _require_dimensions(result, 2)
    ax = own_axes(ax)
    axis, values = _numbers(result.axis), _numbers(result.values).T
    shares = np.linspace(0, 1, _LEVELS) ** 1.5
    levels = np.unique(np.quantile(_finite(values), shares))
    if len(levels) == 1:
        levels = levels[0] + np.array([-0.5, 0.5])
    ticks = np.arange(len(levels))
    # Colours follow the number of the range, not the loss.
    ranges = np.interp(values, levels, ticks)
    drawn = ax.contourf(
        axis,
        axis,
        np.ma.array(ranges, mask=~np.isfinite(values)),
        levels=ticks,
        cmap=COLOUR_MAP,
    )
    bar = ax.figure.colorbar(drawn, ax=ax, label="loss", ticks=ticks[::2])
    bar.set_ticklabels([f"{level:.2g}" for level in levels[::2]])
    if path is not None:
        _draw_path(ax, path)
    ends = axis[0], axis[-1]
    ax.set(xlim=ends, ylim=ends)
    ax.set(xlabel="step along direction 1", ylabel="step along direction 2")
    return ax


def slice_surface(
    result: Landscape,
    *,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw the loss on a plane as a surface in space.

    Heights are logarithmic where the largest loss is 30 times the smallest or more.

    Parameters
    ----------
    result : Landscape
        Of two directions.
    ax : Axes3D, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes3D
        With the surface.

    Raises
    ------
    ValueError
        If the slice has one direction, or no finite loss.

    Examples
    --------
    >>> import torch
    >>> axis = torch.linspace(-1, 1, 5)
    >>> bowl = axis[:, None] ** 2 + axis**2
    >>> plane = Landscape(bowl, axis, torch.tensor(0.0), torch.ones(2))
    >>> slice_surface(plane).get_zlabel()
    'loss'
    """
    _require_dimensions(result, 2)
    if ax is None:
        ax = plt.figure(layout="constrained").add_subplot(projection="3d")
    _draw_surface(ax, result, _scale(result))
    ax.set(xlabel="direction 1", ylabel="direction 2", zlabel="loss")
    return ax


def turning_surface(result: Landscape, *, frames: int = 24) -> FuncAnimation:
    """Animate the loss on a plane as a surface that turns once.

    The figure is small, so that a page stays light.

    Parameters
    ----------
    result : Landscape
        Of two directions.
    frames : int
        From 2 to 36.

    Returns
    -------
    FuncAnimation
        For ``to_jshtml()``.

    Raises
    ------
    ValueError
        If the slice has one direction or no finite loss, or `frames` is out of range.

    Examples
    --------
    >>> import torch
    >>> axis = torch.linspace(-1, 1, 5)
    >>> bowl = axis[:, None] ** 2 + axis**2
    >>> plane = Landscape(bowl, axis, torch.tensor(0.0), torch.ones(2))
    >>> len(turning_surface(plane, frames=4).to_jshtml()) < 200_000
    True
    """
    _require_dimensions(result, 2)
    if not 2 <= frames <= 36:
        raise ValueError(
            f"frames: expected 2 to 36, got {frames}; more would make a heavy page"
        )
    figure = plt.figure(figsize=(3.6, 3.2), dpi=72, layout="constrained")
    ax = figure.add_subplot(projection="3d")
    _draw_surface(ax, result, _scale(result))
    ax.set(xticklabels=[], yticklabels=[], zlabel="loss")

    def turn(frame: int) -> list[Axes3D]:
        ax.view_init(azim=-60 + 360 * frame / frames)
        return [ax]

    return FuncAnimation(figure, turn, frames=frames, init_func=lambda: turn(0))


@dataclass(frozen=True)
class _Scale:
    """From where to where colours and heights go, and whether by ratios."""

    low: float
    high: float
    logarithmic: bool

    def heights(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.clip(np.nan_to_num(values, nan=self.high), self.low, self.high)
        return np.log10(inside) if self.logarithmic else inside

    def ticks(self) -> tuple[NDArray[np.float64], list[str]]:
        """Return the heights at which to write a loss, and the losses."""
        bottom, top = self.heights(np.array([self.low, self.high]))
        places = np.arange(np.ceil(bottom), np.floor(top) + 1)
        if not self.logarithmic or len(places) < 2:
            places = np.linspace(bottom, top, 4)
        losses = 10**places if self.logarithmic else places
        return places, [f"{loss:.4g}" for loss in losses]


def _scale(result: Landscape) -> _Scale:
    finite = _finite(_numbers(result.values))
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    return _Scale(low, high, low > 0 and high >= _RATIO * low)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite: NDArray[np.float64] = values[np.isfinite(values)]
    if not finite.size:
        raise ValueError("result: expected finite losses, got none; try a smaller span")
    return finite


def _draw_surface(ax: Axes3D, result: Landscape, scale: _Scale) -> None:
    axis = _numbers(result.axis)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    heights = scale.heights(_numbers(result.values))
    bottom, top = scale.heights(np.array([scale.low, scale.high]))
    ax.plot_surface(
        x,
        y,
        heights,
        cmap=COLOUR_MAP,
        vmin=bottom,
        vmax=top,
        rcount=len(axis),
        ccount=len(axis),
        antialiased=False,
    )
    places, labels = scale.ticks()
    ax.set_zlim(bottom, top)
    ax.set_zticks(places, labels)
    ax.zaxis.labelpad = 6
    ax.set_box_aspect(None, zoom=0.76)  # leaves room for the labels


def _draw_path(ax: Axes, path: Tensor) -> None:
    require_floating("path", path)
    if path.dim() != 2 or path.shape[1] != 2:
        raise ValueError(
            f"path: expected shape (T, 2), got {tuple(path.shape)}; "
            "autodiff_guide.landscape.project makes one of recorded parameters"
        )
    x, y = _numbers(path).T
    ax.plot(x, y, ".-", color=VERMILION, linewidth=1.5, label="training")
    ax.plot(x[-1], y[-1], "o", color=VERMILION, label="its end")


def _numbers(values: Tensor) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = values.detach().double().cpu().numpy()
    return numbers


def _require_dimensions(result: Landscape, dimensions: int) -> None:
    if result.values.dim() != dimensions:
        raise ValueError(
            f"result: expected a slice along {dimensions} direction(s), got one along "
            f"{result.values.dim()}; slice_line draws lines, the other views planes"
        )
