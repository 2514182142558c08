"""One output by one input of the Jacobian, as the diagnosis looks at it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor

from autodiff_guide.gradcheck._columns import Evidence, jacobian_columns
from autodiff_guide.gradcheck._map import Map

# Kinds, the most specific first, and what is said after "your gradient".
Findings = Iterator[tuple[tuple[str, ...], str]]

# Numbers that all of yours may hold, to look for elements that stand in wrong places.
EVERY = 2**22
# Elements that stand in wrong places are wrong in at least this share of the columns,
# or a symmetric gradient with one wrong element would equal its own flip.
MOVED = 0.3


class Jacobian:
    """The columns that were compared, judged; and yours at others, if they are few.

    Attributes
    ----------
    user, compared : Map
        The map of the user, and the one compared: the same, or sums of its outputs.
    judged : tuple of Tensor
        Yours, the numeric one, what may lie between, and which are wrong.
    given, position : Tensor
        Columns of yours, as rows, and which one each element of all inputs has, or -1.
    blocks : list of Block
        One for each output and input, the wrong ones first.
    """

    def __init__(self, user: Map, evidence: Evidence) -> None:
        self.user, self.base = user, evidence.base
        self.compared = compared = evidence.problem
        self.columns, self.given = evidence.columns, evidence.yours
        self.judged = (evidence.yours, *evidence.judged)
        every, whole = self.columns, compared.n * compared.output_size <= EVERY
        if len(every) < compared.n and whole and compared is user:
            every = torch.arange(compared.n, device=every.device)
            self.given = jacobian_columns(compared, every)
        self.position = torch.full_like(compared.x, -1, dtype=torch.long)
        self.position[every] = torch.arange(len(every), device=every.device)
        outputs = range(len(compared.output_shapes))
        inputs = range(len(compared.points))
        found = [Block(self, i, o) for i in inputs for o in outputs]
        self.blocks = [block for block in found if block.numeric.numel()]
        self.blocks.sort(key=lambda block: -float(block.wrong.double().mean()))


class Block:
    """Numeric and given Jacobian of one output by one input, R rows by C columns.

    Attributes
    ----------
    whole : Jacobian
        That of all outputs by all inputs.
    input, output : int
        Position in `wrt`, and among the outputs.
    rows : slice
        Which of all output elements are in this one.
    columns, elements : Tensor
        The flat index of each column among all inputs, and in its own.
    x : Tensor
        The value of the input at each column.
    yours, numeric, slack, apart : Tensor
        The two Jacobians, what may lie between equal elements (infinite where the
        differences tell nothing), and what does.
    wrong, moves, grows : Tensor
        Where they differ, where the numeric one is not zero, where yours is not.
    live : Tensor
        Columns where either is not zero.
    shape, output_shape : tuple of int
        Complex tensors end with a 2. The output has none where sums were compared.
    is_complex, full : bool
        Whether the input is complex, and whether each of its elements has a column.
    name, many, where : str
        What a formula calls an element of the input; how many were looked at; which
        block this is, where there are several.
    """

    def __init__(self, whole: Jacobian, i: int, o: int) -> None:
        problem, names = whole.compared, whole.compared.names
        self.whole, self.input, self.output = whole, i, o
        self.rows = slice(*problem.output_starts[o : o + 2])
        self.start, stop = problem.starts[i], problem.starts[i + 1]
        mine = (whole.columns >= self.start) & (whole.columns < stop)
        self.columns = whole.columns[mine]
        self.elements = self.columns - self.start
        self.x = problem.x[self.columns]
        cut = (x[mine, self.rows].T for x in whole.judged)
        self.yours, self.numeric, self.slack, self.wrong = cut
        self.apart = (self.yours - self.numeric).abs()
        self.moves = self.numeric.abs() > self.slack
        self.grows = self.yours.abs() > self.slack
        self.live = (self.moves | self.grows).any(0)
        self.shape = tuple(problem.points[i].shape)
        own_rows = problem is whole.user
        self.output_shape = problem.output_shapes[o] if own_rows else ()
        self.is_complex = problem.is_complex[i]
        self.full = len(self.columns) == math.prod(self.shape)
        self.many = f"{len(self.columns)} elements" + " measured" * (not self.full)
        self.many += " (real and imaginary parts)" * self.is_complex
        self.name = names[i] if names[i].isidentifier() else "x"
        self.where = f" for {names[i]}" * (len(names) > 1)
        self.where += f" of output {o}" * (len(problem.output_shapes) > 1)

    def index(self, column: int) -> str:
        """Return how a reader would index the input element of a column."""
        return str(list(self.whole.compared.locate(int(self.columns[column]))[1]))

    def values(self) -> dict[str, Tensor]:
        """Return what formulas are made of, at each column: inputs, and the output."""
        problem, own = self.whole.compared, self.whole.compared.wrt[self.input]
        found = {self.name: self.x}
        for k, x in enumerate(problem.inputs):
            if isinstance(x, Tensor) and not x.is_complex() and k != own:
                with suppress(RuntimeError):  # another shape
                    flat = x.to(problem.x).expand(self.shape).reshape(-1)
                    found[problem.chosen.get(k, f"input {k}")] = flat[self.elements]
        if self.output_shape == self.shape:
            found["f(x)"] = self.whole.base.value[self.rows][self.elements]
        return found

    def places(self) -> Tensor:
        """Return where each entry is in the whole of this block, row by row."""
        rows = torch.arange(len(self.numeric)).to(self.columns)[:, None]
        return rows * math.prod(self.shape) + self.elements

    def stands_at(
        self, places: Tensor, sign: Tensor | int = 1, of: Block | None = None
    ) -> bool:
        """Return whether yours at other places is what the numeric one is here.

        And not only because both are zero. Of what is wrong, one element in three at
        least must not be: one that stands in a wrong place leaves a zero in the right
        one. What left over a border stands at -1, and is not known.
        """
        size, of = math.prod(self.shape), of or self
        column = self.whole.position[of.start + places % size]
        known = (places >= 0) & (column >= 0)
        there = self.whole.given[column, of.rows.start + places // size]
        apart = (sign * there - self.numeric).abs()
        wrong = self.wrong & known
        some = 4 * wrong.sum() >= self.wrong.sum()
        moves = 3 * (wrong & self.moves).sum() >= wrong.sum()
        many = self.wrong.any(0)[self.live].double().mean() >= MOVED
        return bool(some & moves & many & ((apart <= 2 * self.slack) | ~known).all())
