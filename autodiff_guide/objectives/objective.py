"""What an entry of the catalogue of objectives is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

from torch import Tensor

from autodiff_guide._printed import Table
from autodiff_guide._validate import require_floating

Points: TypeAlias = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class Objective:
    r"""A function to descend and what is known about it; call it at points.

    Parameters
    ----------
    name : str
        Its key in `CATALOGUE`.
    formula : str
        LaTeX, without dollar signs.
    function : callable
        Maps points ``(*, n)`` to values ``(*)``, in their dtype and on their device.
    dimension : int
        n.
    domain : tuple of tuple of float
        Lowest and highest value of each component worth looking at.
    minimisers : tuple of tuple of float
        The global ones; empty if there is none.
    minimum : float
        The value there; ``-inf`` if the function has no lower bound.
    saddles : tuple of tuple of float
        Points without slope that are neither minimum nor maximum, as far as known.
    source : str
        Where it comes from.
    """

    name: str
    formula: str
    function: Callable[[Tensor], Tensor] = field(repr=False)
    dimension: int
    domain: tuple[tuple[float, float], ...]
    minimisers: Points
    minimum: float
    saddles: Points = ()
    source: str = ""

    def __call__(self, points: Tensor) -> Tensor:
        """Return the values, shape ``(*)``, at `points`, shape ``(*, n)``."""
        shape = require_floating("points", points).shape
        if not shape or shape[-1] != self.dimension:
            raise ValueError(
                f"points: expected shape (*, {self.dimension}), got {tuple(shape)}; "
                "components come last"
            )
        return self.function(points)

    def table(self) -> Table:
        """Return the table that is shown in the terminal and in notebooks."""
        minimum = (
            "none: unbounded below" if self.minimum == -inf else f"{self.minimum:g}"
        )
        return Table(
            self.name,
            [
                ("formula", self.formula),
                ("dimension", f"{self.dimension}"),
                ("minimisers", _show(self.minimisers)),
                ("minimum", minimum),
                ("saddles", _show(self.saddles)),
                ("source", self.source),
            ],
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _show(points: Points) -> str:
    shown = (f"({', '.join(f'{number:.6g}' for number in point)})" for point in points)
    return ", ".join(shown) or "none"
