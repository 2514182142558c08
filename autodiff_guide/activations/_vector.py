"""Activations that mix the entries of a vector, along the last dimension.

Their derivative is a Jacobian: for x of shape ``(*, n)`` and a value of shape
``(*, m)`` it has shape ``(*, m, n)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autodiff_guide.activations._arithmetic import rounded_once, two_sum
from autodiff_guide.activations._smooth import sigmoid, sigmoid_slope


@rounded_once
def softmax(x: Tensor) -> Tensor:
    """Return exp(x_i) / sum_j exp(x_j)."""
    power, lost, _, largest = _shifted(x)
    others = _all_but(largest, power + power * lost)
    total, total_lost = two_sum(1.0, others)
    share = power / total
    return share + share * (lost - total_lost / total)


@rounded_once
def softmax_jacobian(x: Tensor) -> Tensor:
    """Return p_i (delta_ij - p_j)."""
    p = softmax(x)
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


@rounded_once
def log_softmax(x: Tensor) -> Tensor:
    """Return x_i - log(sum_j exp(x_j)); the largest power, 1, is left to log1p."""
    power, lost, shift, largest = _shifted(x)
    return shift - _all_but(largest, power + power * lost).log1p()


@rounded_once
def log_softmax_jacobian(x: Tensor) -> Tensor:
    """Return delta_ij - p_j."""
    p = softmax(x).unsqueeze(-2)
    return torch.eye(p.shape[-1], dtype=p.dtype, device=p.device) - p


@rounded_once
def softmin(x: Tensor) -> Tensor:
    """Return exp(-x_i) / sum_j exp(-x_j)."""
    return softmax(-x)


@rounded_once
def softmin_jacobian(x: Tensor) -> Tensor:
    """Return p_i (p_j - delta_ij)."""
    return -softmax_jacobian(-x)


@rounded_once
def glu(x: Tensor) -> Tensor:
    """Return a sigmoid(b), where a and b are the two halves of x."""
    a, b = _halves(x)
    return a * sigmoid(b)


@rounded_once
def glu_jacobian(x: Tensor) -> Tensor:
    """Return [diag(sigmoid(b)), diag(a sigmoid'(b))]."""
    a, b = _halves(x)
    blocks = torch.diag_embed(sigmoid(b)), torch.diag_embed(a * sigmoid_slope(b))
    return torch.cat(blocks, -1)


def _shifted(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return exp(x - max x), its relative error, x - max x, and where the maximum is.

    A rounded difference of 700 would spoil the exponential's last ten bits; the error
    is what the rounding lost.
    """
    top, largest = x.max(-1, keepdim=True)
    shift, lost = two_sum(x, -top)
    return shift.exp(), torch.where(lost.isnan(), 0, lost), shift, largest


def _all_but(index: Tensor, power: Tensor) -> Tensor:
    return power.scatter(-1, index, 0).sum(-1, keepdim=True)


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim == 0 or x.shape[-1] % 2:
        raise ValueError(
            f"x: expected an even last dimension, got shape {tuple(x.shape)}; "
            "glu gates its first half by its second"
        )
    a, b = x.chunk(2, -1)
    return a, b
