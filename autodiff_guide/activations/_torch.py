"""torch's own activations, where their parameters need a name or a default."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def heaviside(x: Tensor) -> Tensor:
    """Return torch's step, 0 at 0."""
    return torch.heaviside(x, torch.zeros_like(x))


def prelu(x: Tensor, *, weight: float | Tensor = 0.25) -> Tensor:
    """Return torch's PReLU; a number is a weight for all channels."""
    weights = torch.as_tensor(weight, dtype=x.dtype, device=x.device)
    return functional.prelu(x, weights.view(-1))


def threshold(x: Tensor, *, threshold: float = 1.0, value: float = 0.0) -> Tensor:
    """Return torch's threshold, which has no defaults of its own."""
    return functional.threshold(x, threshold, value)


class PReLU(nn.PReLU):
    """torch's PReLU with one weight."""

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__(init=weight)


class RReLU(nn.RReLU):
    """torch's RReLU in evaluation, where the slope is not random."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__(lower, upper)
        self.eval()


class Threshold(nn.Threshold):
    """torch's threshold, which has no defaults of its own."""

    def __init__(self, threshold: float = 1.0, value: float = 0.0) -> None:
        super().__init__(threshold, value)
