"""Matrices drawn as cells, each with its number in it."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from torch import Tensor

from autodiff_guide.plotting._style import COLOUR_MAP, own_axes

_GAP = 0.5


def _draw_cells(
    ax: Axes, matrix: Tensor, corner: tuple[float, float], norm: Normalize
) -> None:
    """Draw `matrix` with its upper left corner at `corner`, rows downwards."""
    left, top = corner
    rows, columns = matrix.shape
    numbers = matrix.numpy()
    ax.pcolormesh(
        left + np.arange(columns + 1),
        top + np.arange(rows + 1),
        numbers,
        norm=norm,
        cmap=COLOUR_MAP,
    )
    colour_map = mpl.colormaps[COLOUR_MAP]
    for row in range(rows):
        for column in range(columns):
            value = float(numbers[row, column])
            red, green, blue, _ = colour_map(float(norm(value)))
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


def vector_jacobian_product(
    vector: Tensor, jacobian: Tensor, *, ax: Axes | None = None
) -> Axes:
    """Draw a vector–Jacobian product: weights left, Jacobian right, sums below.

    Each row of the Jacobian belongs to one output and is multiplied by the weight
    on its left; the cell below a column is the sum of that column.

    Parameters
    ----------
    vector : Tensor
        The weights, one for each output, of any shape.
    jacobian : Tensor
        The derivatives, of shape ``(*vector.shape, *input)``, as
        :func:`torch.func.jacrev` gives them. Outputs and inputs are numbered in
        the order of their memory.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If the first dimensions of `jacobian` are not the shape of `vector`.

    Examples
    --------
    >>> import torch
    >>> ax = vector_jacobian_product(torch.ones(2), torch.eye(2))
    >>> [text.get_text() for text in ax.texts[-2:]]
    ['1', '1']
    """
    outputs = tuple(vector.shape)
    if tuple(jacobian.shape[: len(outputs)]) != outputs:
        raise ValueError(
            f"jacobian: expected shape (*{outputs}, *input), got "
            f"{tuple(jacobian.shape)}; one row for each entry of vector"
        )
    weights = vector.detach().double().cpu().reshape(-1, 1)
    matrix = jacobian.detach().double().cpu().reshape(len(weights), -1)
    product = weights.T @ matrix
    numbers = torch.cat([block.flatten() for block in (weights, matrix, product)])
    norm = Normalize(numbers.min().item(), numbers.max().item())

    ax = own_axes(ax)
    rows, columns = matrix.shape
    left, below = 1 + _GAP, rows + _GAP
    _draw_cells(ax, weights, (0, 0), norm)
    _draw_cells(ax, matrix, (left, 0), norm)
    _draw_cells(ax, product, (left, below), norm)

    ax.set_xlim(0, left + columns)
    ax.set_ylim(below + 1, 0)
    ax.set_aspect("equal")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
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
