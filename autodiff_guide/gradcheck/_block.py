"""One output by one input of the Jacobian, as the diagnosis looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._columns import Evidence, Status
from autodiff_guide.gradcheck._map import Map

# Kinds, the most specific first, and a sentence to the author of the gradient.
Finding = tuple[tuple[str, ...], str]


@dataclass(eq=False)
class Block:
    """Numeric and given Jacobian of one output by one input, R rows by C columns.

    Attributes
    ----------
    name : str
        What a formula calls an element of the input.
    numeric, yours, slack : Tensor
        The two Jacobians, and what may lie between equal elements.
    status : Tensor
        The `Status` of each element.
    wrong : Tensor
        Which elements differ.
    x, elements : Tensor
        Value and flat index of the input at each column.
    y : Tensor
        Value of the output at each row.
    input_shape, output_shape : tuple of int
        Complex tensors end with a 2.
    full : bool
        Whether every element of the input has its column.
    others : dict
        Name and flat value of other real inputs that have as many elements.
    """

    input: int
    name: str
    output: int
    numeric: Tensor
    yours: Tensor
    slack: Tensor
    status: Tensor
    wrong: Tensor
    x: Tensor
    elements: Tensor
    y: Tensor
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    full: bool
    is_complex: bool
    attached: bool
    where: str
    others: dict[str, Tensor]

    @cached_property
    def moves(self) -> Tensor:
        """Where the numeric Jacobian is not zero."""
        return self.numeric.abs() > self.slack

    @cached_property
    def given(self) -> Tensor:
        """Where yours is not zero."""
        return self.yours.abs() > self.slack

    @cached_property
    def both(self) -> Tensor:
        """Where neither is zero."""
        return self.moves & self.given

    @cached_property
    def live(self) -> Tensor:
        """Columns where either Jacobian is not zero."""
        return self.moves.any(0) | self.given.any(0)

    def index(self, element: int) -> str:
        """Return how a reader would index flat element `element` of this input."""
        shape = self.input_shape[:-1] if self.is_complex else self.input_shape
        flat = element // 2 if self.is_complex else element
        index = torch.unravel_index(torch.tensor(flat), shape) if shape else ()
        return "[" + ", ".join(str(int(k)) for k in index) + "]"


def blocks(
    problem: Map, base: Base, evidence: Evidence, names: tuple[str, ...]
) -> list[Block]:
    """Cut the evidence into blocks, the wrong ones first."""
    numeric, yours = evidence.numeric.T, evidence.yours.T
    bar, status = evidence.bar.T, evidence.status.T
    known = yours.abs().nan_to_num(0, 0, 0)
    size = torch.maximum(numeric.abs().nan_to_num(0, 0, 0), known)
    row = size.amax(1, keepdim=True)
    slack = 1e-7 * size + 5 * bar.nan_to_num(0, 0, 0) + 1e-11 * row
    wrong = ((yours - numeric).abs() > slack) | ~torch.isfinite(yours)
    judged_right = (status > Status.AGREE) & (status <= Status.UNRESOLVED)
    wrong = (wrong & ~judged_right) | (status >= Status.DISAGREE)
    if base.checked is not None:
        wrong &= base.checked[:, None]
    several = len(problem.points) > 1
    found = []
    for o, first, last in problem.blocks():
        for i, point in enumerate(problem.points):
            start, stop = problem.starts[i], problem.starts[i + 1]
            mine = (evidence.columns >= start) & (evidence.columns < stop)
            if first == last or not bool(mine.any()):
                continue
            elements = evidence.columns[mine] - start
            where = f" for {names[i]}" if several else ""
            if len(problem.output_shapes) > 1:
                where += f" of output {o}"
            found.append(
                Block(
                    input=i,
                    name=names[i] if names[i].isidentifier() else "x",
                    output=o,
                    numeric=numeric[first:last][:, mine],
                    yours=yours[first:last][:, mine],
                    slack=slack[first:last][:, mine],
                    status=status[first:last][:, mine],
                    wrong=wrong[first:last][:, mine],
                    x=problem.x[start:stop][elements],
                    elements=elements,
                    y=base.value[first:last],
                    input_shape=tuple(point.shape),
                    output_shape=problem.output_shapes[o],
                    full=len(elements) == point.numel(),
                    is_complex=problem.is_complex[i],
                    attached=base.graph[1][o].requires_grad,
                    where=where,
                    others=_others(problem, i, elements, names),
                )
            )
    return sorted(found, key=lambda b: -float(b.wrong.double().mean()))


def _others(
    problem: Map, i: int, elements: Tensor, names: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return the other arguments, flat, that match input `i` element by element."""
    shape = problem.points[i].shape
    found = {}
    for position, x in enumerate(problem.inputs):
        mine = position == problem.wrt[i]
        if mine or not isinstance(x, Tensor) or not x.is_floating_point():
            continue
        try:
            flat = x.to(torch.float64).expand(shape).reshape(-1)
        except RuntimeError:
            continue
        known = position in problem.wrt
        name = names[problem.wrt.index(position)] if known else f"input {position}"
        found[name] = flat[elements]
    return found


def close(a: Tensor, b: Tensor, slack: Tensor) -> bool:
    """Return whether a equals b everywhere, as far as `slack` tells."""
    return bool((((a - b).abs() <= slack) | (a.isnan() & b.isnan())).all())
