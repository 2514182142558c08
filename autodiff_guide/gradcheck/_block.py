"""One output by one input of the Jacobian, as the diagnosis looks at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._columns import Evidence, Status, jacobian_columns
from autodiff_guide.gradcheck._map import Map, unravel

# Kinds, the most specific first, and what is said after "your gradient".
Finding = tuple[tuple[str, ...], str]


# Doubles that yours may take, to look for elements that stand in wrong places.
EVERY = 2**22


@dataclass(eq=False)
class Block:
    """Numeric and given Jacobian of one output by one input, R rows by C columns.

    Attributes
    ----------
    input, output : int
        Position in `wrt`, and among the outputs.
    where : str
        " for this input of that output", where there are several.
    numeric, yours, slack : Tensor
        The two Jacobians, and what may lie between equal elements: infinite where the
        differences tell nothing.
    wrong : Tensor
        Which elements differ.
    elements : Tensor
        Flat index of the input element at each column.
    given_elements, given_yours : Tensor
        The same, and yours, of all elements if there are not too many.
    values : dict
        What a formula may be made of: name and value, at each column, of the input, of
        an output of its shape, of other inputs that match it.
    input_shape, output_shape : tuple of int
        Complex tensors end with a 2. The output has none where sums of outputs were
        compared.
    shapes : list
        "input" or "output", and a shape of the user's function.
    is_complex, attached : bool
        Whether the input is complex, and whether the output carries a gradient.
    """

    input: int
    output: int
    where: str
    numeric: Tensor
    yours: Tensor
    slack: Tensor
    wrong: Tensor
    elements: Tensor
    given_elements: Tensor
    given_yours: Tensor
    values: dict[str, Tensor]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] | None
    shapes: list[tuple[str, tuple[int, ...]]]
    is_complex: bool
    attached: bool

    @cached_property
    def moves(self) -> Tensor:
        """Where the numeric Jacobian is not zero."""
        return self.numeric.abs() > self.slack

    @cached_property
    def given(self) -> Tensor:
        """Where yours is not zero."""
        return self.yours.abs() > self.slack

    @cached_property
    def live(self) -> Tensor:
        """Columns where either Jacobian is not zero."""
        return self.moves.any(0) | self.given.any(0)

    @property
    def name(self) -> str:
        """What a formula calls an element of the input."""
        return next(iter(self.values))

    @property
    def full(self) -> bool:
        """Whether every element of the input has its column."""
        return len(self.elements) == math.prod(self.input_shape)

    @property
    def many(self) -> str:
        """How many elements were looked at."""
        parts = " (real and imaginary parts)" * self.is_complex
        return f"{len(self.elements)} elements{' measured' * (not self.full)}{parts}"

    @property
    def square(self) -> bool:
        """Whether there are as many outputs as elements of the input."""
        outputs = self.output_shape
        return outputs is not None and math.prod(outputs) == math.prod(self.input_shape)

    @property
    def rows(self) -> Tensor:
        """The number of each row, in a column."""
        return torch.arange(len(self.numeric)).to(self.elements)[:, None]

    @property
    def x(self) -> Tensor:
        """The value of the input at each column."""
        return self.values[self.name]

    def index(self, column: int) -> str:
        """Return how a reader would index the input element of a column."""
        element, shape = int(self.elements[column]), self.input_shape
        if self.is_complex:
            element, shape = element // 2, shape[:-1]
        return str(list(unravel(element, shape)))

    @cached_property
    def position(self) -> Tensor:
        """The column of each input element in `given_yours`, -1 if it has none."""
        count = math.prod(self.input_shape) + 1
        position = torch.full((count,), -1).to(self.elements)
        every = torch.arange(len(self.given_elements))
        position[self.given_elements] = every.to(position)
        return position

    def given_at(self, rows: Tensor, elements: Tensor) -> tuple[Tensor, Tensor]:
        """Return yours at these places, and where it is known."""
        columns = self.position[elements]
        there = self.given_yours[rows, columns]
        return there, (columns >= 0).expand_as(there)

    def moved_to(self, there: Tensor, known: Tensor) -> bool:
        """Return whether `there`, yours elsewhere, is what the numeric one is here.

        And not only because both are zero. Of what is wrong, one element in three at
        least must not be: one that stands in a wrong place leaves a zero in the right
        one.
        """
        wrong = self.wrong & known
        same = ((there - self.numeric).abs() <= 2 * self.slack) | ~known
        some = 4 * int(wrong.sum()) >= int(self.wrong.sum())
        moves = 3 * int((wrong & self.moves).sum()) >= int(wrong.sum())
        return some and moves and bool(same.all())


def judged(evidence: Evidence) -> tuple[Tensor, Tensor, Tensor]:
    """Return the numeric slopes, what may lie between equal ones, and which are wrong.

    Slopes that the differences do not know, or that have two values, are 0 and have an
    infinite slack. What was not looked at once enough was wrong is judged here.
    """
    yours, status = evidence.yours, evidence.status
    known = torch.isfinite(evidence.bar) & (status != Status.KINK)
    numeric = evidence.numeric.where(known, 0.0)
    size = torch.maximum(numeric.abs(), yours.abs().nan_to_num(0, 0, 0))
    slack = 5 * evidence.bar + evidence.rounding + 1e-7 * size
    slack = slack.where(known, math.inf)
    apart = (yours - numeric).abs() > slack
    return (
        numeric,
        slack,
        (apart & (status == Status.UNRESOLVED)) | (status >= Status.DISAGREE),
    )


def blocks(
    user: Map, compared: Map, base: Base, evidence: Evidence, names: Sequence[str]
) -> list[Block]:
    """Cut the evidence into blocks, the wrong ones first.

    `compared` is the map of the user, or the one to sums of its outputs.
    """
    numeric, slack, wrong = judged(evidence)
    every, yours = evidence.columns, evidence.yours
    if len(every) < compared.n <= EVERY / compared.output_size and compared is user:
        every = torch.arange(compared.n, device=every.device)
        yours = jacobian_columns(compared, every)
    found = []
    for o, first, last in compared.blocks():
        for i, point in enumerate(compared.points):
            start, stop = compared.starts[i], compared.starts[i + 1]
            mine = (evidence.columns >= start) & (evidence.columns < stop)
            if first == last or not bool(mine.any()):
                continue
            elements = evidence.columns[mine] - start
            given = (every >= start) & (every < stop)
            where = f" for {names[i]}" if len(names) > 1 else ""
            if len(compared.output_shapes) > 1:
                where += f" of output {o}"
            values = _inputs(compared, i, names)
            output_shape = compared.output_shapes[o] if compared is user else None
            if output_shape == tuple(point.shape):
                values["f(x)"] = base.value[first:last]
            found.append(
                Block(
                    input=i,
                    output=o,
                    where=where,
                    numeric=numeric[mine, first:last].T,
                    yours=evidence.yours[mine, first:last].T,
                    slack=slack[mine, first:last].T,
                    wrong=wrong[mine, first:last].T,
                    elements=elements,
                    given_elements=every[given] - start,
                    given_yours=yours[given, first:last].T,
                    values={name: flat[elements] for name, flat in values.items()},
                    input_shape=tuple(point.shape),
                    output_shape=output_shape,
                    shapes=[
                        ("input", tuple(point.shape)),
                        *(("output", shape) for shape in user.output_shapes),
                    ],
                    is_complex=compared.is_complex[i],
                    attached=compared.base_graph[1][o].requires_grad,
                )
            )
    return sorted(found, key=lambda b: -float(b.wrong.double().mean()))


def _inputs(problem: Map, i: int, names: Sequence[str]) -> dict[str, Tensor]:
    """Return input `i`, flat, and the others that match it element by element."""
    mine = problem.pieces(problem.x[None])[i][0]
    found = {names[i] if names[i].isidentifier() else "x": mine}
    for position, x in enumerate(problem.inputs):
        if position == problem.wrt[i] or not isinstance(x, Tensor) or x.is_complex():
            continue
        name = f"input {position}"
        if position in problem.wrt:
            name = names[problem.wrt.index(position)]
        try:
            found[name] = x.to(mine).expand(problem.points[i].shape).reshape(-1)
        except RuntimeError:  # another shape
            continue
    return found
