"""How shapes broadcast: the rule axis by axis, and the way out of a conflict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from math import prod
from operator import index

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table

Shape = tuple[int, ...]
# An operand, counted from 0, and the axis at which it gets one more.
Unsqueeze = tuple[int, int]


@dataclass(frozen=True)
class Broadcast(Printed):
    """Shapes that broadcast together, and the shape they make.

    Attributes
    ----------
    shapes : tuple of tuple of int
        Shape of each operand.
    shape : tuple of int
        Shape of the result.
    """

    shapes: tuple[Shape, ...]
    shape: Shape

    def _table(self) -> Table:
        aligned = _aligned(self.shapes)
        rows = [
            (f"operand {number}", *("" if size is None else str(size) for size in row))
            for number, row in enumerate(aligned, 1)
        ]
        return Table(
            f"{_listed(self.shapes)} broadcast to {self.shape}",
            [
                *rows,
                ("result", *map(str, self.shape)),
                ("rule", *map(_rule, zip(*aligned, strict=True))),
            ],
            ("axis", *map(str, range(-len(self.shape), 0))),
        )


def explain_broadcast(*shapes_or_tensors: Sequence[int] | Tensor) -> Broadcast:
    """Line shapes up from the right and say how each axis broadcasts.

    On every axis the sizes must be equal, or 1, or missing. An axis of size 1 is
    stretched and a missing one is added in front; no entry is copied.

    Parameters
    ----------
    *shapes_or_tensors : sequence of int or Tensor
        The operands, or their shapes.

    Returns
    -------
    Broadcast
        Prints as a right-aligned table.

    Raises
    ------
    TypeError
        If an operand is neither a tensor nor a sequence of integers.
    ValueError
        If there is no operand, a size is negative, or two sizes on an axis conflict.
        The message names the axis and the sizes, and says what to unsqueeze.

    Examples
    --------
    >>> print(explain_broadcast((4, 1, 3), (2, 3)))
    (4, 1, 3) and (2, 3) broadcast to (4, 2, 3)
    axis       -3       -2         -1
    ---------  -------  ---------  -----
    operand 1  4        1          3
    operand 2           2          3
    result     4        2          3
    rule       missing  stretched  equal

    >>> explain_broadcast((3,), (3, 2))
    Traceback (most recent call last):
    ValueError: shapes_or_tensors: expected equal sizes, or 1, on axis -1, got 3 in
    operand 1 (3,) and 2 in operand 2 (3, 2); try operand 1 .unsqueeze(-1): then
    (3, 1) and (3, 2) broadcast to (3, 2)
    """
    if not shapes_or_tensors:
        raise ValueError(
            "shapes_or_tensors: expected at least one operand, got none; "
            "pass for example (3, 1), (4,)"
        )
    shapes = tuple(map(_shape_of, shapes_or_tensors))
    result = _broadcast(shapes)
    if result is None:
        raise ValueError(_conflict(shapes))
    return Broadcast(shapes, result)


def _shape_of(operand: Sequence[int] | Tensor) -> Shape:
    sizes = operand.shape if isinstance(operand, Tensor) else operand
    try:
        shape = tuple(map(index, sizes))
    except TypeError:
        raise TypeError(
            "shapes_or_tensors: expected tensors or sequences of int, got "
            f"{operand!r}; write a shape as a tuple, for example (3,)"
        ) from None
    if any(size < 0 for size in shape):
        raise ValueError(
            f"shapes_or_tensors: expected sizes of at least 0, got {shape}; "
            "pass the shape of a tensor that exists"
        )
    return shape


def _broadcast(shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that `shapes` broadcast to, or None if they conflict."""
    try:
        return tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError:
        return None


def _aligned(shapes: Sequence[Shape]) -> list[tuple[int | None, ...]]:
    """Return the shapes, all of one length, with None where an axis is missing."""
    rank = max(map(len, shapes))
    return [(None,) * (rank - len(shape)) + shape for shape in shapes]


def _rule(sizes: Sequence[int | None]) -> str:
    present = {size for size in sizes if size is not None}
    rules = ["missing"] * (None in sizes) + ["stretched"] * (len(present) > 1)
    return " and ".join(rules) or "equal"


def _conflict(shapes: Sequence[Shape]) -> str:
    """Name the rightmost axis in conflict, and unsqueezes that end all conflicts."""
    columns = list(zip(*_aligned(shapes), strict=True))
    axis, first, second = next(
        (axis, first, second)
        for axis in range(-1, -len(columns) - 1, -1)
        for first, second in combinations(range(len(shapes)), 2)
        if len({columns[axis][first], columns[axis][second]} - {1, None}) == 2
    )
    moves = _unsqueezes(shapes)
    mended = _unsqueezed(shapes, moves)
    advice = " and ".join(
        f"operand {operand + 1} "
        + "".join(f".unsqueeze({at})" for who, at in moves if who == operand)
        for operand in sorted({who for who, _ in moves})
    )
    return (
        f"shapes_or_tensors: expected equal sizes, or 1, on axis {axis}, "
        f"got {shapes[first][axis]} in operand {first + 1} {shapes[first]} "
        f"and {shapes[second][axis]} in operand {second + 1} {shapes[second]}; "
        f"try {advice}: then {_listed(mended)} broadcast to {_broadcast(mended)}"
    )


def _unsqueezes(shapes: Sequence[Shape]) -> Sequence[Unsqueeze]:
    """Return the unsqueezes, in order, after which `shapes` broadcast.

    One or two that give the smallest result, if any do; otherwise those that give
    every operand axes of its own.
    """
    single = [
        (operand, -axis)
        for operand, shape in enumerate(shapes)
        for axis in range(1, len(shape) + 1)
    ]
    for count in (1, 2):
        working = [
            (prod(result), moves)
            for moves in combinations_with_replacement(single, count)
            if (result := _broadcast(_unsqueezed(shapes, moves))) is not None
        ]
        if working:
            return min(working, key=lambda found: found[0])[1]
    return [
        (operand, -1)
        for operand in range(len(shapes))
        for _ in range(sum(map(len, shapes[operand + 1 :])))
    ]


def _unsqueezed(shapes: Sequence[Shape], moves: Iterable[Unsqueeze]) -> list[Shape]:
    mended = [list(shape) for shape in shapes]
    for operand, axis in moves:
        mended[operand].insert(len(mended[operand]) + 1 + axis, 1)
    return [tuple(shape) for shape in mended]


def _listed(shapes: Sequence[Shape]) -> str:
    *others, last = map(str, shapes)
    return f"{', '.join(others)} and {last}" if others else last
