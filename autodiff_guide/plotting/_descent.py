"""Descents drawn: where they went, how low they came, and who reached what."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType
from torch import Tensor

from autodiff_guide.descent import Trajectory
from autodiff_guide.plotting._style import COLORS, numbers, own_axes
from autodiff_guide.plotting._surfaces import Domain, Function, contour

_DOTS = 100  # steps up to which each point of a path is marked


def trajectory(
    result: Trajectory,
    *,
    fn: Function | None = None,
    domain: Domain | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the path of one descent in the plane, or of each of many.

    Call it again with the same `ax` and no `fn` to lay another path over it.

    Parameters
    ----------
    result : Trajectory
        Of points in the plane.
    fn : Objective or callable, optional
        What was descended; its contours are drawn below the path.
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
        If the points are not in the plane.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> booth, start = CATALOGUE["booth"], torch.tensor([-5.0, 5.0])
    >>> path = minimize(booth, start, GradientDescent(0.05), steps=20)
    >>> trajectory(path, fn=booth).lines[0].get_xydata().shape
    (21, 2)
    """
    paths = plane_paths(result)
    ax = own_axes(ax)
    if fn is not None:
        contour(fn, domain=domain, ax=ax)
    color = COLORS[_labels(ax) % len(COLORS)]
    for i in range(paths.shape[1]):
        path_line(ax, paths[:, i], color, label=result.rule if i == 0 else None)
    if len(paths) <= _DOTS:
        ax.plot(*paths.reshape(-1, 2).T, ".", color=color, markersize=4)
    ax.plot(*paths[0].T, "o", color=color, markeredgecolor="white", markersize=7)
    ax.set(xlabel="x", ylabel="y")
    return ax


def values(result: Trajectory, *, minimum: float = 0.0, ax: Axes | None = None) -> Axes:
    """Draw how far the value is above the minimum, step by step, on a log scale.

    Parameters
    ----------
    result : Trajectory
        Of one start or of many; the label is its rule.
    minimum : float
        The value at the minimum, if it is not 0.
    ax : Axes or None
        Where to draw; a new figure if None. Draw several descents on one to compare.

    Returns
    -------
    Axes
        The axes drawn on.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> start = torch.tensor([1.0, 1.0])
    >>> found = minimize(lambda x: (x**2).sum(), start, GradientDescent(0.1), steps=9)
    >>> values(found).get_yscale()
    'log'
    """
    ax = own_axes(ax)
    color = COLORS[_labels(ax) % len(COLORS)]
    heights = numbers(result.values) - minimum
    heights = heights.reshape(len(heights), -1)
    finite = np.where(np.isfinite(heights), heights, np.nan)
    lines = ax.plot(finite, color=color, alpha=1 if finite.shape[1] == 1 else 0.4)
    lines[0].set_label(result.rule)
    ax.set_yscale("log", nonpositive="mask")
    above = "value" if minimum == 0 else f"value above {minimum:g}"
    ax.set(xlabel="step", ylabel=above)
    return ax


def basins(
    result: Trajectory,
    *,
    reached: Tensor,
    names: Sequence[str],
    ax: Axes | None = None,
) -> Axes:
    """Draw each start in the color of what its descent reached.

    A start is a cell as large as the starts are apart: those of a grid fill their
    rectangle.

    Parameters
    ----------
    result : Trajectory
        Of many starts in the plane.
    reached : Tensor
        For each start the index of the name of what it reached, or a negative number
        for none of them: integers of shape ``(B,)``.
    names : sequence of str
        What can be reached, for example the minimizers.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on; the legend says how many starts reached each.

    Raises
    ------
    ValueError
        If the points are not in the plane, or `reached` has not one entry a start.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> starts = torch.tensor([[4.0, 4.0], [-4.0, 4.0]])
    >>> found = minimize(lambda x: x.cos().sum(), starts, GradientDescent(0.1))
    >>> right = (found.points[-1, :, 0] > 0).long()
    >>> ax = basins(found, reached=right, names=["left", "right"])
    >>> ax.get_legend_handles_labels()[1]
    ['left: 1 start', 'right: 1 start']
    """
    starts = plane_paths(result)[0]
    if reached.shape != (len(starts),):
        raise ValueError(
            f"reached: expected one index for each start, shape ({len(starts)},), got "
            f"{tuple(reached.shape)}"
        )
    ax = own_axes(ax)
    cells, found = _cells(starts), reached.cpu().numpy()
    for i, name in enumerate(names):
        _fill(ax, cells[found == i], name, COLORS[i % len(COLORS)])
    if (found < 0).any():
        ink = ax.spines["left"].get_edgecolor()
        _fill(ax, cells[found < 0], "elsewhere", ink)
    ax.set(xlabel="x of the start", ylabel="y of the start")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    return ax


def plane_paths(result: Trajectory) -> np.ndarray:
    """Return the points as ``(T + 1, B, 2)``."""
    if result.points.shape[-1] != 2:
        raise ValueError(
            f"result: expected points in the plane, shape (T + 1, *B, 2), got "
            f"{tuple(result.points.shape)}; pick two components to draw"
        )
    return numbers(result.points).reshape(len(result.points), -1, 2)


def path_line(ax: Axes, path: np.ndarray, color: str, label: str | None) -> Line2D:
    """Draw one path, with a halo that keeps it apart from what is below."""
    finite = np.where(np.isfinite(path), path, np.nan)
    (line,) = ax.plot(*finite.T, color=color, linewidth=1.6, label=label)
    line.set_path_effects([effects.withStroke(linewidth=3, foreground="white")])
    return line


def _cells(starts: np.ndarray) -> np.ndarray:
    """Return the corners of a cell around each start: ``(B, 4, 2)``."""
    counts = np.array([len(np.unique(column)) for column in starts.T])
    if counts.prod() != len(starts):  # not a grid: as if they were a square one
        counts = np.full(2, len(starts) ** 0.5)
    sides = np.ptp(starts, axis=0) / np.maximum(counts - 1, 1)
    sides[sides == 0] = sides.max() or 1
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.asarray(starts[:, None] + corners * sides / 2)


def _fill(ax: Axes, cells: np.ndarray, name: str, color: ColorType) -> None:
    many = "start" if len(cells) == 1 else "starts"
    ax.add_collection(
        PolyCollection(
            list(cells),
            color=color,
            linewidth=1,  # else the page shows between two cells
            label=f"{name}: {len(cells)} {many}",
        )
    )


def _labels(ax: Axes) -> int:
    return len(ax.get_legend_handles_labels()[1])
