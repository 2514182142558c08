"""Functions to descend, with what is known about them.

`CATALOGUE` maps a name to its `Objective`: formula, function, minimizers, saddles. The
functions take points ``(*, n)`` to values ``(*)``, so one call evaluates a whole grid,
or ten thousand starts. Objectives with a choice in them have a function that makes more
of their kind: `quadratic`, `rosenbrock` and `linear_regression`.
"""

from __future__ import annotations

from autodiff_guide.objectives._catalogue import CATALOGUE
from autodiff_guide.objectives._families import (
    linear_regression,
    quadratic,
    rosenbrock,
)
from autodiff_guide.objectives._objective import Objective

__all__ = [
    "CATALOGUE",
    "Objective",
    "linear_regression",
    "quadratic",
    "rosenbrock",
]
