"""Gradients of the losses by hand: each by the outputs, of the sum over all samples.

Settings are those of the formula, named as in torch, and the weights, the ignored
class and the smoothing of cross-entropy. At a kink the gradient takes the side that
torch takes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autodiff_guide.losses._loss import require_shape
from autodiff_guide.losses._operands import class_axis

Weight = Tensor | None
_SMALL = 1e-12  # torch adds it to squared lengths, so that a zero vector has a cosine


def mse_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return 2 (x - y)."""
    return 2 * (output - target)


def l1_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the sign of x - y."""
    return (output - target).sign()


def huber_loss(output: Tensor, target: Tensor, *, delta: float = 1.0) -> Tensor:
    """Return x - y, but never further from 0 than delta."""
    return (output - target).clamp(-delta, delta)


def smooth_l1_loss(output: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return (x - y) / beta, but never further from 0 than 1."""
    residual = output - target
    return (residual / beta).clamp(-1, 1) if beta else residual.sign()


def poisson_nll_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return exp(x) - y."""
    return output.exp() - target


def gaussian_nll_loss(
    mean: Tensor, variance: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """Return r / v and (1 - r**2 / v) / 2v, where r is mean - target.

    Variances below 1e-6 are raised to it; the gradient passes as if they were not.
    """
    raised = variance.clamp(min=1e-6)
    residual = mean - target
    by_variance = 0.5 * (1 - residual**2 / raised) / raised
    return residual / raised, by_variance.sum_to_size(variance.shape)


def cross_entropy(output: Tensor, target: Tensor, **settings: Any) -> Tensor:
    """Return softmax(x) minus the target's share of each class."""
    axis = class_axis(output)
    shares = _shares(output, target, **settings)
    return output.softmax(axis) * shares.sum(axis, keepdim=True) - shares


def nll_loss(output: Tensor, target: Tensor, **settings: Any) -> Tensor:
    """Return -1 for the right class, 0 for the others, times the weights."""
    return -_shares(output, target, **settings)


def weight_of_targets(
    output: Tensor, target: Tensor, *, label_smoothing: float = 0.0, **settings: Any
) -> Tensor | int:
    """Return by what the mean divides: the right classes' weights, smoothed or not."""
    if target.is_floating_point():
        return output.numel() // output.shape[class_axis(output)]
    return _shares(output, target, **settings).sum()


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return (x - y) / (x (1 - x)); the denominator stops at 1e-12, as in torch."""
    return (output - target) / (output * (1 - output)).clamp(min=1e-12)


def binary_cross_entropy_with_logits(output: Tensor, target: Tensor) -> Tensor:
    """Return sigmoid(x) - y."""
    return output.sigmoid() - target


def kl_div(output: Tensor, target: Tensor) -> Tensor:
    """Return -y."""
    return -target


def multi_margin_loss(
    output: Tensor, target: Tensor, *, p: int = 1, margin: float = 1.0
) -> Tensor:
    """Return a push for each class within the margin, and their sum for the right."""
    axis = class_axis(output)
    everyone = torch.ones_like(target, dtype=torch.bool)
    right = _right_class(output, target, everyone, axis)
    own = output.gather(axis, target.unsqueeze(axis))
    excess = margin - own + output
    push = p * excess ** (p - 1) / output.shape[axis]
    pushes = torch.where((excess > 0) & ~right, push, 0)
    return torch.where(right, -pushes.sum(axis, keepdim=True), pushes)


def hinge_embedding_loss(
    output: Tensor, target: Tensor, *, margin: float = 1.0
) -> Tensor:
    """Return 1 where y = 1, else -1 up to the margin and 0 beyond."""
    inside = (output <= margin).to(output.dtype)
    return torch.where(target == 1, 1, -inside)


def soft_margin_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return -y sigmoid(-y x)."""
    return -target * (-target * output).sigmoid()


def margin_ranking_loss(
    first: Tensor, second: Tensor, target: Tensor, *, margin: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return -y and y where the two are not apart by the margin, else 0."""
    violated = margin - target * (first - second) >= 0
    slopes = torch.where(violated, -target, 0).to(first.dtype)
    return slopes, -slopes


def cosine_embedding_loss(
    first: Tensor, second: Tensor, target: Tensor, *, margin: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the cosine, times -1 where alike, else 1 or 0."""
    first_square = (first * first).sum(-1, keepdim=True) + _SMALL
    second_square = (second * second).sum(-1, keepdim=True) + _SMALL
    lengths = (first_square * second_square).sqrt()
    cosine = (first * second).sum(-1, keepdim=True) / lengths
    active = (cosine >= margin).to(cosine.dtype)
    slope = torch.where(target.unsqueeze(-1) == 1, -1, active)
    return (
        slope * (second / lengths - cosine / first_square * first),
        slope * (first / lengths - cosine / second_square * second),
    )


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, margin: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of two distances' difference, where that is too small."""
    near, pull = _distance(anchor, positive)
    far, push = _distance(anchor, negative)
    active = (margin + near - far >= 0).to(near.dtype)
    return active * (pull - push), -active * pull, active * push


def number_of_rows(anchor: Tensor, *others: Tensor, **settings: object) -> int:
    """Return how many vectors there are: by that the mean of triplets divides."""
    return anchor[..., 0].numel()


def _distance(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the length of each row's difference, and its gradient by `first`."""
    difference = first - second + 1e-6  # which torch adds, too
    distance = torch.linalg.vector_norm(difference, dim=-1, keepdim=True)
    return distance, difference / distance


def _along(axis: int, values: Tensor, output: Tensor) -> Tensor:
    """Give a vector the shape that broadcasts along an axis of `output`."""
    return values.view(-1, *[1] * (output.ndim - 1 - axis))


def _right_class(output: Tensor, target: Tensor, kept: Tensor, axis: int) -> Tensor:
    """Mark the class that each target names, in the shape of `output`."""
    classes = output.shape[axis]
    if bool((kept & ((target < 0) | (target >= classes))).any()):
        raise ValueError(
            f"target: expected classes from 0 to {classes - 1}, got others; "
            "give what is to be skipped the number ignore_index"
        )
    numbers = _along(axis, torch.arange(classes, device=output.device), output)
    return (numbers == target.unsqueeze(axis)) & kept.unsqueeze(axis)


def _class_weights(output: Tensor, weight: Weight, axis: int) -> Tensor:
    """One weight per class, in a shape that broadcasts along the class axis."""
    if weight is None:
        return output.new_ones(())
    require_shape("weight", weight, (output.shape[axis],))
    return _along(axis, weight, output)


def _shares(
    output: Tensor,
    target: Tensor,
    *,
    weight: Weight = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """How much of the -log p of each class is in the loss."""
    axis = class_axis(output)
    if target.is_floating_point():
        share, everyone = target, torch.ones_like(target, dtype=torch.bool)
    else:
        kept = target != ignore_index
        share = _right_class(output, target, kept, axis).to(output.dtype)
        everyone = kept.unsqueeze(axis)
    smoothed = label_smoothing / output.shape[axis] * everyone
    share = (1 - label_smoothing) * share + smoothed
    return _class_weights(output, weight, axis) * share
