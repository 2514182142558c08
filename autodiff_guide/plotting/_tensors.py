"""Shapes and memory drawn: how operands broadcast, which cells a view reads."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from autodiff_guide.plotting._style import BLUE, COLORS, own_axes
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
    positions = [
        torch.arange(prod(shape)).reshape(shape).expand(result.shape).reshape(cells)
        for shape in result.shapes
    ]
    blocks = [
        (f"operand {i}", shape, COLORS[(i - 1) % len(COLORS)], [entry])
        for i, (shape, entry) in enumerate(
            zip(result.shapes, positions, strict=True), 1
        )
    ]
    pair = positions if len(positions) == 2 else []
    blocks.append(("result", result.shape, "none", pair))
    left = 0.0
    for name, shape, color, entries in blocks:
        own = _padded(shape)
        for cell in product(*map(range, cells)):
            layer, row, column = cell
            at = left + column, layer * (cells[1] + 0.5) + row
            exists = all(place < size for place, size in zip(cell, own, strict=True))
            text = ",".join(str(int(entry[cell])) for entry in entries)
            _draw_square(ax, *at, text, color, filled=exists)
        middle = left + cells[2] / 2
        ax.text(middle, -0.2, f"{name}\n{shape}", ha="center", va="bottom")
        left += cells[2] + GAP
    ax.set(xlim=(-GAP / 2, left - GAP / 2), ylim=(cells[0] * (cells[1] + 0.5), -1.5))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


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
        color = COLORS[row % len(COLORS)]
        read = positions.as_strided(t.shape, t.stride(), t.storage_offset()).flatten()
        for at in range(size):
            readers = (read == at).nonzero().flatten().tolist()
            if readers:
                text = ",".join(map(str, readers))
                _draw_square(ax, at - 0.5, row + 0.5, text, color, filled=True)
    ax.set_xlim(-0.6, size - 0.4)
    ax.set_ylim(len(views) + 0.6, -0.6)
    ax.set_aspect("equal")
    ax.set_xticks(range(size))
    ax.set_yticks(range(len(views) + 1), ["storage", *views])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("position in storage")
    return ax


def _padded(shape: tuple[int, ...]) -> tuple[int, int, int]:
    layers, rows, columns = (1,) * (3 - len(shape)) + shape
    return layers, rows, columns


def _draw_square(
    ax: Axes, x: float, y: float, text: str, color: str, *, filled: bool
) -> None:
    """Draw one cell: filled with `color`, or dashed; "none" leaves it to the ink."""
    inked = filled and color != "none"
    ax.add_patch(
        Rectangle(
            (x + (1 - SIDE) / 2, y + (1 - SIDE) / 2),
            SIDE,
            SIDE,
            facecolor=color if inked else "none",
            edgecolor=ax.xaxis.label.get_color() if color == "none" else color,
            linestyle="-" if filled else ":",
        )
    )
    ink = ("white" if color == BLUE else "black") if inked else None
    ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink)
