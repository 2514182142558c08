"""Losses with gradients derived by hand, and the softmax they rest on.

Every loss is an entry of `CATALOGUE`. An entry is itself a ``loss(output, target)``;
`Loss.gradient` is its gradient by the outputs, written out without autograd.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autodiff_guide.losses._classification import CLASSIFICATION
from autodiff_guide.losses._loss import Line, Loss
from autodiff_guide.losses._ranking import RANKING
from autodiff_guide.losses._regression import REGRESSION
from autodiff_guide.losses._softmax import (
    log_softmax,
    log_sum_exp,
    softmax,
    softmax_jacobian,
    softmax_vjp,
)

__all__ = [
    "CATALOGUE",
    "Line",
    "Loss",
    "log_softmax",
    "log_sum_exp",
    "softmax",
    "softmax_jacobian",
    "softmax_vjp",
]

#: Every loss by its name.
CATALOGUE: Mapping[str, Loss] = MappingProxyType(
    {loss.name: loss for loss in (*REGRESSION, *CLASSIFICATION, *RANKING)}
)
