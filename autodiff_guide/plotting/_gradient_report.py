"""A gradient check, drawn: what you have against what differences say."""

from __future__ import annotations

import math

import torch
from matplotlib.axes import Axes

from autodiff_guide.gradcheck import GradientReport
from autodiff_guide.plotting._style import BLUE, VERMILION, numbers, own_axes


def gradient_report(report: GradientReport, *, ax: Axes | None = None) -> Axes:
    """Draw your gradient against the numeric one, with its error bars.

    A right gradient lies on the diagonal. Of one that failed, the element that is off
    by most of its error bars has a cross, if the report names it.

    Parameters
    ----------
    report : GradientReport
        What `check_gradient` returned.
    ax : Axes, optional
        Where to draw; a new figure if it is not given.

    Returns
    -------
    Axes
        Titled with the verdict; one point for each comparison.

    Raises
    ------
    ValueError
        If the report holds no comparison, because the check ended before.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.gradcheck import check_gradient
    >>> x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    >>> gradient_report(check_gradient(torch.sin, x)).get_title()
    'pass: agree'
    """
    found = report.comparison
    if found is None:
        raise ValueError(
            f"report: expected one with a comparison, got {report.verdict!r} "
            f"({report.kind}); the check ended before it took differences"
        )
    ax = own_axes(ax)
    known = torch.isfinite(found.yours) & torch.isfinite(found.numeric)
    yours, numeric = numbers(found.yours[known]), numbers(found.numeric[known])
    if len(numeric):
        ends = [numeric.min(), numeric.max()]
        ax.plot(ends, ends, color="0.5", linewidth=1, zorder=1, label="equal")
    ax.errorbar(
        numeric,
        yours,
        xerr=numbers(found.bar[known].nan_to_num(0, 0, 0)),
        fmt="o",
        markersize=4,
        linewidth=1,
        color=BLUE,
        label="yours",
    )
    worst = report.worst
    if not report and worst is not None and math.isfinite(worst.yours):
        at = worst.numeric, worst.yours
        ax.plot(*at, "x", color=VERMILION, markersize=9, label="worst")
    what = "random direction" if found.what == "probe" else "element"
    ax.set_xlabel(f"by differences (one point per {what})")
    ax.set_ylabel("yours")
    ax.set_title(f"{report.verdict}: {report.kind}")
    ax.legend()
    return ax
