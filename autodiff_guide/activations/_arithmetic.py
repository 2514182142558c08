"""Arithmetic that keeps what one rounding would lose."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor

from autodiff_guide._validate import require_floating

Pair = tuple[Tensor, Tensor]


def rounded_once(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compute in float64 (float32 where the device has no float64), then round once."""

    @wraps(function)
    def in_double(x: Tensor, **parameters: float) -> Tensor:
        x = require_floating("x", x)
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        return function(x.to(wide), **parameters).to(x.dtype)

    return in_double


def minus_abs(x: Tensor) -> Tensor:
    """Return ``-|x|`` with slope 1 at zero, so that ``exp`` of it never overflows."""
    return torch.where(x > 0, -x, x)


def below_zero(x: Tensor) -> Tensor:
    """Return x or 0, the lower of them, with slope 1 at zero."""
    return torch.where(x > 0, 0, x)


def two_sum(a: Tensor | float, b: Tensor) -> Pair:
    """Return ``a + b`` rounded, and what the rounding lost (Knuth, TAOCP 4.2.2)."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def two_product(a: Tensor | float, b: Tensor) -> Pair:
    """Return ``a * b`` rounded, and what the rounding lost (Dekker, 1971)."""
    factor = 2.0**27 + 1 if b.dtype == torch.float64 else 2.0**12 + 1
    product = a * b
    a_high = factor * a - (factor * a - a)
    b_high = factor * b - (factor * b - b)
    a_low, b_low = a - a_high, b - b_high
    lost = a_high * b_high - product + a_high * b_low + a_low * b_high + a_low * b_low
    return product, lost


def quotient(top: Pair, bottom: Pair) -> Tensor:
    """Divide one pair by another; what the division lost is divided once more."""
    first = top[0] / bottom[0]
    product, lost = two_product(first, bottom[0])
    rest = top[0] - product - lost + top[1] - first * bottom[1]
    return first + rest / bottom[0]
