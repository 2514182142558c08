"""A loss drawn along its line, with the slope there."""

from __future__ import annotations

from matplotlib.axes import Axes

from autodiff_guide.losses import Loss
from autodiff_guide.plotting._style import BLUE, VERMILION, own_axes


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
