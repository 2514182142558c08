"""Functions to descend, with what is known about them.

`CATALOGUE` maps a name to its `Objective`: formula, function, minimisers, saddles. The
functions take points ``(*, n)`` to values ``(*)``, so one call evaluates a whole grid,
or ten thousand starts. Objectives with a choice in them have a function that makes more
of their kind: `quadratic`, `rosenbrock`, `linear_regression`, `logistic_regression`.
"""

from __future__ import annotations

from autodiff_guide.objectives.catalogue import CATALOGUE
from autodiff_guide.objectives.families import (
    linear_regression,
    logistic_regression,
    quadratic,
    rosenbrock,
)
from autodiff_guide.objectives.objective import Objective

__all__ = [
    "CATALOGUE",
    "Objective",
    "linear_regression",
    "logistic_regression",
    "quadratic",
    "rosenbrock",
]
