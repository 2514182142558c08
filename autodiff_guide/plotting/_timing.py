"""Times over sizes."""

from __future__ import annotations

from matplotlib.axes import Axes

from autodiff_guide.plotting._style import own_axes
from autodiff_guide.timing import Timing

_MARKERS = "osD^v"


def durations(result: Timing, *, ax: Axes | None = None) -> Axes:
    """Draw the median time of each contender over the sizes, with its quartiles.

    Drawn on the axes of another timing, it adds its contenders there.

    Parameters
    ----------
    result : Timing
        What ``compare`` measured, or ``Timing.load`` read.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
        Both axes are logarithmic; the legend says what was not run in this build.

    Examples
    --------
    >>> from autodiff_guide.timing import compare
    >>> result = compare({"idle": lambda n, device: int}, sizes=[1], min_run_time=0.001)
    >>> durations(result).get_ylabel()
    'seconds (median and quartiles)'
    """
    ax = own_axes(ax)
    note = "" if result.in_this_build else ", not run in this build"
    for row, name in enumerate(result.names):
        median = result.median[row]
        ax.errorbar(
            result.sizes,
            median.numpy(),
            [
                (median - result.lower[row]).numpy(),
                (result.upper[row] - median).numpy(),
            ],
            marker=_MARKERS[len(ax.containers) % len(_MARKERS)],
            capsize=3,
            label=name + note,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("size")
    ax.set_ylabel("seconds (median and quartiles)")
    ax.legend()
    return ax
