"""Derivatives of the activations by hand, in forms that neither overflow nor cancel.

Each takes a float64 tensor and returns the slope or, of a softmax and its kin, the
Jacobian. At a kink it returns what torch returns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def step(x: Tensor) -> Tensor:
    """Return 0."""
    return torch.zeros_like(x)


def identity(x: Tensor) -> Tensor:
    """Return 1."""
    return torch.ones_like(x)


def sigmoid(x: Tensor) -> Tensor:
    """Return s (1 - s), where s is the sigmoid; no rounding lifts it above 1/4."""
    e = (-x.abs()).exp()
    return (e / (1 + e) ** 2).clamp(max=0.25)


def tanh(x: Tensor) -> Tensor:
    """Return 1 - tanh(x)**2, as four times the slope of the sigmoid at 2x."""
    return 4 * sigmoid(2 * x)


def softplus(x: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return the sigmoid of beta x."""
    return (beta * x).sigmoid()


def logsigmoid(x: Tensor) -> Tensor:
    """Return the sigmoid of -x."""
    return (-x).sigmoid()


def silu(x: Tensor) -> Tensor:
    """Return s (1 + x (1 - s)), where s is the sigmoid."""
    x = _finite(x)
    return x.sigmoid() * (1 + x * (-x).sigmoid())


def mish(x: Tensor) -> Tensor:
    """Return t + x (1 - t**2) s, where t is tanh(softplus(x)), s the sigmoid."""
    x = _finite(x)
    inner = functional.softplus(x, threshold=40)
    return inner.tanh() + x * tanh(inner) * x.sigmoid()


def gelu(x: Tensor) -> Tensor:
    """Return Phi(x) + x phi(x): the normal distribution function and its density."""
    x = _finite(x)
    density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return torch.erfc(-x / math.sqrt(2)) / 2 + x * density


def gelu_tanh(x: Tensor) -> Tensor:
    """Return s + x s (1 - s) v', where v = sqrt(8 / pi) (x + 0.044715 x**3)."""
    x, scale = _finite(x), math.sqrt(8 / math.pi)
    v = scale * (x + 0.044715 * x**3)
    return v.sigmoid() + x * sigmoid(v) * scale * (1 + 3 * 0.044715 * x**2)


def softsign(x: Tensor) -> Tensor:
    """Return 1 / (1 + |x|)**2."""
    return (1 + x.abs()).pow(-2)


def tanhshrink(x: Tensor) -> Tensor:
    """Return tanh(x)**2."""
    return x.tanh() ** 2


def relu(x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0."""
    return leaky_relu(x, negative_slope=0)


def leaky_relu(x: Tensor, *, negative_slope: float = 0.01) -> Tensor:
    """Return 1 where x > 0, else negative_slope."""
    return torch.where(x > 0, torch.ones_like(x), negative_slope)


def prelu(x: Tensor, *, weight: float = 0.25) -> Tensor:
    """Return 1 where x > 0, else weight."""
    return leaky_relu(x, negative_slope=weight)


def rrelu(x: Tensor, *, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """Return 1 where x > 0, else the mean of the two slopes."""
    return leaky_relu(x, negative_slope=(lower + upper) / 2)


def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return 1 where x > 0, else alpha exp(x)."""
    return torch.where(x > 0, 1, alpha * x.clamp(max=0).exp())


def selu(x: Tensor) -> Tensor:
    """Return scale * (1 where x > 0, else alpha exp(x))."""
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return 1 where x > 0, else exp(x / alpha)."""
    return (x.clamp(max=0) / alpha).exp()


def hardtanh(x: Tensor, *, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return 1 strictly between min_val and max_val, else 0."""
    return ((x > min_val) & (x < max_val)).to(x.dtype)


def relu6(x: Tensor) -> Tensor:
    """Return 1 strictly between 0 and 6, else 0."""
    return hardtanh(x, min_val=0, max_val=6)


def hardsigmoid(x: Tensor) -> Tensor:
    """Return 1/6 strictly between -3 and 3, else 0."""
    return hardtanh(x, min_val=-3, max_val=3) / 6


def hardswish(x: Tensor) -> Tensor:
    """Return 0 up to -3, 1 from 3 on, and x / 3 + 1/2 between."""
    return torch.where(x.abs() < 3, x / 3 + 0.5, relu(x))


def hardshrink(x: Tensor, *, lambd: float = 0.5) -> Tensor:
    """Return 1, but 0 where -lambd <= x <= lambd."""
    return (x.abs() > lambd).to(x.dtype)


softshrink = hardshrink


def threshold(x: Tensor, *, threshold: float = 1.0, value: float = 0.0) -> Tensor:
    """Return 1 where x > threshold, else 0, whatever the value."""
    return (x > threshold).to(x.dtype)


def softmax(x: Tensor) -> Tensor:
    """Return p_i (delta_ij - p_j)."""
    p = x.softmax(-1)
    return p.diag_embed() - p.unsqueeze(-1) * p.unsqueeze(-2)


def log_softmax(x: Tensor) -> Tensor:
    """Return delta_ij - p_j."""
    p = x.softmax(-1)
    return torch.ones_like(p).diag_embed() - p.unsqueeze(-2)


def softmin(x: Tensor) -> Tensor:
    """Return p_i (p_j - delta_ij)."""
    return -softmax(-x)


def glu(x: Tensor) -> Tensor:
    """Return [diag(sigmoid(b)), diag(a sigmoid'(b))], where x = [a, b]."""
    a, b = x.unflatten(-1, (2, -1)).unbind(-2)
    return torch.cat([b.sigmoid().diag_embed(), (a * sigmoid(b)).diag_embed()], -1)


def _finite(x: Tensor) -> Tensor:
    """Bring infinities near, where every exponential is 0 already: 0 times x is 0."""
    return x.clamp(-1e3, 1e3)
