"""Every loss, in the order in which they are shown: add one here."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from autodiff_guide._catalogue import entries_of
from autodiff_guide.losses import _gradients as by_hand
from autodiff_guide.losses import _operands as kinds
from autodiff_guide.losses._loss import Loss
from autodiff_guide.losses._operands import Line

_RESIDUAL = Line("output − target", -3.0, 3.0, (0.0, 0.0))
# Through which operands a line passes, in which direction, and which of them moves.
_FIRST_OF_THREE = ((0.0, 0.0, 0.0), 0), (1.0, 0.0, 0.0)
_TURNING = ((0.0, 1.0), (1.0, 0.0), 1.0), (1.0, 0.0)
_APPROACHING = ((0.0,), (0.0,), (2.0,)), (1.0,), 1


def _gaussian_nll(
    mean: Tensor, variance: Tensor, target: Tensor, **settings: Any
) -> Tensor:
    """Return torch's loss, which takes the variance after the target."""
    return functional.gaussian_nll_loss(mean, target, variance, **settings)


_entry = entries_of(Loss, by_hand)

ENTRIES = (
    _entry(
        name="mse_loss",
        title="mean squared error",
        formula=r"(x - y)^2",
        gradient_formula=r"2 (x - y)",
        source="legendre1805",
        line=_RESIDUAL,
    ),
    _entry(
        name="l1_loss",
        title="mean absolute error",
        formula=r"|x - y|",
        gradient_formula=r"\operatorname{sign}(x - y)",
        source="boscovich1757",
        line=_RESIDUAL,
    ),
    _entry(
        name="huber_loss",
        title="Huber loss",
        formula=(
            r"\tfrac12 (x - y)^2 \text{ if } |x - y| \le \delta, \text{ else } "
            r"\delta (|x - y| - \tfrac12 \delta)"
        ),
        gradient_formula=r"\operatorname{clamp}(x - y, -\delta, \delta)",
        source="huber1964",
        line=_RESIDUAL,
    ),
    _entry(
        name="smooth_l1_loss",
        title="smooth L1 loss",
        formula=(
            r"\tfrac{1}{2\beta} (x - y)^2 \text{ if } |x - y| < \beta, \text{ else } "
            r"|x - y| - \tfrac12 \beta"
        ),
        gradient_formula=r"\operatorname{clamp}((x - y) / \beta, -1, 1)",
        source="girshick2015",
        line=_RESIDUAL,
    ),
    _entry(
        name="poisson_nll_loss",
        title="Poisson likelihood",
        formula=r"e^x - y x",
        gradient_formula=r"e^x - y",
        operands={"output": kinds.REAL, "target": kinds.COUNT},
        source="nelder1972",
        line=Line("output (log of the rate), target 3", -2.0, 2.5, (0.0, 3.0)),
    ),
    _entry(
        name="gaussian_nll_loss",
        title="Gaussian likelihood",
        formula=r"\tfrac12 \left( \log v + \frac{(\mu - y)^2}{v} \right)",
        gradient_formula=(
            r"\frac{\mu - y}{v}, \quad "
            r"\frac{1}{2v} \left( 1 - \frac{(\mu - y)^2}{v} \right)"
        ),
        function=_gaussian_nll,
        operands={"mean": kinds.REAL, "variance": kinds.VARIANCE, "target": kinds.REAL},
        source="nix1994",
        line=Line("variance, residual 1", 0.4, 4.0, (1.0, 0.0, 0.0), moving=1),
    ),
    _entry(
        name="cross_entropy",
        title="cross-entropy",
        formula=r"\log \sum_j e^{x_j} - x_y",
        gradient_formula=r"p_j - \delta_{jy}, \quad p = \operatorname{softmax}(x)",
        count=by_hand.weight_of_targets,
        operands={"output": kinds.REAL, "target": kinds.CLASS},
        source="bridle1990",
        line=Line("logit of the right class of three", -4.0, 4.0, *_FIRST_OF_THREE),
    ),
    _entry(
        name="nll_loss",
        title="negative log-likelihood",
        formula=r"-x_y",
        gradient_formula=r"-\delta_{jy}",
        count=by_hand.weight_of_targets,
        operands={"output": kinds.LOG_DISTRIBUTION, "target": kinds.CLASS},
        source="fisher1922",
        line=Line("log p of the right class", -4.0, 0.0, *_FIRST_OF_THREE),
    ),
    _entry(
        name="binary_cross_entropy",
        title="binary cross-entropy",
        formula=r"-y \log x - (1 - y) \log(1 - x)",
        gradient_formula=r"\frac{x - y}{x (1 - x)}",
        operands={"output": kinds.PROBABILITY, "target": kinds.PROBABILITY},
        source="cox1958",
        line=Line("output, target 1", 0.15, 0.99, (0.0, 1.0)),
    ),
    _entry(
        name="binary_cross_entropy_with_logits",
        title="binary cross-entropy of logits",
        formula=r"(1 - y)\, x + \log(1 + e^{-x})",
        gradient_formula=r"\sigma(x) - y",
        operands={"output": kinds.REAL, "target": kinds.PROBABILITY},
        source="cox1958",
        line=Line("logit, target 1", -4.0, 4.0, (0.0, 1.0)),
    ),
    _entry(
        name="kl_div",
        title="Kullback–Leibler divergence",
        formula=r"y (\log y - x)",
        gradient_formula=r"-y",
        operands={"output": kinds.LOG_DISTRIBUTION, "target": kinds.DISTRIBUTION},
        source="kullback1951",
        line=Line("log of one p, target 0.5", -4.0, 0.0, (0.0, 0.5)),
    ),
    _entry(
        name="multi_margin_loss",
        title="multi-class hinge",
        formula=r"\tfrac1C \sum_{j \ne y} \max(0, m - x_y + x_j)^p",
        gradient_formula=(
            r"g_j = \tfrac{p}{C} (m - x_y + x_j)^{p - 1} \, [m - x_y + x_j > 0] "
            r"\text{ for } j \ne y, \quad g_y = -\sum_{j \ne y} g_j"
        ),
        operands={"output": kinds.REAL, "target": kinds.CLASS},
        source="weston1999",
        line=Line("score of the right class of three", -2.0, 3.0, *_FIRST_OF_THREE),
    ),
    _entry(
        name="hinge_embedding_loss",
        title="hinge of a distance",
        formula=r"x \text{ if } y = 1, \quad \max(0, m - x) \text{ if } y = -1",
        gradient_formula=r"1 \text{ if } y = 1, \quad -[x \le m] \text{ if } y = -1",
        operands={"output": kinds.REAL, "target": kinds.SIGN},
        source="mobahi2009",
        line=Line("output, target −1", -1.0, 3.0, (0.0, -1.0)),
    ),
    _entry(
        name="soft_margin_loss",
        title="soft margin",
        formula=r"\log(1 + e^{-y x})",
        gradient_formula=r"-y\, \sigma(-y x)",
        operands={"output": kinds.REAL, "target": kinds.SIGN},
        source="friedman2000",
        line=Line("output, target 1", -4.0, 4.0, (0.0, 1.0)),
    ),
    _entry(
        name="margin_ranking_loss",
        title="hinge of a difference",
        formula=r"\max(0, m - y (x_1 - x_2))",
        gradient_formula=r"\mp y\, [m - y (x_1 - x_2) \ge 0]",
        operands={"first": kinds.REAL, "second": kinds.REAL, "target": kinds.SIGN},
        source="joachims2002",
        line=Line("first − second, target 1", -3.0, 2.0, (0.0, 0.0, 1.0)),
    ),
    _entry(
        name="cosine_embedding_loss",
        title="cosine of two vectors",
        formula=r"1 - c \text{ if } y = 1, \quad \max(0, c - m) \text{ if } y = -1",
        gradient_formula=(
            r"s \left( \frac{x_2}{|x_1| |x_2|} - c \frac{x_1}{|x_1|^2} \right), "
            r"\quad c = \frac{\langle x_1, x_2 \rangle}{|x_1| |x_2|}, \quad "
            r"s = [y = -1] [c \ge m] - [y = 1]"
        ),
        operands={
            "first": kinds.REAL,
            "second": kinds.REAL,
            "target": kinds.SIGN_OF_ROW,
        },
        source="salton1975",
        line=Line("t in the vector (t, 1), other (1, 0)", -4.0, 4.0, *_TURNING),
    ),
    _entry(
        name="triplet_margin_loss",
        title="hinge of two distances",
        formula=r"\max(0, m + |a - p| - |a - n|)",
        gradient_formula=(
            r"g_p = -s \frac{a - p}{|a - p|}, \quad g_n = s \frac{a - n}{|a - n|}, "
            r"\quad g_a = -g_p - g_n, \quad s = [m + |a - p| - |a - n| \ge 0]"
        ),
        count=by_hand.number_of_rows,
        operands={"anchor": kinds.REAL, "positive": kinds.REAL, "negative": kinds.REAL},
        source="balntas2016",
        line=Line("positive (anchor 0, negative 2)", -3.0, 3.0, *_APPROACHING),
    ),
)
