"""A gradient check, drawn: what you have against what differences say, and where."""

from __future__ import annotations

import math

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from torch import Tensor

from autodiff_guide.gradcheck import GradientReport
from autodiff_guide.plotting._style import BLUE, COLOUR_MAP, VERMILION, own_axes


def gradient_report(report: GradientReport, *, ax: Axes | None = None) -> Axes:
    """Draw your gradient against the numeric one, with its error bars.

    A right gradient lies on the diagonal. What lies off it by more than its bar is
    drawn as crosses, in another colour.

    Parameters
    ----------
    report : GradientReport
        What `check_gradient` returned.
    ax : Axes, optional
        Where to draw; a new figure if it is not given.

    Returns
    -------
    Axes
        With a line per group of points: ``"within its bar"``, ``"off"``.

    Raises
    ------
    ValueError
        If the report holds no comparison, because the check ended before.
    """
    comparison = report.comparison
    if comparison is None:
        raise ValueError(
            f"report: expected one with a comparison, got {report.verdict!r} "
            f"({report.kind}); the check ended before it took differences"
        )
    ax = own_axes(ax)
    yours, numeric, bar = comparison.yours, comparison.numeric, comparison.bar
    known = torch.isfinite(yours) & torch.isfinite(numeric)
    slack = bar.nan_to_num(0, 0, 0) + 1e-7 * numeric.abs()
    off = known & ((yours - numeric).abs() > 5 * slack)
    if bool(known.any()):
        ends = [float(numeric[known].min()), float(numeric[known].max())]
        ax.plot(ends, ends, color="0.5", linewidth=1, zorder=1, label="equal")
    for group, colour, marker, label in (
        (known & ~off, BLUE, "o", "within its bar"),
        (off, VERMILION, "x", "off"),
    ):
        count = int(group.sum())
        if count:
            ax.errorbar(
                numeric[group].numpy(),
                yours[group].numpy(),
                xerr=bar[group].nan_to_num(0, 0, 0).numpy(),
                fmt=marker,
                markersize=4,
                color=colour,
                linewidth=1,
                label=f"{label}: {count}",
            )
    what = "random direction" if comparison.what == "probe" else "element"
    ax.set_xlabel(f"by differences (one point per {what})")
    ax.set_ylabel("yours")
    ax.set_title(f"{report.verdict}: {report.kind}")
    if bool(known.any()):
        ax.legend()
    return ax


def gradient_errors(
    report: GradientReport, *, name: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw where in an input your gradient is off, in units of its error bar.

    Parameters
    ----------
    report : GradientReport
        A report that compared elements: it failed, or was made with ``full=True``.
    name : str, optional
        Which input, by its name in the report; the first by default.
    ax : Axes, optional
        Where to draw; a new figure if it is not given.

    Returns
    -------
    Axes
        With one image. A vector is drawn as one row, more dimensions as a matrix of the
        last one; elements that were not compared stay blank.

    Raises
    ------
    ValueError
        If the report compared no elements, or has no input `name`.
    """
    where = report.comparison.where if report.comparison is not None else {}
    if not where:
        raise ValueError(
            "report: expected one that compared elements, got one of probes only; try "
            "check_gradient(..., full=True)"
        )
    if name is None:
        name = next(iter(where))
    if name not in where:
        raise ValueError(f"name: expected one of {list(where)}, got {name!r}")
    ax = own_axes(ax)
    image = ax.imshow(
        _as_matrix(where[name]).clamp(0.1, 1e6).numpy(),
        norm=LogNorm(0.1, 1e6),
        cmap=COLOUR_MAP,
        aspect="auto",
        interpolation="nearest",
    )
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(image, ax=ax, label="error / error bar")
    shape = tuple(where[name].shape)
    ax.set_xlabel("index along the last dimension")
    ax.set_ylabel("index along the others" if len(shape) > 1 else "")
    ax.set_title(f"{name}, shape {shape}")
    return ax


def _as_matrix(x: Tensor) -> Tensor:
    """Return x as a matrix: its last dimension along the columns."""
    if x.dim() == 0:
        return x.reshape(1, 1)
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
