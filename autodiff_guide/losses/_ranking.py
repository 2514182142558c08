"""Losses that compare: which is larger, which are alike, which side of a margin."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

from autodiff_guide._validate import require_floating, require_tensor
from autodiff_guide.losses._loss import (
    Line,
    Loss,
    elementwise,
    elementwise_gradient,
    random_like,
    reduced,
    reduced_gradient,
    require_shape,
    softplus,
)

_SMALL = 1e-12  # torch adds it to squared lengths, so that a zero vector has a cosine


@elementwise
def _hinge_embedding(output: Tensor, target: Tensor, *, margin: float = 1.0) -> Tensor:
    return torch.where(target == 1, output, (margin - output).clamp(min=0))


@elementwise_gradient
def _hinge_embedding_gradient(
    output: Tensor, target: Tensor, *, margin: float = 1.0
) -> Tensor:
    inside = (output <= margin).to(output.dtype)
    return torch.where(target == 1, 1, -inside)


@elementwise
def _soft_margin(output: Tensor, target: Tensor) -> Tensor:
    return softplus(-target * output)


@elementwise_gradient
def _soft_margin_gradient(output: Tensor, target: Tensor) -> Tensor:
    return -target * (-target * output).sigmoid()


def _check_ranking(first: Tensor, second: Tensor, target: Tensor) -> None:
    require_floating("first", first)
    require_floating("second", second)
    require_shape("second", second, tuple(first.shape))
    require_shape("target", require_tensor("target", target), tuple(first.shape))


def _margin_ranking(
    first: Tensor,
    second: Tensor,
    target: Tensor,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    _check_ranking(first, second, target)
    return reduced((margin - target * (first - second)).clamp(min=0), reduction)


def _margin_ranking_gradient(
    first: Tensor,
    second: Tensor,
    target: Tensor,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> tuple[Tensor, Tensor]:
    _check_ranking(first, second, target)
    violated = margin - target * (first - second) >= 0
    slopes = reduced_gradient(
        torch.where(violated, -target, 0).to(first.dtype), reduction, first.numel()
    )
    return slopes, -slopes


def _check_cosine(first: Tensor, second: Tensor, target: Tensor) -> None:
    require_floating("first", first)
    require_floating("second", second)
    require_shape("second", second, tuple(first.shape))
    require_shape("target", require_tensor("target", target), tuple(first.shape[:-1]))


def _cosine(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cosine between vectors in the last axis, and their squared lengths."""
    first_square = (first * first).sum(-1) + _SMALL
    second_square = (second * second).sum(-1) + _SMALL
    product = (first * second).sum(-1)
    return product / (first_square * second_square).sqrt(), first_square, second_square


def _cosine_embedding(
    first: Tensor,
    second: Tensor,
    target: Tensor,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    _check_cosine(first, second, target)
    cosine, _, _ = _cosine(first, second)
    values = torch.where(target == 1, 1 - cosine, (cosine - margin).clamp(min=0))
    return reduced(values, reduction)


def _cosine_embedding_gradient(
    first: Tensor,
    second: Tensor,
    target: Tensor,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
) -> tuple[Tensor, Tensor]:
    _check_cosine(first, second, target)
    cosine, first_square, second_square = _cosine(first, second)
    by_cosine = torch.where(target == 1, -1, (cosine >= margin).to(cosine.dtype))
    slope = reduced_gradient(by_cosine, reduction, target.numel())[..., None]
    lengths = (first_square * second_square).sqrt()[..., None]
    return (
        slope * (second / lengths - (cosine / first_square)[..., None] * first),
        slope * (first / lengths - (cosine / second_square)[..., None] * second),
    )


def _check_triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
    require_floating("anchor", anchor)
    require_floating("positive", positive)
    require_floating("negative", negative)
    require_shape("positive", positive, tuple(anchor.shape))
    require_shape("negative", negative, tuple(anchor.shape))


def _distance(first: Tensor, second: Tensor, p: float, eps: float) -> Tensor:
    distance: Tensor = torch.linalg.vector_norm(first - second + eps, p, dim=-1)
    return distance


def _distance_gradient(first: Tensor, second: Tensor, p: float, eps: float) -> Tensor:
    """Gradient of the distance by `first`; that by `second` is its negative."""
    difference = first - second + eps
    distance = _distance(first, second, p, eps).unsqueeze(-1)
    return difference.sign() * (difference.abs() / distance) ** (p - 1)


def _triplet_margin(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    _check_triplet(anchor, positive, negative)
    near = _distance(anchor, positive, p, eps)
    far = _distance(anchor, negative, p, eps)
    if swap:
        far = torch.minimum(far, _distance(positive, negative, p, eps))
    return reduced((margin + near - far).clamp(min=0), reduction)


def _triplet_margin_gradient(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> tuple[Tensor, Tensor, Tensor]:
    _check_triplet(anchor, positive, negative)
    near = _distance(anchor, positive, p, eps)
    far = _distance(anchor, negative, p, eps)
    swapped = torch.zeros_like(far, dtype=torch.bool)
    if swap:
        other = _distance(positive, negative, p, eps)
        swapped, far = other < far, torch.minimum(far, other)
    active = (margin + near - far >= 0).to(near.dtype)
    slope = reduced_gradient(active, reduction, near.numel()).unsqueeze(-1)
    pull = slope * _distance_gradient(anchor, positive, p, eps)
    push = slope * torch.where(
        swapped.unsqueeze(-1),
        _distance_gradient(positive, negative, p, eps),
        _distance_gradient(anchor, negative, p, eps),
    )
    from_positive = torch.where(swapped.unsqueeze(-1), push, 0)
    return pull - (push - from_positive), -pull - from_positive, push


def _signs(rows: int, columns: int, generator: Generator | None) -> Tensor:
    return random_like(rows, columns, generator).sign()


def _score_and_sign(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    output = 2 * random_like(rows, columns, generator)
    return output, _signs(rows, columns, generator)


def _two_scores_and_sign(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    first, target = _score_and_sign(rows, columns, generator)
    return first, random_like(rows, columns, generator), target


def _two_vectors_and_sign(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    first, second, target = _two_scores_and_sign(rows, columns, generator)
    return first, second, target[:, 0]


def _three_vectors(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    anchor, positive, _ = _two_scores_and_sign(rows, columns, generator)
    return anchor, positive, random_like(rows, columns, generator)


def _turning(t: Tensor) -> tuple[Tensor, ...]:
    ones, zeros = torch.ones_like(t), torch.zeros_like(t)
    return torch.stack([t, ones], 1), torch.stack([ones, zeros], 1), ones


def _approaching(t: Tensor) -> tuple[Tensor, ...]:
    zeros = torch.zeros_like(t)[:, None]
    return zeros, t[:, None], zeros + 2


RANKING = (
    Loss(
        name="hinge_embedding",
        formula=r"x \text{ if } y = 1, \quad \max(0, m - x) \text{ if } y = -1",
        gradient_formula=r"1 \text{ if } y = 1, \quad -[x \le m] \text{ if } y = -1",
        function=_hinge_embedding,
        gradient=_hinge_embedding_gradient,
        torch_twin=functional.hinge_embedding_loss,
        convex_in=("output",),
        source="R. Hadsell, S. Chopra and Y. LeCun, 2006, doi:10.1109/CVPR.2006.100",
        notes="The output is a distance; targets are 1 (alike) and −1 (not alike).",
        sample=_score_and_sign,
        line=Line("output, target −1", -1.0, 3.0, lambda t: (t, -torch.ones_like(t))),
    ),
    Loss(
        name="soft_margin",
        formula=r"\log(1 + e^{-y x})",
        gradient_formula=r"-y\, \sigma(-y x)",
        function=_soft_margin,
        gradient=_soft_margin_gradient,
        torch_twin=functional.soft_margin_loss,
        convex_in=("output",),
        source="J. Friedman et al., 2000, doi:10.1214/aos/1016218223",
        notes=(
            "bce_with_logits for targets 1 and −1. Torch's twin overflows: from "
            "y x = −89 on in float32 it returns inf, and nan as the gradient."
        ),
        sample=_score_and_sign,
        line=Line("output, target 1", -4.0, 4.0, lambda t: (t, torch.ones_like(t))),
    ),
    Loss(
        name="margin_ranking",
        formula=r"\max(0, m - y (x_1 - x_2))",
        gradient_formula=r"\mp y\, [m - y (x_1 - x_2) \ge 0]",
        function=_margin_ranking,
        gradient=_margin_ranking_gradient,
        torch_twin=functional.margin_ranking_loss,
        outputs=("first", "second"),
        convex_in=("first", "second"),
        source="T. Joachims, 2002, doi:10.1145/775047.775067",
        notes="Target 1: the first should be larger. With margin 0 a tie is free.",
        sample=_two_scores_and_sign,
        line=Line(
            "first − second, target 1",
            -3.0,
            2.0,
            lambda t: (t, torch.zeros_like(t), torch.ones_like(t)),
        ),
    ),
    Loss(
        name="cosine_embedding",
        formula=r"1 - c \text{ if } y = 1, \quad \max(0, c - m) \text{ if } y = -1",
        gradient_formula=(
            r"\mp \left( \frac{x_2}{|x_1| |x_2|} - c \frac{x_1}{|x_1|^2} \right), "
            r"\quad c = \frac{\langle x_1, x_2 \rangle}{|x_1| |x_2|}"
        ),
        function=_cosine_embedding,
        gradient=_cosine_embedding_gradient,
        torch_twin=functional.cosine_embedding_loss,
        outputs=("first", "second"),
        convex_in=(),
        source="G. Salton, A. Wong and C. S. Yang, 1975, doi:10.1145/361219.361220",
        notes="Sees directions only: the gradient is at right angles to each vector.",
        sample=_two_vectors_and_sign,
        line=Line("t in the vector (t, 1), other (1, 0)", -4.0, 4.0, _turning),
    ),
    Loss(
        name="triplet_margin",
        formula=r"\max(0, m + |a - p| - |a - n|)",
        gradient_formula=(
            r"g_p = -\frac{a - p}{|a - p|}, \quad g_n = \frac{a - n}{|a - n|}, \quad "
            r"g_a = -g_p - g_n"
        ),
        function=_triplet_margin,
        gradient=_triplet_margin_gradient,
        torch_twin=functional.triplet_margin_loss,
        outputs=("anchor", "positive", "negative"),
        convex_in=("positive",),
        source=(
            "F. Schroff, D. Kalenichenko and J. Philbin, 2015, arXiv:1503.03832; "
            "swap: V. Balntas et al., 2016, doi:10.5244/C.30.119"
        ),
        notes="No target: the roles of the three are in their order.",
        sample=_three_vectors,
        line=Line("positive (anchor 0, negative 2)", -3.0, 3.0, _approaching),
    ),
)
