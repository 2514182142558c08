"""Losses of a guess at which class it is, or how probable."""

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
from autodiff_guide.losses._softmax import log_softmax, softmax


def _class_axis(output: Tensor) -> int:
    """Classes lie along axis 1, or along the only one; errors if there is none."""
    if require_floating("output", output).ndim == 0:
        raise ValueError(
            "output: expected shape (C,) or (N, C, *), got (); one score per class"
        )
    return min(output.ndim - 1, 1)


def _right_class(output: Tensor, target: Tensor, kept: Tensor, axis: int) -> Tensor:
    """Mark the class that each target names, in the shape of `output`."""
    require_shape("target", target, (*output.shape[:axis], *output.shape[axis + 1 :]))
    classes = output.shape[axis]
    if bool((kept & ((target < 0) | (target >= classes))).any()):
        raise ValueError(
            f"target: expected classes from 0 to {classes - 1}, got others; "
            "give what is to be skipped the number ignore_index"
        )
    named = _numbered_classes(output, axis) == target.unsqueeze(axis)
    return named & kept.unsqueeze(axis)


def _numbered_classes(output: Tensor, axis: int) -> Tensor:
    shape = [1] * output.ndim
    shape[axis] = output.shape[axis]
    return torch.arange(output.shape[axis], device=output.device).view(shape)


def _class_weights(output: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    """One weight per class, in a shape that broadcasts along the class axis."""
    if weight is None:
        return output.new_ones(())
    require_shape("weight", weight, (output.shape[axis],))
    return weight[_numbered_classes(output, axis)]


def _shares(
    output: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Tensor, Tensor | int, int]:
    """How much of each −log p is in the loss, their total weight, the class axis."""
    axis = _class_axis(output)
    weights = _class_weights(output, weight, axis)
    classes = output.shape[axis]
    if require_tensor("target", target).is_floating_point():
        require_shape("target", target, tuple(output.shape))
        share, everyone = target, torch.ones_like(target)
        total: Tensor | int = output.numel() // classes
    else:
        kept = target != ignore_index
        share = _right_class(output, target, kept, axis).to(output.dtype)
        everyone = kept.unsqueeze(axis)
        total = (weights * share).sum()
    smoothed = (1 - label_smoothing) * share + label_smoothing / classes * everyone
    return weights * smoothed, total, axis


def _expected(share: Tensor, values: Tensor, axis: int) -> Tensor:
    """Sum of `share` times `values` over the classes, where 0 × ∞ counts 0."""
    return torch.where(share == 0, 0, share * values).sum(axis)


def _cross_entropy(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    share, total, axis = _shares(output, target, weight, ignore_index, label_smoothing)
    values = -_expected(share, log_softmax(output, axis), axis)
    return reduced(values, reduction, total)


def _cross_entropy_gradient(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    share, total, axis = _shares(output, target, weight, ignore_index, label_smoothing)
    slopes = softmax(output, axis) * share.sum(axis, keepdim=True) - share
    return reduced_gradient(slopes, reduction, total)


def _nll(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    share, total, axis = _shares(output, target, weight, ignore_index, 0.0)
    return reduced(-_expected(share, output, axis), reduction, total)


def _nll_gradient(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    share, total, _ = _shares(output, target, weight, ignore_index, 0.0)
    return reduced_gradient(-share, reduction, total)


@elementwise
def _bce(output: Tensor, target: Tensor, *, weight: Tensor | None = None) -> Tensor:
    yes, no = output.log().clamp(min=-100), (-output).log1p().clamp(min=-100)
    values = -(target * yes + (1 - target) * no)
    return values if weight is None else weight * values


@elementwise_gradient
def _bce_gradient(
    output: Tensor, target: Tensor, *, weight: Tensor | None = None
) -> Tensor:
    slopes = (output - target) / (output * (1 - output)).clamp(min=1e-12)
    return slopes if weight is None else weight * slopes


@elementwise
def _bce_with_logits(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
) -> Tensor:
    yes = target if pos_weight is None else pos_weight * target
    no = 1 - target
    values = no * output + (yes + no) * softplus(-output)
    return values if weight is None else weight * values


@elementwise_gradient
def _bce_with_logits_gradient(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
) -> Tensor:
    yes = target if pos_weight is None else pos_weight * target
    slopes = (yes + 1 - target) * output.sigmoid() - yes
    return slopes if weight is None else weight * slopes


@elementwise
def _kl(output: Tensor, target: Tensor) -> Tensor:
    return torch.xlogy(target, target) - target * output


@elementwise_gradient
def _kl_gradient(output: Tensor, target: Tensor) -> Tensor:
    return -target


def _margins(
    output: Tensor, target: Tensor, weight: Tensor | None, margin: float
) -> tuple[Tensor, Tensor, Tensor]:
    """How far each wrong class reaches over the margin, its weight, the right class."""
    axis = _class_axis(output)
    everyone = torch.ones_like(target, dtype=torch.bool)
    right = _right_class(output, target, everyone, axis)
    own = output.gather(axis, target.unsqueeze(axis))
    excess = torch.where(right, 0, (margin - own + output).relu())
    own_weight = (_class_weights(output, weight, axis) * right).sum(axis, keepdim=True)
    return excess, own_weight / output.shape[axis], right


def _multi_margin(
    output: Tensor,
    target: Tensor,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    excess, own_weight, _ = _margins(output, target, weight, margin)
    return reduced((own_weight * excess**p).sum(_class_axis(output)), reduction)


def _multi_margin_gradient(
    output: Tensor,
    target: Tensor,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    excess, own_weight, right = _margins(output, target, weight, margin)
    pushes = torch.where(excess > 0, own_weight * p * excess ** (p - 1), 0)
    own_push = pushes.sum(_class_axis(output), keepdim=True)
    slopes = torch.where(right, -own_push, pushes)
    return reduced_gradient(slopes, reduction, target.numel())


def _classes(rows: int, columns: int, generator: Generator | None) -> Tensor:
    return random_like(rows, columns, generator).argmax(1)


def _logits_and_class(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    logits = 2 * random_like(rows, columns, generator)
    return logits, _classes(rows, columns, generator)


def _log_probabilities_and_class(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    logits, target = _logits_and_class(rows, columns, generator)
    return log_softmax(logits), target


def _probabilities(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    output, target = _logits_and_probabilities(rows, columns, generator)
    return output.sigmoid(), target


def _logits_and_probabilities(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    logits = 2 * random_like(rows, columns, generator)
    return logits, random_like(rows, columns, generator).sigmoid()


def _two_distributions(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    output = log_softmax(random_like(rows, columns, generator))
    return output, softmax(random_like(rows, columns, generator))


def _first_of_three(t: Tensor) -> tuple[Tensor, ...]:
    scores = torch.stack([t, torch.zeros_like(t), torch.zeros_like(t)], dim=1)
    return scores, torch.zeros_like(t, dtype=torch.long)


CLASSIFICATION = (
    Loss(
        name="cross_entropy",
        formula=r"\log \sum_j e^{x_j} - x_y",
        gradient_formula=r"p_j - \delta_{jy}, \quad p = \operatorname{softmax}(x)",
        function=_cross_entropy,
        gradient=_cross_entropy_gradient,
        torch_twin=functional.cross_entropy,
        convex_in=("output",),
        source=(
            "J. S. Bridle, 1990, doi:10.1007/978-3-642-76153-9_28; "
            "label smoothing: C. Szegedy et al., 2016, arXiv:1512.00567"
        ),
        notes=(
            "Takes logits, never probabilities. The target is a class for each row or "
            "a distribution over the classes. Weighted means divide by the weights."
        ),
        sample=_logits_and_class,
        line=Line("logit of the right class of three", -4.0, 4.0, _first_of_three),
    ),
    Loss(
        name="nll",
        formula=r"-x_y",
        gradient_formula=r"-\delta_{jy}",
        function=_nll,
        gradient=_nll_gradient,
        torch_twin=functional.nll_loss,
        convex_in=("output",),
        source="R. A. Fisher, 1922, doi:10.1098/rsta.1922.0009",
        notes="Takes logarithms of probabilities and does not check that they are.",
        sample=_log_probabilities_and_class,
        line=Line("log p of the right class", -4.0, 0.0, _first_of_three),
    ),
    Loss(
        name="bce",
        formula=r"-y \log x - (1 - y) \log(1 - x)",
        gradient_formula=r"\frac{x - y}{x (1 - x)}",
        function=_bce,
        gradient=_bce_gradient,
        torch_twin=functional.binary_cross_entropy,
        convex_in=("output",),
        source="D. R. Cox, 1958, doi:10.1111/j.2517-6161.1958.tb00292.x",
        notes=(
            "Takes probabilities. Logarithms stop at −100, and the denominator of the "
            "gradient at 1e-12, as in torch; bce_with_logits needs no such stops."
        ),
        sample=_probabilities,
        line=Line("output, target 1", 0.15, 0.99, lambda t: (t, torch.ones_like(t))),
    ),
    Loss(
        name="bce_with_logits",
        formula=r"(1 - y)\, x + \log(1 + e^{-x})",
        gradient_formula=r"\sigma(x) - y",
        function=_bce_with_logits,
        gradient=_bce_with_logits_gradient,
        torch_twin=functional.binary_cross_entropy_with_logits,
        convex_in=("output",),
        source="D. R. Cox, 1958, doi:10.1111/j.2517-6161.1958.tb00292.x",
        notes="Sigmoid and bce in one; no logit is too large for it.",
        sample=_logits_and_probabilities,
        line=Line("logit, target 1", -4.0, 4.0, lambda t: (t, torch.ones_like(t))),
    ),
    Loss(
        name="kl",
        formula=r"y (\log y - x)",
        gradient_formula=r"-y",
        function=_kl,
        gradient=_kl_gradient,
        torch_twin=functional.kl_div,
        convex_in=("output",),
        source="S. Kullback and R. A. Leibler, 1951, doi:10.1214/aoms/1177729694",
        notes=(
            "The output holds logarithms, the target probabilities. The divergence of "
            "a batch is the sum over its rows; 'mean' divides by the classes as well."
        ),
        sample=_two_distributions,
        line=Line(
            "log of one p, target 0.5",
            -4.0,
            0.0,
            lambda t: (t, torch.full_like(t, 0.5)),
        ),
    ),
    Loss(
        name="multi_margin",
        formula=r"\frac1C \sum_{j \ne y} \max(0, m - x_y + x_j)^p",
        gradient_formula=(
            r"g_j = \frac{p}{C} \max(0, m - x_y + x_j)^{p - 1} "
            r"\text{ for } j \ne y, \quad g_y = -\sum_{j \ne y} g_j"
        ),
        function=_multi_margin,
        gradient=_multi_margin_gradient,
        torch_twin=functional.multi_margin_loss,
        convex_in=("output",),
        source="J. Weston and C. Watkins, ESANN 1999",
        notes="No gradient at all once the right class leads by the margin.",
        sample=_logits_and_class,
        line=Line("score of the right class of three", -2.0, 3.0, _first_of_three),
    ),
)
