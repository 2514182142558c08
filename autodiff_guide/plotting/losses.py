"""Losses drawn with their gradients, and the softmax's Jacobian."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from autodiff_guide.activations import CATALOGUE as ACTIVATIONS
from autodiff_guide.losses import Loss
from autodiff_guide.plotting._style import BLUE, VERMILION, own_axes
from autodiff_guide.plotting.cells import _draw_cells


def loss_curve(loss: Loss, *, ax: Axes | None = None) -> Axes:
    """Draw a loss along its line, and the slope that the gradient by hand gives there.

    Parameters
    ----------
    loss : Loss
        An entry of ``losses.CATALOGUE``; its `line` says what moves.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> from autodiff_guide.losses import CATALOGUE
    >>> loss_curve(CATALOGUE["huber_loss"]).get_xlabel()
    'output − target'
    """
    ax = own_axes(ax)
    t, values, slopes = loss.curve()
    ax.plot(t, values, color=BLUE, label="loss")
    ax.plot(t, slopes, "--", color=VERMILION, label="slope")
    ax.set_title(loss.title)
    ax.set_xlabel(loss.line.label)
    ax.set_ylabel("loss, slope")
    return ax


def loss_grid(losses: Iterable[Loss], *, columns: int = 2) -> Figure:
    """Draw several losses, each with its slope, in one figure.

    Parameters
    ----------
    losses : iterable of Loss
        For example ``losses.CATALOGUE.values()``.
    columns : int
        Losses in a row.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from autodiff_guide.losses import CATALOGUE
    >>> figure = loss_grid([CATALOGUE["mse_loss"], CATALOGUE["l1_loss"]])
    >>> [ax.get_title() for ax in figure.axes]
    ['mean squared error', 'mean absolute error']
    """
    entries = list(losses)
    rows = -(-len(entries) // columns)
    figure = plt.figure(figsize=(3.2 * columns, 2.6 * rows), layout="constrained")
    for position, entry in enumerate(entries, start=1):
        loss_curve(entry, ax=figure.add_subplot(rows, columns, position))
    figure.axes[0].legend()
    return figure


def softmax_jacobian(logits: Tensor, *, ax: Axes | None = None) -> Axes:
    """Draw the Jacobian of the softmax at `logits` as cells with their numbers.

    Parameters
    ----------
    logits : Tensor
        Real numbers, shape ``(n,)``.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
        Row i belongs to probability i, column j to logit j.

    Examples
    --------
    >>> import torch
    >>> softmax_jacobian(torch.tensor([3.0, 1.0, -3.0])).get_xlabel()
    'by this logit'
    """
    ax = own_axes(ax)
    jacobian = ACTIVATIONS["softmax"].derivative(logits).detach().double().cpu()
    bound = float(jacobian.abs().max())
    _draw_cells(ax, jacobian, (0, 0), Normalize(-bound, bound))
    names = [f"{value:g}" for value in logits.tolist()]
    centres = [index + 0.5 for index in range(len(names))]
    ax.set_xticks(centres, [f"x = {name}" for name in names])
    ax.set_yticks(centres, [f"p of {name}" for name in names])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.invert_yaxis()
    ax.set_aspect("equal")
    ax.set_xlabel("by this logit")
    ax.set_ylabel("derivative of this probability")
    return ax
