"""The five classics once more, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def step(x: Array) -> Array:
    """Return 1 where x > 0, else 0."""
    return np.heaviside(x, np.zeros_like(x))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    value: Array = np.where(x > 0, np.ones_like(e), e) / (1 + e)
    return value


def tanh(x: Array) -> Array:
    """Return (exp(x) - exp(-x)) / (exp(x) + exp(-x)), without overflow."""
    t = np.expm1(-2 * np.abs(x))
    size: Array = t / (2 + t)
    return np.copysign(size, x)


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, np.zeros_like(x))


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), without overflow."""
    return relu(x) + np.log1p(np.exp(-np.abs(x)))
