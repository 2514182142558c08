"""What a loss compares: the kinds of operands, and lines through them to draw along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, ...]


def class_axis(output: Tensor) -> int:
    """Classes lie along axis 1, or along the only one; ``ValueError`` without one."""
    if output.ndim == 0:
        raise ValueError(
            "output: expected shape (C,) or (N, C, *), got (); one score per class"
        )
    return min(output.ndim - 1, 1)


def _as_first(first: Tensor, own: Tensor) -> Shape:
    return tuple(first.shape)


def _for_each_row(first: Tensor, own: Tensor) -> Shape:
    return tuple(first.shape[:-1])


def _for_each_sample(output: Tensor, target: Tensor) -> Shape:
    """Return one number for each sample; probabilities have one for each class."""
    shape = list(output.shape)
    if not target.is_floating_point():
        del shape[class_axis(output)]
    return tuple(shape)


def _as_first_or_for_each_row(first: Tensor, own: Tensor) -> Shape:
    row = (*first.shape[:-1], 1)
    return row if own.shape == row else tuple(first.shape)


@dataclass(frozen=True)
class Operand:
    """A kind of operand: how to draw one at random, and the shape it must have.

    Parameters
    ----------
    draw : callable
        Makes one of a matrix of standard normal numbers.
    shape : callable
        ``shape(first, operand)``: what is expected of this one beside the loss's first.
    """

    draw: Callable[[Tensor], Tensor]
    shape: Callable[[Tensor, Tensor], Shape] = _as_first


def _count(normal: Tensor) -> Tensor:
    return (3 * normal.abs()).floor()


def _variance(normal: Tensor) -> Tensor:
    return 0.5 + normal**2


def _sign_of_row(normal: Tensor) -> Tensor:
    return normal[:, 0].sign()


REAL = Operand(partial(torch.mul, other=2))
COUNT = Operand(_count)
SIGN = Operand(torch.sign)
SIGN_OF_ROW = Operand(_sign_of_row, _for_each_row)
PROBABILITY = Operand(torch.sigmoid)
DISTRIBUTION = Operand(partial(torch.softmax, dim=1))
LOG_DISTRIBUTION = Operand(partial(torch.log_softmax, dim=1))
CLASS = Operand(partial(torch.argmax, dim=1), _for_each_sample)
VARIANCE = Operand(_variance, _as_first_or_for_each_row)


@dataclass(frozen=True)
class Line:
    """A straight line through the operands of a loss, to draw it along.

    Parameters
    ----------
    label : str
        What moves.
    start, stop : float
        Ends of the line.
    through : tuple
        The operands of one sample where the line passes 0: floats, an integer for a
        class, or tuples of floats.
    direction : float or tuple of float
        What one unit along the line adds to the operand that moves.
    moving : int
        Which one that is.
    """

    label: str
    start: float
    stop: float
    through: tuple[Any, ...]
    direction: float | tuple[float, ...] = 1.0
    moving: int = 0

    def operands(self, t: Tensor) -> tuple[Tensor, ...]:
        """Return the operands at positions `t`, shape ``(n,)``."""
        operands = [
            torch.tensor(each, dtype=torch.long if isinstance(each, int) else t.dtype)
            for each in self.through
        ]
        operands = [each.expand(len(t), *each.shape) for each in operands]
        direction = torch.tensor(self.direction, dtype=t.dtype)
        steps = t.view(-1, *[1] * direction.ndim) * direction
        operands[self.moving] = operands[self.moving] + steps
        return tuple(operands)
