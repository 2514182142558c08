"""Descents in motion over the contours of what they descend."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.artist import Artist

from autodiff_guide.descent import Trajectory
from autodiff_guide.plotting._descent import path_line, plane_paths
from autodiff_guide.plotting._style import COLORS
from autodiff_guide.plotting._surfaces import (
    Domain,
    Function,
    draw_contour,
    heights_of,
)


def animation(
    results: Trajectory | Sequence[Trajectory],
    *,
    fn: Function,
    domain: Domain | None = None,
    frames: int = 24,
) -> FuncAnimation:
    """Animate one or several descents over the contours of what they descend.

    The first frame, at which a player opens, shows every path whole; the others are
    spread evenly over the longest descent. The figure is small, so that a page stays
    light.

    Parameters
    ----------
    results : Trajectory or sequence of Trajectory
        Of points in the plane; each has a color and its rule as label.
    fn : Objective or callable
        What was descended: maps points ``(*, 2)`` to values ``(*)``.
    domain : sequence of tuple of float, optional
        Lowest and highest x, then y; an objective knows its own.
    frames : int
        From 3 to 60.

    Returns
    -------
    FuncAnimation
        For ``to_jshtml()``; its figure is the static picture of the whole paths.

    Raises
    ------
    ValueError
        If the points are not in the plane, or `frames` is out of range.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> booth, start = CATALOGUE["booth"], torch.tensor([-5.0, 5.0])
    >>> path = minimize(booth, start, GradientDescent(0.05), steps=20)
    >>> len(animation(path, fn=booth, frames=5).to_jshtml()) < 650_000
    True
    """
    if not 3 <= frames <= 60:
        raise ValueError(
            f"frames: expected 3 to 60, got {frames}; more would make a heavy page"
        )
    several = [results] if isinstance(results, Trajectory) else list(results)
    paths = [plane_paths(result) for result in several]
    longest = max(len(path) for path in paths)
    figure, ax = plt.subplots(figsize=(4.4, 3.2), dpi=72, layout="constrained")
    draw_contour(ax, heights_of(fn, domain)[1], ranges=8)
    ax.set(xlabel="x", ylabel="y")
    lines = [
        [
            path_line(ax, path[:, i], COLORS[k % len(COLORS)], label=rule)
            for i, rule in enumerate([several[k].rule] + [None] * (path.shape[1] - 1))
        ]
        for k, path in enumerate(paths)
    ]
    figure.legend(loc="outside upper center", fontsize=9)
    last = longest - 1
    ends = np.unique(np.linspace(0, last, frames - 1).round().astype(int))

    def draw(end: int) -> list[Artist]:
        for path, group in zip(paths, lines, strict=True):
            for i, line in enumerate(group):
                line.set_data(*path[: end + 1, i].T)
        return [line for group in lines for line in group]

    return FuncAnimation(
        figure, draw, frames=[last, *ends.tolist()], init_func=lambda: draw(last)
    )
