"""The two sides of a derivative, drawn: where they differ is a kink."""

from __future__ import annotations

from matplotlib.axes import Axes

from autodiff_guide.derivatives import OneSided
from autodiff_guide.plotting._style import VERMILION, own_axes


def half_tangents(
    sides: OneSided,
    at: tuple[float, float],
    *,
    reach: float = 2.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the slopes of a curve from the left and from the right of a point on it.

    Parameters
    ----------
    sides : OneSided
        What `autodiff_guide.derivatives.one_sided_derivatives` found there.
    at : tuple of float
        The point: x and the value there.
    reach : float
        How far to draw on either side.
    ax : Axes, optional
        Where to draw, for example where the curve is; a new figure by default.

    Returns
    -------
    Axes
        With two half lines and the point, titled "kink" or "slope".

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.derivatives import one_sided_derivatives
    >>> zero = torch.zeros((), dtype=torch.float64)
    >>> ax = half_tangents(one_sided_derivatives(torch.abs, zero), (0.0, 0.0))
    >>> ax.get_title(), [line.get_label() for line in ax.lines[:2]]
    ('kink', ['left slope -1', 'right slope 1'])
    """
    ax = own_axes(ax)
    x, value = at
    for name, side, step, line in (
        ("left", sides.left, -reach, "--"),
        ("right", sides.right, reach, "-."),
    ):
        slope = float(side.value)
        label = f"{name} slope {slope:.4g}"
        ends = [x, x + step], [value, value + slope * step]
        ax.plot(*ends, line, color=VERMILION, label=label)
    ax.plot(x, value, "o", color=VERMILION)
    ax.set(xlabel="x", ylabel="f(x)", title="kink" if sides.kink else "slope")
    return ax
