"""What a descent leaves behind: where it went, and why it stopped.

Change here what a result tells, how it is shown, and how it is kept in a file.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import treespec_dumps, treespec_loads

from autodiff_guide._printed import Printed, Table
from autodiff_guide.descent._problem import Layout


class Verdict(Enum):
    """A short name, its code as `value`, and a `sentence` with causes."""

    sentence: str

    def __new__(cls, sentence: str) -> Self:
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        member.sentence = sentence
        return member

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")

    @classmethod
    def of(cls, codes: Tensor) -> Self | list[Self]:
        """Return the verdict with this code, or a list of them for many codes."""
        members = list(cls)
        if codes.dim() == 0:
            return members[int(codes)]
        return [members[code] for code in codes.tolist()]

    @classmethod
    def rows(cls, codes: Tensor) -> list[tuple[str, str]]:
        """Return a row of a table for each verdict met, the most frequent first."""
        members, counts = list(cls), Counter(codes.view(-1).tolist()).most_common()
        return [
            (
                f"{count} of {codes.numel()}" if codes.dim() else "status",
                f"{members[code]}: {members[code].sentence}",
            )
            for code, count in counts
        ]


class Status(Verdict):
    """Why a descent stopped."""

    LIMIT = "every step was taken and no stopping rule fired; try more, or a larger lr"
    VALUE_BELOW = "the value fell under value_below"
    STEP_BELOW = "no component moved by as much as step_below, which a tiny lr does too"
    GRADIENT_BELOW = (
        "converged, to a minimum or to a saddle: "
        "the gradient's norm fell under gradient_below"
    )
    STALLED = "the search found no lower point; rounding hides what is left"
    DIVERGED = "the steps grew until a number was infinite; try a smaller lr"
    NAN = "finite input gave NaN: the function or its gradient is undefined there"
    INTERRUPTED = "Ctrl-C was pressed"


@dataclass(frozen=True, eq=False)
class Trajectory(Printed):
    r"""The points of a descent, with the values and gradient norms at them.

    Row :math:`t` of each belongs to the same point :math:`x_t`; row 0 is the start.
    Where a start stopped before the others, its later rows repeat its last point.
    A start that diverges stops at its first row with an infinity in it, be it in the
    point, the value or the gradient norm. The norm may be the first: it squares its
    entries, and overflows where one of them exceeds the root of the largest number.

    Parameters
    ----------
    points : Tensor
        Shape ``(T + 1, *B, n)``: ``B`` is empty for one start. A number is a point of
        one component, and the tensors of a structure lie end to end.
    values : Tensor
        Shape ``(T + 1, *B)``.
    gradient_norms : Tensor
        Euclidean, shape ``(T + 1, *B)``.
    steps : Tensor
        Steps taken, integers of shape ``(*B)``.
    rule : str
        Repr of the rule, which serves as label.
    codes : Tensor
        The value of each start's `Status`, shape ``(*B)``.
    layout : Layout, optional
        How the numbers of a point lie in the structure that was the start.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> start = torch.tensor([3.0])
    >>> rule = GradientDescent(0.1)
    >>> found = minimize(lambda x: (x**2).sum(-1), start, rule, gradient_below=1e-3)
    >>> print(found)
    GradientDescent(lr=0.1)
    start                 (3)
    end                   (0.000498)
    value, start          9
    value, end            2.48e-07
    gradient norm at end  0.000997
    steps                 39
    status                gradient below: converged, to a minimum or to a saddle: ...
    >>> print(found.status)
    gradient below
    """

    points: Tensor
    values: Tensor
    gradient_norms: Tensor
    steps: Tensor
    rule: str
    codes: Tensor = field(repr=False)
    layout: Layout | None = field(default=None, repr=False)

    @property
    def status(self) -> Status | list[Status]:
        """Why the descent stopped; a list with one entry for each of many starts."""
        return Status.of(self.codes)

    def stopped_by(self, status: Status) -> Tensor:
        """Return which starts stopped for this reason: booleans, shape ``(*B)``."""
        return self.codes.eq(status.value)

    @property
    def end(self) -> Any:
        """The last point, as the start was: ``(*B, n)``, a number or a structure."""
        last = self.points[-1]
        return last if self.layout is None else self.layout.unpack(last)

    def numpy(self) -> dict[str, NDArray[Any]]:
        """Return what was recorded as NumPy arrays, by name."""
        names = ("points", "values", "gradient_norms", "steps", "codes")
        return {name: getattr(self, name).numpy(force=True) for name in names}

    def to_pandas(self) -> Any:
        """Return a pandas ``DataFrame``: a row for each step and start, as in `points`.

        Its columns are ``value``, ``gradient_norm`` and the components of the point,
        ``x0``, ``x1``, … It needs pandas.
        """
        pandas, rows = import_module("pandas"), self.numpy()
        sides = [range(len(self.values)), range(self.steps.numel())]
        index = pandas.MultiIndex.from_product(sides, names=["step", "start"])
        columns = {
            name: rows[f"{name}s"].ravel() for name in ("value", "gradient_norm")
        }
        for i, component in enumerate(rows["points"].T):
            columns[f"x{i}"] = component.T.ravel()
        return pandas.DataFrame(columns, index)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a NumPy file, ``.npz``, that `load` reads; nothing is pickled."""
        layout = ""
        if self.layout is not None:
            layout = json.dumps([treespec_dumps(self.layout.spec), self.layout.shapes])
        arrays: dict[str, Any] = dict(self.numpy())
        with open(path, "wb") as file:
            np.savez(file, rule=self.rule, layout=layout, **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Return what `save` wrote, on the processor."""
        with np.load(path, allow_pickle=False) as file:
            parts = dict(file)
        rule, text = str(parts.pop("rule")), str(parts.pop("layout"))
        layout = None
        if text:
            spec, shapes = json.loads(text)
            layout = Layout(treespec_loads(spec), [torch.Size(x) for x in shapes])
        tensors = {name: torch.as_tensor(part) for name, part in parts.items()}
        return cls(**tensors, rule=rule, layout=layout)

    def _table(self) -> Table:
        where = [("starts", f"{self.steps.numel()}")]
        if self.steps.dim() == 0:
            where = [
                ("start", _point(self.points[0])),
                ("end", _point(self.points[-1])),
            ]
        rows = [
            *where,
            ("value, start", _span(self.values[0])),
            ("value, end", _span(self.values[-1])),
            ("gradient norm at end", _span(self.gradient_norms[-1])),
            ("steps", _span(self.steps)),
        ]
        return Table(self.rule, rows + Status.rows(self.codes))


def _span(numbers: Tensor) -> str:
    """Return a number as text, or the range of the finite ones among many."""
    if numbers.dim() == 0:
        return f"{numbers.item():.3g}"
    finite = numbers[numbers.isfinite()].double()
    if not len(finite):
        return "none is finite"
    return (
        f"{finite.min():.3g} lowest, {finite.median():.3g} median, "
        f"{finite.max():.3g} highest"
    )


def _point(point: Tensor) -> str:
    """Return a point as text, shortened in the middle."""
    numbers = [f"{number:.3g}" for number in point.tolist()]
    if len(numbers) > 6:
        numbers = [*numbers[:3], "…", *numbers[-2:]]
    return f"({', '.join(numbers)})"
