"""Activations with kinks or jumps. At one, each slope returns what torch returns."""

from __future__ import annotations

import torch
from torch import Tensor

from autodiff_guide.activations._arithmetic import below_zero, rounded_once

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


@rounded_once
def step(x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0; `ceil` gives autograd the slope zero."""
    return x.clamp(0, 1).ceil()


@rounded_once
def step_slope(x: Tensor) -> Tensor:
    """Return 0."""
    return torch.zeros_like(x)


@rounded_once
def relu(x: Tensor) -> Tensor:
    """Return max(x, 0)."""
    return torch.where(x <= 0, 0, x)


@rounded_once
def relu_slope(x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0."""
    return torch.where(x > 0, 1.0, torch.zeros_like(x))


@rounded_once
def leaky_relu(x: Tensor, *, negative_slope: float = 0.01) -> Tensor:
    """Return x where x > 0, else negative_slope x."""
    return torch.where(x > 0, x, negative_slope * x)


@rounded_once
def leaky_relu_slope(x: Tensor, *, negative_slope: float = 0.01) -> Tensor:
    """Return 1 where x > 0, else negative_slope."""
    return torch.where(x > 0, torch.ones_like(x), negative_slope)


@rounded_once
def prelu(x: Tensor, *, weight: float | Tensor = 0.25) -> Tensor:
    """Return x where x > 0, else weight x."""
    return torch.where(x > 0, x, weight * x)


@rounded_once
def prelu_slope(x: Tensor, *, weight: float | Tensor = 0.25) -> Tensor:
    """Return 1 where x > 0, else weight."""
    return torch.where(x > 0, torch.ones_like(x), weight)


@rounded_once
def rrelu(x: Tensor, *, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """Return x where x > 0, else the mean of the two slopes, times x."""
    return torch.where(x > 0, x, (lower + upper) / 2 * x)


@rounded_once
def rrelu_slope(x: Tensor, *, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """Return 1 where x > 0, else the mean of the two slopes."""
    return torch.where(x > 0, torch.ones_like(x), (lower + upper) / 2)


@rounded_once
def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x where x > 0, else alpha (exp(x) - 1)."""
    return torch.where(x > 0, x, alpha * below_zero(x).expm1())


@rounded_once
def elu_slope(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return 1 where x > 0, else alpha exp(x)."""
    return torch.where(x > 0, 1, alpha * below_zero(x).exp())


@rounded_once
def selu(x: Tensor) -> Tensor:
    """Return scale * (x where x > 0, else alpha (exp(x) - 1))."""
    below = (SELU_SCALE * SELU_ALPHA) * below_zero(x).expm1()
    return torch.where(x > 0, SELU_SCALE * x, below)


@rounded_once
def selu_slope(x: Tensor) -> Tensor:
    """Return scale * (1 where x > 0, else alpha exp(x))."""
    below = (SELU_SCALE * SELU_ALPHA) * below_zero(x).exp()
    return torch.where(x > 0, SELU_SCALE, below)


@rounded_once
def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x where x > 0, else alpha (exp(x / alpha) - 1)."""
    return torch.where(x > 0, x, alpha * (below_zero(x) / alpha).expm1())


@rounded_once
def celu_slope(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return 1 where x > 0, else exp(x / alpha)."""
    return (below_zero(x) / alpha).exp()


@rounded_once
def hardtanh(x: Tensor, *, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return x kept between min_val and max_val."""
    return _clip(x, min_val, max_val)


@rounded_once
def hardtanh_slope(x: Tensor, *, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return 1 strictly between min_val and max_val, else 0."""
    return _between(x, min_val, max_val)


@rounded_once
def relu6(x: Tensor) -> Tensor:
    """Return x kept between 0 and 6."""
    return _clip(x, 0, 6)


@rounded_once
def relu6_slope(x: Tensor) -> Tensor:
    """Return 1 strictly between 0 and 6, else 0."""
    return _between(x, 0, 6)


@rounded_once
def hardsigmoid(x: Tensor) -> Tensor:
    """Return (x + 3) / 6 kept between 0 and 1."""
    return (_clip(x, -3, 3) + 3) / 6


@rounded_once
def hardsigmoid_slope(x: Tensor) -> Tensor:
    """Return 1/6 strictly between -3 and 3, else 0."""
    return _between(x, -3, 3) / 6


@rounded_once
def hardswish(x: Tensor) -> Tensor:
    """Return x hardsigmoid(x)."""
    return x.clamp(min=-3) * (_clip(x, -3, 3) + 3) / 6


@rounded_once
def hardswish_slope(x: Tensor) -> Tensor:
    """Return 0 up to -3, 1 from 3 on, and x / 3 + 1/2 between."""
    between = x.clamp(-3, 3) / 3 + 0.5
    return torch.where(x <= -3, 0.0, torch.where(x >= 3, 1.0, between))


@rounded_once
def hardshrink(x: Tensor, *, lambd: float = 0.5) -> Tensor:
    """Return x, but 0 where -lambd <= x <= lambd."""
    return torch.where(x.abs() <= lambd, 0, x)


@rounded_once
def shrink_slope(x: Tensor, *, lambd: float = 0.5) -> Tensor:
    """Return 1, but 0 where -lambd <= x <= lambd."""
    return torch.where(x.abs() <= lambd, torch.zeros_like(x), 1.0)


@rounded_once
def softshrink(x: Tensor, *, lambd: float = 0.5) -> Tensor:
    """Return x brought lambd nearer to zero, and 0 where it would pass zero."""
    return x - x.clamp(-lambd, lambd)


@rounded_once
def threshold(x: Tensor, *, threshold: float = 1.0, value: float = 0.0) -> Tensor:
    """Return x where x > threshold, else value."""
    return torch.where(x <= threshold, value, x)


@rounded_once
def threshold_slope(x: Tensor, *, threshold: float = 1.0, value: float = 0.0) -> Tensor:
    """Return 1 where x > threshold, else 0."""
    return torch.where(x > threshold, torch.ones_like(x), 0)


def _clip(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp with slope 0 at both ends, as torch's hard activations have it."""
    return torch.where(x <= low, low, torch.where(x >= high, high, x))


def _between(x: Tensor, low: float, high: float) -> Tensor:
    return torch.where((x > low) & (x < high), torch.ones_like(x), 0)
