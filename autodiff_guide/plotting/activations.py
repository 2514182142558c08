"""Activations drawn: value, slope, saturation, kinks and jumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from autodiff_guide.activations import CATALOGUE, Activation
from autodiff_guide.plotting._style import BLUE, GREEN, VERMILION, own_axes

REACH = 5.0
SATURATED_BELOW = 1e-2
GRID_COLUMNS = 3


def activation(
    entry: Activation | Callable[[Tensor], Tensor],
    *,
    derivative: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw an activation with its slope, its kinks, and where it is saturated.

    The slope is autograd's. Where its size is below 1e-2 the background is shaded. Of
    an entry of the catalogue the slope by hand lies as a thin line inside it, and a
    ring marks each kink, a dot the slope that torch returns there.

    Parameters
    ----------
    entry : Activation, callable or nn.Module
        An entry of the catalogue, or any element-wise function of a tensor.
    derivative : bool
        Whether to draw the slope.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    TypeError
        If the function does not return a tensor.
    ValueError
        If it changes the shape, or mixes the entries of a vector.

    Examples
    --------
    >>> from autodiff_guide.activations import CATALOGUE
    >>> [line.get_label() for line in activation(CATALOGUE["sigmoid"]).lines]
    ['Sigmoid', 'slope by autograd', 'slope by hand']
    """
    known = entry if isinstance(entry, Activation) else None
    name = known.title if known else _name_of(entry)
    if known and known.vector:
        raise ValueError(
            f"entry: expected an element-wise activation, got {name}, which mixes the "
            "entries of a vector; look at its Jacobian, entry.derivative(x)"
        )
    kinks = known.kinks if known else {}
    x = _abscissae(kinks)
    value, slope = _value_and_slope(entry, x)
    ax = own_axes(ax)
    ax.plot(x, _broken(value, x, known.jumps if known else ()), BLUE, label=name)
    if derivative and slope is not None:
        (wide,) = ax.plot(x, _broken(slope, x, kinks), VERMILION, linewidth=4)
        wide.set(alpha=0.5, label="slope by autograd")
        if known:
            by_hand = _broken(known.derivative(x), x, kinks)
            ax.plot(x, by_hand, GREEN, linewidth=1.2, label="slope by hand")
        _shade(ax, x, slope)
    if kinks:
        at = torch.isin(x, torch.tensor(list(kinks), dtype=x.dtype))
        ax.plot(x[at], value[at], "o", color=BLUE, fillstyle="none", label="kink")
        if derivative:
            there = list(kinks), list(kinks.values())
            ax.plot(*there, ".", color=VERMILION, label="slope there")
    ax.set_xlabel("x")
    ax.set_ylabel("value and slope" if derivative else "value")
    return ax


def activation_grid() -> Figure:
    """Draw every element-wise activation of the catalogue on one page.

    Returns
    -------
    Figure
        One axes an entry, each drawn by :func:`activation`.

    Examples
    --------
    >>> [ax.get_title() for ax in activation_grid().axes[:3]]
    ['step', 'identity', 'Sigmoid']
    """
    entries = [entry for entry in CATALOGUE.values() if not entry.vector]
    rows = math.ceil(len(entries) / GRID_COLUMNS)
    figure, axes = plt.subplots(
        rows, GRID_COLUMNS, figsize=(7.2, 1.7 * rows), layout="constrained"
    )
    for ax, entry in zip(axes.flat, entries, strict=False):
        activation(entry, ax=ax)
        ax.set_title(entry.title)
        ax.set_xlabel("")
        ax.set_ylabel("")
    for ax in axes.flat[len(entries) :]:
        ax.remove()
    kinked = axes.flat[[entry.name for entry in entries].index("relu")]
    handles, labels = kinked.get_legend_handles_labels()
    figure.legend(
        handles, ["value", *labels[1:]], loc="outside upper center", ncols=GRID_COLUMNS
    )
    figure.supxlabel("x")
    figure.supylabel("value and derivative")
    return figure


def _name_of(function: object) -> str:
    if isinstance(function, nn.Module):
        return type(function).__name__
    name = getattr(function, "__name__", type(function).__name__)
    return "function" if name == "<lambda>" else name


def _abscissae(kinks: Iterable[float]) -> Tensor:
    """Return points over the reach and beyond the kinks, and the kinks themselves."""
    at = torch.tensor([*kinks], dtype=torch.float64)
    reach = max([REACH, *(abs(kink) + 1 for kink in kinks)])
    return torch.cat([torch.linspace(-reach, reach, 1000).double(), at]).sort().values


def _value_and_slope(
    function: Callable[[Tensor], Tensor], x: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return value and slope on the CPU; no slope where autograd records none."""
    own = next(function.parameters(), x) if isinstance(function, nn.Module) else x
    at = x.to(own.device, own.dtype, copy=True).requires_grad_()
    devices = [at.device] if at.is_cuda else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        value = function(at)
        if not isinstance(value, Tensor):
            raise TypeError(
                f"entry: expected a function that returns a torch.Tensor, got "
                f"{type(value).__name__}; pick the tensor, lambda x: entry(x)[0]"
            )
        if value.shape != at.shape:
            raise ValueError(
                f"entry: expected an element-wise function, got shape "
                f"{tuple(value.shape)} from {tuple(at.shape)}; an activation keeps the "
                "shape of its input"
            )
        slope = None
        if value.requires_grad:
            (slope,) = torch.autograd.grad(value.sum(), at)
            slope = slope.double().cpu()
    return value.detach().double().cpu(), slope


def _broken(values: Tensor, x: Tensor, at: Iterable[float]) -> Tensor:
    """Return `values` with a gap at the points `at`, so that no line crosses them."""
    gaps = torch.isin(x, torch.tensor([*at], dtype=x.dtype))
    return values.masked_fill(gaps, float("nan"))


def _shade(ax: Axes, x: Tensor, slope: Tensor) -> None:
    ax.fill_between(
        x,
        0,
        1,
        where=(slope.abs() < SATURATED_BELOW).numpy(),
        transform=ax.get_xaxis_transform(),
        color=BLUE,
        alpha=0.25,
        linewidth=0,
        label=f"saturated: |slope| < {SATURATED_BELOW}",
    )
