"""What a descent leaves behind: where it went, and why it stopped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor

from autodiff_guide._printed import Table


class Status(Enum):
    """Why a descent stopped."""

    LIMIT = "limit reached: every step was taken and no stopping rule fired"
    VALUE_BELOW = "value below: the value fell under value_below"
    STEP_BELOW = "step below: no component moved by as much as step_below"
    GRADIENT_BELOW = "gradient below: the gradient's norm fell under gradient_below"
    STALLED = "stalled: the search found no lower point; rounding hides what is left"
    DIVERGED = "diverged to inf: the steps grew too large; try a smaller lr"
    NAN = "NaN from finite input: the function or its gradient is undefined there"
    INTERRUPTED = "interrupted: Ctrl-C was pressed"

    def __str__(self) -> str:
        return self.value


STATUSES = tuple(Status)


@dataclass(frozen=True, eq=False)
class Trajectory:
    r"""The points of a descent, with the values and gradient norms at them.

    Row :math:`t` of each belongs to the same point :math:`x_t`; row 0 is the start.
    Where a start stopped before the others, its later rows repeat its last point.
    A start that diverges stops at its first row with an infinity in it, be it in the
    point, the value or the gradient norm. The norm may be the first: it squares its
    entries, and overflows where one of them exceeds the root of the largest number.

    Parameters
    ----------
    points : Tensor
        Shape ``(T + 1, *B, n)``: ``B`` is empty for one start.
    values : Tensor
        Shape ``(T + 1, *B)``.
    gradient_norms : Tensor
        Euclidean, shape ``(T + 1, *B)``.
    steps : Tensor
        Steps taken, integers of shape ``(*B)``.
    rule : str
        Repr of the rule, which serves as label.
    codes : Tensor
        Index of each start's `Status`, shape ``(*B)``.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> start = torch.tensor([3.0])
    >>> rule = GradientDescent(0.1)
    >>> print(minimize(lambda x: (x**2).sum(-1), start, rule, gradient_below=1e-3))
    GradientDescent(lr=0.1)
    start                 (3)
    end                   (0.000498)
    value, start          9
    value, end            2.48e-07
    gradient norm at end  0.000997
    steps                 39
    status                gradient below: the gradient's norm fell under gradient_below
    """

    points: Tensor
    values: Tensor
    gradient_norms: Tensor
    steps: Tensor
    rule: str
    codes: Tensor = field(repr=False)

    @property
    def status(self) -> Status | list[Status]:
        """Why the descent stopped; a list with one entry for each of many starts."""
        if self.codes.dim() == 0:
            return STATUSES[int(self.codes)]
        return [STATUSES[code] for code in self.codes.tolist()]

    def stopped_by(self, status: Status) -> Tensor:
        """Return which starts stopped for this reason: booleans, shape ``(*B)``."""
        return self.codes == STATUSES.index(status)

    @property
    def best(self) -> Tensor:
        """The point of the lowest value each start met, shape ``(*B, n)``."""
        values = self.values.nan_to_num(torch.inf, torch.inf, -torch.inf)
        index = values.argmin(0)
        if index.dim() == 0:
            return self.points[index]
        return self.points[index, torch.arange(len(index), device=index.device)]

    def table(self) -> Table:
        """Return the table that is shown in the terminal and in notebooks."""
        if self.steps.dim() == 0:
            return Table(self.rule, self._rows_of_one())
        return Table(self.rule, self._rows_of_many())

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _rows_of_one(self) -> list[tuple[str, str]]:
        return [
            ("start", show_point(self.points[0])),
            ("end", show_point(self.points[-1])),
            ("value, start", f"{self.values[0]:.3g}"),
            ("value, end", f"{self.values[-1]:.3g}"),
            ("gradient norm at end", f"{self.gradient_norms[-1]:.3g}"),
            ("steps", f"{self.steps}"),
            ("status", str(self.status)),
        ]

    def _rows_of_many(self) -> list[tuple[str, str]]:
        values = self.values[-1]
        finite = values[values.isfinite()]
        spread = "none is finite"
        if len(finite):
            spread = (
                f"{finite.min():.3g} lowest, {finite.median():.3g} median, "
                f"{finite.max():.3g} highest"
            )
        counts = Counter(self.codes.tolist())
        return [
            ("starts", f"{len(values)}"),
            ("values, end", spread),
            ("steps", f"{self.steps.min()} to {self.steps.max()}"),
            *(
                (f"{count} of {len(values)}", str(STATUSES[code]))
                for code, count in counts.most_common()
            ),
        ]


def show_point(point: Tensor) -> str:
    """Return a point as text, shortened in the middle."""
    numbers = [f"{number:.3g}" for number in point.tolist()]
    if len(numbers) > 6:
        numbers = [*numbers[:3], "…", *numbers[-2:]]
    return f"({', '.join(numbers)})"
