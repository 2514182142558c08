"""Views of derivatives: tangents, gradients and the error of finite differences."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from torch import Tensor

from autodiff_guide.derivatives import OneSided, grad, value_and_grad
from autodiff_guide.plotting._style import BLUE, COLOUR_MAP, VERMILION, own_axes

SAMPLES = 201


def tangent_line(
    fn: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    reach: float = 2.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw `fn` around a point and the straight line that touches it there.

    Parameters
    ----------
    fn : callable
        Maps a tensor of shape ``()`` to one of shape ``()``.
    x : Tensor
        The point, of shape ``()``.
    reach : float
        How far to draw on either side.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With the curve, the tangent and the point, whose label tells the slope.

    Examples
    --------
    >>> import torch
    >>> ax = tangent_line(torch.square, torch.tensor(3.0))
    >>> ax.get_legend_handles_labels()[1]
    ['f', 'tangent, slope 6']
    """
    ax = own_axes(ax)
    value, slope = (float(t) for t in value_and_grad(fn)(x))
    xs = _around(x, -reach, reach)
    ax.plot(xs.tolist(), torch.vmap(fn)(xs).tolist(), color=BLUE, label="f")
    ends = [-reach, reach]
    ax.plot(
        [float(x) + h for h in ends],
        [value + slope * h for h in ends],
        color=VERMILION,
        label=f"tangent, slope {slope:.4g}",
    )
    ax.plot(float(x), value, "o", color=VERMILION)
    ax.set(xlabel="x", ylabel="f(x)")
    return ax


def half_tangents(
    fn: Callable[[Tensor], Tensor],
    x: Tensor,
    sides: OneSided,
    *,
    reach: float = 2.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw `fn` around a point and its slopes from the left and from the right.

    Parameters
    ----------
    fn : callable
        Maps a tensor of shape ``()`` to one of shape ``()``.
    x : Tensor
        The point, of shape ``()``.
    sides : OneSided
        What `autodiff_guide.derivatives.one_sided_derivatives` found there.
    reach : float
        How far to draw on either side.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With the curve and two half lines, titled "kink" or "slope".
    """
    ax = own_axes(ax)
    at, value = float(x), float(fn(x))
    xs = _around(x, -reach, reach)
    ax.plot(xs.tolist(), torch.vmap(fn)(xs).tolist(), color=BLUE, label="f")
    for name, side, end, line in (
        ("left", sides.left, -reach, "--"),
        ("right", sides.right, reach, "-."),
    ):
        slope = float(side.value)
        ax.plot(
            [at, at + end],
            [value, value + slope * end],
            line,
            color=VERMILION,
            label=f"{name} slope {slope:.4g}",
        )
    ax.plot(at, value, "o", color=VERMILION)
    ax.set(xlabel="x", ylabel="f(x)", title="kink" if sides.kink else "slope")
    return ax


def error_curve(
    steps: Tensor,
    errors: Tensor,
    *,
    label: str | None = None,
    colour: str = BLUE,
    ax: Axes | None = None,
) -> Axes:
    """Draw the error of a finite difference against its step, on logarithmic axes.

    Parameters
    ----------
    steps : Tensor
        Steps of shape ``(n,)``.
    errors : Tensor
        Error at each step, of shape ``(n,)``; a zero has no place on these axes.
    label : str, optional
        Name for the legend.
    colour : str
        Colour of the dots.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With one dot a step.
    """
    ax = own_axes(ax)
    ax.loglog(steps.tolist(), errors.tolist(), ".", color=colour, label=label)
    ax.set(xlabel="step h", ylabel="error of the derivative")
    return ax


def gradient_field(
    fn: Callable[[Tensor], Tensor],
    points: Tensor,
    *,
    x_range: tuple[float, float] = (-2.0, 2.0),
    y_range: tuple[float, float] = (-2.0, 2.0),
    ax: Axes | None = None,
) -> Axes:
    """Draw level lines of a function of two variables and its gradient at some points.

    Parameters
    ----------
    fn : callable
        Maps a tensor of shape ``(2,)`` to one of shape ``()``.
    points : Tensor
        Where to draw a gradient, of shape ``(n, 2)``.
    x_range, y_range : pair of float
        What to draw.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With equal units on both axes; all arrows share one scale.
    """
    ax = own_axes(ax)
    x, y = (
        torch.linspace(low, high, SAMPLES, dtype=points.dtype, device=points.device)
        for low, high in (x_range, y_range)
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    heights = torch.vmap(torch.vmap(fn))(grid).cpu()
    ax.contour(x.cpu(), y.cpu(), heights, levels=12, cmap=COLOUR_MAP)
    arrows = torch.vmap(grad(fn))(points)
    ax.quiver(
        *points.T.cpu(), *arrows.T.cpu(), color=VERMILION, angles="xy", width=0.008
    )
    ax.set(xlabel="x", ylabel="y", aspect="equal")
    return ax


def _around(x: Tensor, left: float, right: float) -> Tensor:
    steps = torch.linspace(left, right, SAMPLES, dtype=x.dtype, device=x.device)
    return x + steps
