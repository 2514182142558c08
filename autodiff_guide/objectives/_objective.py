"""What an entry of the catalogue of objectives is, and how it shows itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_floating

Points: TypeAlias = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Objective(Printed):
    r"""A function to descend and what is known about it; call it at points.

    Parameters
    ----------
    title : str
        Its name, as people write it.
    formula : str
        LaTeX, without dollar signs.
    fn : callable
        Maps points ``(*, n)`` to values ``(*)``, in their dtype and on their device.
    domain : tuple of tuple of float
        Lowest and highest value of each of the n components worth looking at.
    minimizers : tuple of tuple of float
        The global ones; empty if there is none.
    minimum : float
        The value there; ``-inf`` if the function has no lower bound.
    saddles : tuple of tuple of float
        Points without slope that are neither minimum nor maximum, as far as known.
    source : str
        Where it comes from.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.objectives import CATALOGUE
    >>> booth = CATALOGUE["booth"]
    >>> booth
    Objective('booth', n=2)
    >>> booth(torch.tensor([1.0, 3.0]))
    tensor(0.)
    """

    title: str
    formula: str
    fn: Callable[[Tensor], Tensor]
    domain: tuple[tuple[float, float], ...]
    minimizers: Points
    minimum: float = 0.0
    saddles: Points = ()
    source: str = "textbook"

    @property
    def name(self) -> str:
        """Its key in the catalogue: the title in snake case."""
        return re.sub(r"\W+", "_", self.title.lower())

    @property
    def dimension(self) -> int:
        """The number n of components of a point."""
        return len(self.domain)

    def __call__(self, points: Tensor) -> Tensor:
        """Return the values, shape ``(*)``, at `points`, shape ``(*, n)``."""
        shape = require_floating("points", points).shape
        if not shape or shape[-1] != self.dimension:
            raise ValueError(
                f"points: expected shape (*, {self.dimension}), got {tuple(shape)}; "
                "components come last"
            )
        return self.fn(points)

    def __repr__(self) -> str:
        return f"Objective({self.name!r}, n={self.dimension})"

    def _table(self) -> Table:
        unbounded = self.minimum == -inf
        rows = [
            ("formula", self.formula),
            ("dimension", f"{self.dimension}"),
            ("minimizers", _show(self.minimizers)),
            ("minimum", "none: unbounded below" if unbounded else f"{self.minimum:g}"),
            ("saddles", _show(self.saddles)),
            ("source", self.source),
        ]
        return Table(self.title, rows)


def _show(points: Points) -> str:
    shown = (f"({', '.join(f'{number:.6g}' for number in point)})" for point in points)
    return ", ".join(shown) or "none"
