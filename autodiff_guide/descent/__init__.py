r"""Descent: rules that step, and the one loop that follows them.

`minimize` runs a rule from one start or from many at once and returns a `Trajectory`:
every point, with the value and the gradient norm at it, and why each start stopped.
`classify` says where it stands. The rules are plain settings: `GradientDescent`,
`Momentum`, `Adagrad`, `RMSprop`, `Adam`, `AdamW` and `FromTorch` need one gradient a
step; `Backtracking`, `BFGS` and `Newton` look before they step.
"""

from __future__ import annotations

from autodiff_guide.descent.adaptive import Adagrad, Adam, AdamW, RMSprop
from autodiff_guide.descent.classification import Classification, Kind, classify
from autodiff_guide.descent.loop import minimize
from autodiff_guide.descent.rules import (
    GradientDescent,
    GradientRule,
    Momentum,
    Rule,
)
from autodiff_guide.descent.searches import BFGS, Backtracking, Newton, SearchRule
from autodiff_guide.descent.torch_rules import FromTorch
from autodiff_guide.descent.trajectory import Status, Trajectory

__all__ = [
    "BFGS",
    "Adagrad",
    "Adam",
    "AdamW",
    "Backtracking",
    "Classification",
    "FromTorch",
    "GradientDescent",
    "GradientRule",
    "Kind",
    "Momentum",
    "Newton",
    "RMSprop",
    "Rule",
    "SearchRule",
    "Status",
    "Trajectory",
    "classify",
    "minimize",
]
