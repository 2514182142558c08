"""Losses drawn with their gradients, and the softmax's Jacobian."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from autodiff_guide.losses import Loss
from autodiff_guide.losses import softmax_jacobian as jacobian_by_hand
from autodiff_guide.plotting._style import BLUE, VERMILION, own_axes
from autodiff_guide.plotting.cells import _draw_cells

_POINTS = 201


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
    >>> loss_curve(CATALOGUE["huber"]).get_xlabel()
    'output − target'
    """
    ax = own_axes(ax)
    line = loss.line
    t = torch.linspace(line.start, line.stop, _POINTS, dtype=torch.float64)
    operands = line.operands(t)
    values = loss(*operands, reduction="none")
    ax.plot(t.numpy(), values.numpy(), color=BLUE, label="loss")
    ax.plot(t.numpy(), _slopes(loss, t).numpy(), "--", color=VERMILION, label="slope")
    ax.set_title(loss.name)
    ax.set_xlabel(line.label)
    ax.set_ylabel("loss, slope")
    return ax


def _slopes(loss: Loss, t: Tensor) -> Tensor:
    """Gradient by hand times the direction of the line, at each position."""
    operands = loss.line.operands(t)
    gradients = loss.gradient(*operands, reduction="none")
    if isinstance(gradients, Tensor):
        gradients = (gradients,)
    steps = (
        ahead - here
        for ahead, here in zip(loss.line.operands(t + 1), operands, strict=True)
    )
    products = (
        (gradient * step).reshape(len(t), -1).sum(1)
        for gradient, step in zip(gradients, steps, strict=False)
    )
    return torch.stack(list(products)).sum(0)


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
    >>> figure = loss_grid([CATALOGUE["mse"], CATALOGUE["mae"]])
    >>> [ax.get_title() for ax in figure.axes]
    ['mse', 'mae']
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
    >>> softmax_jacobian(torch.tensor([3.0, 1.0, -3.0])).get_xlabel()
    'by this logit'
    """
    ax = own_axes(ax)
    jacobian = jacobian_by_hand(logits).detach().double().cpu()
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
