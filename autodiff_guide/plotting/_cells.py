"""Matrices drawn as cells, each with its number in it."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from torch import Tensor

from autodiff_guide.plotting._style import COLOR_MAP, own_axes

_GAP = 0.5


def matrix(
    values: Tensor,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix as cells with their numbers; 0 has the color in the middle.

    Parameters
    ----------
    values : Tensor
        Of shape ``(m, n)``.
    rows, columns : sequence of str
        Their m and n names.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
        With row 0 at the top.

    Raises
    ------
    ValueError
        If there are not as many names as rows and columns.

    Examples
    --------
    >>> ax = matrix(torch.eye(2), rows=["a", "b"], columns=["x", "y"])
    >>> [text.get_text() for text in ax.texts]
    ['1', '0', '0', '1']
    """
    if tuple(values.shape) != (len(rows), len(columns)):
        raise ValueError(
            f"values: expected shape {(len(rows), len(columns))}, as there are names, "
            f"got {tuple(values.shape)}"
        )
    ax = own_axes(ax)
    shown = values.detach().double().cpu()
    bound = float(shown.abs().max())
    _draw_cells(ax, shown, (0, 0), Normalize(-bound, bound))
    _bare(ax, (len(columns), len(rows)))
    ax.set_xticks(0.5 + np.arange(len(columns)), columns)
    ax.set_yticks(0.5 + np.arange(len(rows)), rows)
    return ax


def vector_jacobian_product(
    vector: Tensor, jacobian: Tensor, product: Tensor, *, ax: Axes | None = None
) -> Axes:
    """Draw a vector–Jacobian product: weights left, Jacobian right, sums below.

    Each row of the Jacobian belongs to one output and is multiplied by the weight
    on its left; the cell below a column is the sum of that column.

    Parameters
    ----------
    vector : Tensor
        The weights, one for each output, of any shape.
    jacobian : Tensor
        The derivatives, of shape ``(*vector.shape, *product.shape)``, as
        :func:`torch.func.jacrev` gives them. Outputs and inputs are numbered in
        the order of their memory.
    product : Tensor
        The vector times the Jacobian, of the shape of the input: what ``backward``
        leaves there.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If `jacobian` is not of the shapes of `vector` and `product`.

    Examples
    --------
    >>> import torch
    >>> v, J = torch.ones(2), torch.eye(2)
    >>> ax = vector_jacobian_product(v, J, v @ J)
    >>> [text.get_text() for text in ax.texts[-2:]]
    ['1', '1']
    """
    expected = (*vector.shape, *product.shape)
    if tuple(jacobian.shape) != expected:
        raise ValueError(
            f"jacobian: expected shape {expected}, as the outputs and then the inputs, "
            f"got {tuple(jacobian.shape)}"
        )
    rows, columns = vector.numel(), product.numel()
    left, below = 1 + _GAP, rows + _GAP
    blocks = (
        (vector, (rows, 1), (0.0, 0.0)),
        (jacobian, (rows, columns), (left, 0.0)),
        (product, (1, columns), (left, below)),
    )
    every = torch.cat([block.detach().double().cpu().flatten() for block, *_ in blocks])
    norm = Normalize(float(every.min()), float(every.max()))
    ax = own_axes(ax)
    for block, shape, corner in blocks:
        _draw_cells(ax, block.detach().double().cpu().reshape(shape), corner, norm)
    _bare(ax, (left + columns, below + 1))
    ax.xaxis.tick_top()
    ax.set_xticks(
        [0.5, *(left + 0.5 + np.arange(columns))],
        ["$v$", *(rf"$\partial x_{{{column}}}$" for column in range(columns))],
    )
    ax.set_yticks(
        [*(0.5 + np.arange(rows)), below + 0.5],
        [*(rf"$\partial y_{{{row}}}$" for row in range(rows)), "$v^T J$"],
    )
    return ax


def _draw_cells(
    ax: Axes, values: Tensor, corner: tuple[float, float], norm: Normalize
) -> None:
    """Draw a matrix with its upper left corner at `corner`, rows downwards."""
    left, top = corner
    rows, columns = values.shape
    ax.pcolormesh(
        left + np.arange(columns + 1),
        top + np.arange(rows + 1),
        values.numpy(),
        norm=norm,
        cmap=COLOR_MAP,
    )
    for (row, column), value in np.ndenumerate(values.numpy()):
        red, green, blue, _ = mpl.colormaps[COLOR_MAP](float(norm(value)))
        bright = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        ax.text(
            left + column + 0.5,
            top + row + 0.5,
            f"{value + 0.0:.3g}",
            ha="center",
            va="center",
            fontsize=12,
            color="black" if bright else "white",
        )


def _bare(ax: Axes, corner: tuple[float, float]) -> None:
    """Leave cells alone on the axes, down to the lower right `corner`."""
    ax.set(xlim=(0, corner[0]), ylim=(corner[1], 0), aspect="equal")
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
