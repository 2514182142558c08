"""The gradient's way back through a network, drawn layer by layer."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from autodiff_guide.flow import GradientFlow, Verdict
from autodiff_guide.plotting._style import own_axes

NAMED_LAYERS = 8


def gradient_flow(result: GradientFlow, *, ax: Axes | None = None) -> Axes:
    """Draw the gradient norm of each layer, first to last, on a logarithmic scale.

    A cross marks a layer whose verdict is not *fine*; the first of each kind is
    named. A norm of zero has no place on the scale: a triangle on the lower edge
    stands for it. Called again on the same axes, it adds the next network.

    Parameters
    ----------
    result : GradientFlow
        From :func:`autodiff_guide.flow.gradient_flow`.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on.

    Examples
    --------
    >>> import torch
    >>> from torch.nn import functional
    >>> from autodiff_guide import flow
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    >>> x = torch.ones(3, 2)
    >>> ax = gradient_flow(flow.gradient_flow(net, functional.mse_loss, (x, x[:, :1])))
    >>> ax.get_ylabel(), ax.get_yscale()
    ('gradient norm', 'log')
    """
    ax = own_axes(ax)
    norms = [layer.gradient or math.nan for layer in result.layers]
    places = range(1, len(norms) + 1)
    (line,) = ax.plot(places, norms, marker=".")
    color = line.get_color()
    edge = ax.get_xaxis_transform()
    named = {Verdict.FINE}
    for place, layer in zip(places, result.layers, strict=True):
        ill, zero = layer.verdict is not Verdict.FINE, layer.gradient == 0
        at = (place, 0.03 if zero else layer.gradient)
        if zero:
            ax.plot(*at, "v", color=color, transform=edge, clip_on=False)
        elif ill:
            ax.plot(*at, "x", color=color)
        if layer.verdict not in named:
            named.add(layer.verdict)
            rising = place < len(norms) and norms[place] > layer.gradient
            ax.annotate(
                layer.verdict.word,
                at,
                xycoords=edge if zero else ax.transData,
                xytext=(8, -4) if zero else (6, -12 if rising else 6),
                textcoords="offset points",
                color=color,
            )
    ax.set_yscale("log")
    ax.margins(y=0.18)  # leaves room for the words
    if len(norms) <= NAMED_LAYERS:
        ax.set_xticks(places, [layer.name for layer in result.layers])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("layer, first to last")
    ax.set_ylabel("gradient norm")
    return ax
