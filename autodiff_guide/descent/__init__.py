r"""Descent: rules that step, and the one loop that follows them.

`minimize` runs a rule from one start or from many at once and returns a `Trajectory`:
every point, with the value and the gradient norm at it, and why each start stopped.
`classify` says where it stands. The rules are plain settings: `GradientDescent`,
`Momentum`, `RMSprop`, `Adam` and the optimizers of ``torch.optim`` need one gradient a
step; `Backtracking`, `BFGS` and `Newton` look before they step.
"""

from __future__ import annotations

from autodiff_guide.descent._classify import Classification, Kind, classify
from autodiff_guide.descent._loop import minimize
from autodiff_guide.descent._rules import (
    Adam,
    FromTorch,
    GradientDescent,
    GradientRule,
    Momentum,
    Now,
    RMSprop,
    Rule,
)
from autodiff_guide.descent._searches import BFGS, Backtracking, Newton, SearchRule
from autodiff_guide.descent._trajectory import Status, Trajectory

__all__ = [
    "BFGS",
    "Adam",
    "Backtracking",
    "Classification",
    "FromTorch",
    "GradientDescent",
    "GradientRule",
    "Kind",
    "Momentum",
    "Newton",
    "Now",
    "RMSprop",
    "Rule",
    "SearchRule",
    "Status",
    "Trajectory",
    "classify",
    "minimize",
]
