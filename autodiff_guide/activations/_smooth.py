"""Activations without a kink: values and derivatives, in forms that never overflow.

With ``e = exp(-|x|)``, which is at most 1, they become ratios of sums of positive
terms, so that nothing overflows and nothing cancels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autodiff_guide.activations._arithmetic import (
    Pair,
    below_zero,
    minus_abs,
    quotient,
    rounded_once,
    two_product,
    two_sum,
)


@rounded_once
def identity(x: Tensor) -> Tensor:
    """Return x itself."""
    return x.clone()


@rounded_once
def identity_slope(x: Tensor) -> Tensor:
    """Return 1."""
    return torch.ones_like(x)


@rounded_once
def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return _logistic(minus_abs(x).exp(), x)


@rounded_once
def sigmoid_slope(x: Tensor) -> Tensor:
    """Return s (1 - s), where s is the sigmoid; no rounding lifts it above 1/4."""
    e = minus_abs(x).exp()
    return (e / (1 + e) ** 2).clamp(max=0.25)


@rounded_once
def tanh(x: Tensor) -> Tensor:
    """Return (exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return x.tanh()


@rounded_once
def tanh_slope(x: Tensor) -> Tensor:
    """Return 1 - tanh(x)**2; no rounding lifts it above 1."""
    e = (2 * minus_abs(x)).exp()
    return (4 * e / (1 + e) ** 2).clamp(max=1)


@rounded_once
def softplus(x: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return log(1 + exp(beta x)) / beta."""
    return x.relu() + (beta * minus_abs(x)).exp().log1p() / beta


@rounded_once
def softplus_slope(x: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return the sigmoid of beta x."""
    return _logistic((beta * minus_abs(x)).exp(), x)


@rounded_once
def logsigmoid(x: Tensor) -> Tensor:
    """Return log(sigmoid(x))."""
    return below_zero(x) - minus_abs(x).exp().log1p()


@rounded_once
def logsigmoid_slope(x: Tensor) -> Tensor:
    """Return the sigmoid of -x."""
    return _logistic(minus_abs(x).exp(), -x)


@rounded_once
def silu(x: Tensor) -> Tensor:
    """Return x sigmoid(x)."""
    x = _finite_below(x)
    return _times_logistic(x, minus_abs(x), torch.zeros_like(x))


@rounded_once
def silu_slope(x: Tensor) -> Tensor:
    """Return s (1 + x (1 - s)), where s is the sigmoid."""
    x = _finite(x)
    e = minus_abs(x).exp()
    s = _logistic(e, x)
    near = s * (1 + x * _logistic(e, -x))
    return _or_far_below(near, s, 1 + x, minus_abs(x))


@rounded_once
def mish(x: Tensor) -> Tensor:
    """Return x tanh(softplus(x)), by (1 + e)**2 = exp(2 softplus(-|x|))."""
    x = _finite_below(x)
    e = minus_abs(x).exp()
    wide, wide_low = two_sum(2.0, e)
    square, square_low = two_product(e, wide)  # (1 + e)**2 - 1
    square_low = square_low + e * wide_low
    total, total_low = two_sum(2.0, square)
    negative = below_zero(x)
    product, product_low = two_product(negative, square)
    below = quotient(
        (product, product_low + negative * square_low),
        (total, total_low + square_low),
    )
    above = x - x.clamp(min=0, max=1e3) * e**2 / (e**2 + e + 0.5)
    near = torch.where(x > 0, above, below)
    return _or_far_below(near, softplus(x).tanh(), negative, minus_abs(x))


@rounded_once
def mish_slope(x: Tensor) -> Tensor:
    """Return t + x (1 - t**2) s, where t is tanh(softplus(x)), s the sigmoid."""
    x = _finite(x)
    e = minus_abs(x).exp()
    positive = 4 * e**2 * (1 + e) / (1 + 2 * e + 2 * e**2) ** 2
    negative = 4 * e * (1 + e) / (2 + 2 * e + e**2) ** 2
    t = softplus(x).tanh()
    near = t + x * torch.where(x > 0, positive, negative)
    return _or_far_below(near, t, 1 + x, minus_abs(x))


@rounded_once
def gelu(x: Tensor) -> Tensor:
    """Return x Phi(x), where Phi is the normal distribution function."""
    x = _finite_below(x)
    below = below_zero(x)
    square, low = two_product(below, below)
    factor = below * torch.special.erfcx(-_SQRT_HALF[0] * below) / 2 * (1 - low / 2)
    share = _normal_cdf(x)
    return _or_far_below(x * share, share, factor, -square / 2)


@rounded_once
def gelu_slope(x: Tensor) -> Tensor:
    """Return Phi(x) + x phi(x), where phi is the normal density."""
    x = _finite(x)
    return _normal_cdf(x) + x * torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


@rounded_once
def gelu_tanh(x: Tensor) -> Tensor:
    """Return x (1 + tanh(u)) / 2, where u = sqrt(2 / pi) (x + 0.044715 x**3)."""
    return _times_logistic(x.clamp(min=-_FAR_OUT), *_tanh_gelu_exponent(x))


@rounded_once
def gelu_tanh_slope(x: Tensor) -> Tensor:
    """Return s + x s (1 - s) v', where v = 2u and s is its sigmoid."""
    exponent, low = _tanh_gelu_exponent(x)
    e = exponent.exp()
    x = x.clamp(-_FAR_OUT, _FAR_OUT)
    inner = _LINEAR[0] + 3 * _CUBIC[0] * x**2
    s = _logistic(e, x)
    near = s + x * e / (1 + e) ** 2 * inner
    return _or_far_below(near, s, (1 + x * inner) * (1 + low), exponent)


@rounded_once
def softsign(x: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    largest = torch.finfo(x.dtype).max
    x = x.clamp(-largest, largest)
    return x / (1 + x.abs())


@rounded_once
def softsign_slope(x: Tensor) -> Tensor:
    """Return 1 / (1 + |x|)**2."""
    return (1 + x.abs()) ** -2


@rounded_once
def tanhshrink(x: Tensor) -> Tensor:
    """Return x - tanh(x), by tanh's continued fraction where the two nearly cancel."""
    near = x.clamp(-2, 2)
    square = near**2
    fraction = torch.zeros_like(x)
    for odd in range(23, 3, -2):
        fraction = square / (odd + fraction)
    return torch.where(
        x.abs() < 2, near * square / (square + 3 + fraction), x - x.tanh()
    )


@rounded_once
def tanhshrink_slope(x: Tensor) -> Tensor:
    """Return tanh(x)**2."""
    return x.tanh() ** 2


_FAR_OUT = 30.0  # the tanh form of GELU is 0 below minus this, x itself above
# 2 sqrt(2 / pi) and 0.044715 times it, each as a float64 and what that lacks.
_LINEAR = (1.5957691216057308, -9.96930880911092e-17)
_CUBIC = (0.07135481627260025, -6.175149918155315e-19)
_SQRT_HALF = (0.7071067811865476, -4.833646656726457e-17)


def _finite_below(x: Tensor) -> Tensor:
    """Replace -inf, where exp(x) is 0 already, by a number that 0 can multiply."""
    return x.clamp(min=-1e3)


def _finite(x: Tensor) -> Tensor:
    return x.clamp(-1e3, 1e3)


def _or_far_below(near: Tensor, share: Tensor, factor: Tensor, power: Tensor) -> Tensor:
    """Return `near`; where its factor `share` is too small, ``factor exp(power)``.

    A subnormal `share` has few digits, and a product with it no more.
    """
    far = factor * (power + 50).exp() * math.exp(-50)
    return torch.where(share < torch.finfo(share.dtype).tiny, far, near)


def _logistic(e: Tensor, x: Tensor) -> Tensor:
    """Return the sigmoid that belongs to ``e = exp(-|x|)`` and the sign of x."""
    return torch.where(x > 0, 1, e) / (1 + e)


def _times_logistic(x: Tensor, exponent: Tensor, low: Tensor) -> Tensor:
    """Return x times the sigmoid of -(exponent + low), where x > 0, or of that."""
    power = exponent.exp()
    total, total_low = two_sum(1.0, power)
    negative = below_zero(x)
    product, product_low = two_product(negative, power)
    below = quotient(
        (product, product_low + product * low), (total, total_low + power * low)
    )
    near = torch.where(x > 0, x / total, below)
    return _or_far_below(near, _logistic(power, x), negative * (1 + low), exponent)


def _normal_cdf(x: Tensor) -> Tensor:
    """Return Phi(x); erfc magnifies a rounded argument, so its error is given back."""
    high, low = two_product(-_SQRT_HALF[0], x.clamp(-40, 40))
    low = low - _SQRT_HALF[1] * x.clamp(-40, 40)
    slope = -2 / math.sqrt(math.pi) * torch.exp(-(high**2))
    return (torch.erfc(high) + slope * low) / 2


def _tanh_gelu_exponent(x: Tensor) -> Pair:
    """Return -2 sqrt(2 / pi) (|x| + 0.044715 |x|**3), and what rounding lost of it."""
    x = minus_abs(x).clamp(min=-_FAR_OUT)
    square, square_low = two_product(x, x)
    term, term_low = two_product(_CUBIC[0], square)
    term_low = term_low + _CUBIC[0] * square_low + _CUBIC[1] * square
    factor, factor_low = two_sum(_LINEAR[0], term)
    factor_low = factor_low + term_low + _LINEAR[1]
    high, low = two_product(x, factor)
    return high, low + x * factor_low
