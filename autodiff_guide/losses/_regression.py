"""Losses of a number that should be near another number."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from autodiff_guide._validate import require_floating
from autodiff_guide.losses._loss import (
    Line,
    Loss,
    elementwise,
    elementwise_gradient,
    random_like,
    reduced,
    reduced_gradient,
    require_shape,
)


@elementwise
def _mse(output: Tensor, target: Tensor) -> Tensor:
    return (output - target) ** 2


@elementwise_gradient
def _mse_gradient(output: Tensor, target: Tensor) -> Tensor:
    return 2 * (output - target)


@elementwise
def _mae(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs()


@elementwise_gradient
def _mae_gradient(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).sign()


@elementwise
def _huber(output: Tensor, target: Tensor, *, delta: float = 1.0) -> Tensor:
    distance = (output - target).abs()
    near = 0.5 * distance**2
    far = delta * (distance - 0.5 * delta)
    return torch.where(distance <= delta, near, far)


@elementwise_gradient
def _huber_gradient(output: Tensor, target: Tensor, *, delta: float = 1.0) -> Tensor:
    return (output - target).clamp(-delta, delta)


@elementwise
def _smooth_l1(output: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    distance = (output - target).abs()
    near = distance**2 / (2 * beta) if beta else distance
    return torch.where(distance < beta, near, distance - 0.5 * beta)


@elementwise_gradient
def _smooth_l1_gradient(output: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    residual = output - target
    return (residual / beta).clamp(-1, 1) if beta else residual.sign()


@elementwise
def _poisson_nll(
    output: Tensor,
    target: Tensor,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
) -> Tensor:
    if log_input:
        values = output.exp() - target * output
    else:
        values = output - target * (output + eps).log()
    if full:
        many = target.clamp(min=1)
        stirling = many * many.log() - many + 0.5 * (2 * math.pi * many).log()
        values = values + torch.where(target > 1, stirling, 0)
    return values


@elementwise_gradient
def _poisson_nll_gradient(
    output: Tensor,
    target: Tensor,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
) -> Tensor:
    return output.exp() - target if log_input else 1 - target / (output + eps)


def _check_gaussian(mean: Tensor, variance: Tensor, target: Tensor) -> None:
    require_floating("mean", mean)
    require_floating("variance", variance)
    require_shape("target", target, tuple(mean.shape))
    if variance.shape != (*mean.shape[:-1], 1):
        require_shape("variance", variance, tuple(mean.shape))


def _gaussian_nll(
    mean: Tensor,
    variance: Tensor,
    target: Tensor,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    _check_gaussian(mean, variance, target)
    raised = variance + (variance.clamp(min=eps) - variance).detach()
    values = 0.5 * (raised.log() + (mean - target) ** 2 / raised)
    if full:
        values = values + 0.5 * math.log(2 * math.pi)
    return reduced(values, reduction)


def _gaussian_nll_gradient(
    mean: Tensor,
    variance: Tensor,
    target: Tensor,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> tuple[Tensor, Tensor]:
    _check_gaussian(mean, variance, target)
    raised = variance.clamp(min=eps)
    residual = mean - target
    by_mean = residual / raised
    by_variance = 0.5 * (1 - residual**2 / raised) / raised
    return (
        reduced_gradient(by_mean, reduction, mean.numel()),
        reduced_gradient(
            by_variance.sum_to_size(variance.shape), reduction, mean.numel()
        ),
    )


def _gaussian_nll_twin(
    mean: Tensor, variance: Tensor, target: Tensor, **settings: Any
) -> Tensor:
    return functional.gaussian_nll_loss(mean, target, variance, **settings)


def _numbers(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    output = 2 * random_like(rows, columns, generator)
    return output, random_like(rows, columns, generator)


def _counts(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    output, target = _numbers(rows, columns, generator)
    return output, (3 * target.abs()).floor()


def _mean_and_variance(
    rows: int, columns: int, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    mean, target = _numbers(rows, columns, generator)
    return mean, 0.5 + random_like(rows, columns, generator) ** 2, target


_RESIDUAL = Line("output − target", -3.0, 3.0, lambda t: (t, torch.zeros_like(t)))

REGRESSION = (
    Loss(
        name="mse",
        formula=r"(x - y)^2",
        gradient_formula=r"2 (x - y)",
        function=_mse,
        gradient=_mse_gradient,
        torch_twin=functional.mse_loss,
        convex_in=("output",),
        source="C. F. Gauss, Theoria motus corporum coelestium, 1809",
        notes="Its minimiser is the mean of the targets; one outlier moves it at will.",
        sample=_numbers,
        line=_RESIDUAL,
    ),
    Loss(
        name="mae",
        formula=r"|x - y|",
        gradient_formula=r"\operatorname{sign}(x - y)",
        function=_mae,
        gradient=_mae_gradient,
        torch_twin=functional.l1_loss,
        convex_in=("output",),
        source="R. J. Boscovich, 1757; P.-S. Laplace, 1789",
        notes="Its minimiser is the median; its slope does not shrink near the target.",
        sample=_numbers,
        line=_RESIDUAL,
    ),
    Loss(
        name="huber",
        formula=(
            r"\tfrac12 (x - y)^2 \text{ if } |x - y| \le \delta, \text{ else } "
            r"\delta (|x - y| - \tfrac12 \delta)"
        ),
        gradient_formula=r"\operatorname{clamp}(x - y, -\delta, \delta)",
        function=_huber,
        gradient=_huber_gradient,
        torch_twin=functional.huber_loss,
        convex_in=("output",),
        source="P. J. Huber, 1964, doi:10.1214/aoms/1177703732",
        notes="Half the squared error near the target, a straight line far from it.",
        sample=_numbers,
        line=_RESIDUAL,
    ),
    Loss(
        name="smooth_l1",
        formula=(
            r"\tfrac{1}{2\beta} (x - y)^2 \text{ if } |x - y| < \beta, \text{ else } "
            r"|x - y| - \tfrac12 \beta"
        ),
        gradient_formula=r"\operatorname{clamp}((x - y) / \beta, -1, 1)",
        function=_smooth_l1,
        gradient=_smooth_l1_gradient,
        torch_twin=functional.smooth_l1_loss,
        convex_in=("output",),
        source="R. Girshick, 2015, arXiv:1504.08083",
        notes="The Huber loss divided by its threshold: the slope far away stays 1.",
        sample=_numbers,
        line=_RESIDUAL,
    ),
    Loss(
        name="poisson_nll",
        formula=r"e^x - y x",
        gradient_formula=r"e^x - y",
        function=_poisson_nll,
        gradient=_poisson_nll_gradient,
        torch_twin=functional.poisson_nll_loss,
        convex_in=("output",),
        source="J. A. Nelder and R. W. M. Wedderburn, 1972, doi:10.2307/2344614",
        notes="The output is the logarithm of a rate; log_input=False takes the rate.",
        sample=_counts,
        line=Line(
            "output (log of the rate), target 3",
            -2.0,
            2.5,
            lambda t: (t, torch.full_like(t, 3)),
        ),
    ),
    Loss(
        name="gaussian_nll",
        formula=r"\tfrac12 \left( \log v + \frac{(\mu - y)^2}{v} \right)",
        gradient_formula=(
            r"\frac{\mu - y}{v}, \quad "
            r"\frac{1}{2v} \left( 1 - \frac{(\mu - y)^2}{v} \right)"
        ),
        function=_gaussian_nll,
        gradient=_gaussian_nll_gradient,
        torch_twin=_gaussian_nll_twin,
        outputs=("mean", "variance"),
        convex_in=("mean",),
        source="D. A. Nix and A. S. Weigend, 1994, doi:10.1109/ICNN.1994.374138",
        notes=(
            "Variances below eps are raised to it; the gradient passes as if they "
            "were not. Torch takes the variance after the target."
        ),
        sample=_mean_and_variance,
        line=Line(
            "variance, residual 1",
            0.4,
            4.0,
            lambda t: (torch.ones_like(t), t, torch.zeros_like(t)),
        ),
    ),
)
