"""Shapes and memory drawn: how operands broadcast, which cells a view reads."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from autodiff_guide.plotting._style import BLUE, COLOURS, own_axes
from autodiff_guide.tensors import Broadcast

GAP = 1.5
SIDE = 0.9
LONGEST_SIDE = 8
LONGEST_STORAGE = 32


def broadcast(result: Broadcast, *, ax: Axes | None = None) -> Axes:
    """Draw each operand, stretched to the common shape, and the result.

    Filled cells exist in memory; dashed ones are read again from a filled cell. The
    number in a cell is the position of the entry it reads. Where two operands meet,
    a cell of the result shows the pair of entries that arrive there.

    Parameters
    ----------
    result : Broadcast
        Of rank 3 at most and 8 entries along an axis; layers of the first axis stand
        below one another.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If the result is too large to draw, or empty.

    Examples
    --------
    >>> from autodiff_guide.tensors import explain_broadcast
    >>> len(broadcast(explain_broadcast((2, 1), (3,))).patches)
    18
    """
    if len(result.shape) > 3 or not all(1 <= n <= LONGEST_SIDE for n in result.shape):
        raise ValueError(
            "result: expected rank 3 at most and sizes from 1 to "
            f"{LONGEST_SIDE}, got {result.shape}; draw a smaller case of the same rule"
        )
    ax = own_axes(ax)
    cells = _padded(result.shape)
    entries = [
        torch.arange(prod(shape)).reshape(shape).expand(result.shape).reshape(cells)
        for shape in result.shapes
    ]
    left = 0.0
    for number, (shape, positions) in enumerate(
        zip(result.shapes, entries, strict=True)
    ):
        colour = COLOURS[number % len(COLOURS)]
        own = _padded(shape)
        for cell in product(*map(range, cells)):
            exists = all(at < size for at, size in zip(cell, own, strict=True))
            text = str(int(positions[cell]))
            _draw_cell(ax, left, cell, cells, text, colour, filled=exists)
        _name_block(ax, left, cells, f"operand {number + 1}\n{shape}")
        left += cells[2] + GAP
    for cell in product(*map(range, cells)):
        pair = [str(int(positions[cell])) for positions in entries]
        text = ",".join(pair) if len(pair) == 2 else ""
        _draw_cell(ax, left, cell, cells, text, "none", filled=True)
    _name_block(ax, left, cells, f"result\n{result.shape}")
    ax.set_xlim(-GAP / 2, left + cells[2] + GAP / 2)
    ax.set_ylim(cells[0] * (cells[1] + 0.5), -1.5)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _padded(shape: tuple[int, ...]) -> tuple[int, int, int]:
    layers, rows, columns = (1,) * (3 - len(shape)) + shape
    return layers, rows, columns


def _draw_cell(
    ax: Axes,
    left: float,
    cell: tuple[int, ...],
    cells: tuple[int, int, int],
    text: str,
    colour: str,
    *,
    filled: bool,
) -> None:
    layer, row, column = cell
    x, y = left + column, layer * (cells[1] + 0.5) + row
    _draw_square(ax, x, y, text, colour, filled=filled)


def _draw_square(
    ax: Axes, x: float, y: float, text: str, colour: str, *, filled: bool
) -> None:
    """Draw one cell: filled with `colour`, or dashed; "none" leaves it to the ink."""
    inked = filled and colour != "none"
    ax.add_patch(
        Rectangle(
            (x + (1 - SIDE) / 2, y + (1 - SIDE) / 2),
            SIDE,
            SIDE,
            facecolor=colour if inked else "none",
            edgecolor=ax.xaxis.label.get_color() if colour == "none" else colour,
            linestyle="-" if filled else ":",
        )
    )
    ink = ("white" if colour == BLUE else "black") if inked else None
    ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink)


def _name_block(ax: Axes, left: float, cells: tuple[int, int, int], text: str) -> None:
    ax.text(left + cells[2] / 2, -0.2, text, ha="center", va="bottom")


def storage(tensors: Mapping[str, Tensor], *, ax: Axes | None = None) -> Axes:
    """Draw which cells of one storage each of several views reads, and in what order.

    The first row is the storage with its values. Every other row is one tensor: a
    filled cell is one it reads, and the number in it is the position of that entry
    in the tensor, counted row by row.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Names, and tensors of one dtype that share one storage of 32 entries at most.
    ax : Axes or None
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If there is no tensor, or they do not share a storage or a dtype, or the
        storage is too large to draw.

    Examples
    --------
    >>> t = torch.arange(6).reshape(2, 3)
    >>> [name.get_text() for name in storage({"t": t, "t.T": t.T}).get_yticklabels()]
    ['storage', 't', 't.T']
    """
    views = {name: t.detach() for name, t in tensors.items()}
    memory = {(t.untyped_storage().data_ptr(), t.dtype) for t in views.values()}
    if len(memory) != 1:
        raise ValueError(
            "tensors: expected views of one storage with one dtype, got "
            f"{len(memory)} different ones; draw each storage by itself"
        )
    first = next(iter(views.values()))
    size = first.untyped_storage().nbytes() // first.element_size()
    if size > LONGEST_STORAGE:
        raise ValueError(
            f"tensors: expected a storage of {LONGEST_STORAGE} entries at most, got "
            f"{size}; draw a smaller case"
        )
    ax = own_axes(ax)
    positions = torch.arange(size)
    for at, value in enumerate(first.as_strided((size,), (1,), 0).tolist()):
        _draw_square(ax, at - 0.5, -0.5, f"{value:.3g}", "none", filled=True)
    for row, t in enumerate(views.values()):
        colour = COLOURS[row % len(COLOURS)]
        read = positions.as_strided(t.shape, t.stride(), t.storage_offset()).flatten()
        for at in range(size):
            readers = (read == at).nonzero().flatten().tolist()
            if readers:
                text = ",".join(map(str, readers))
                _draw_square(ax, at - 0.5, row + 0.5, text, colour, filled=True)
    ax.set_xlim(-0.6, size - 0.4)
    ax.set_ylim(len(views) + 0.6, -0.6)
    ax.set_aspect("equal")
    ax.set_xticks(range(size))
    ax.set_yticks(range(len(views) + 1), ["storage", *views])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("position in storage")
    return ax
