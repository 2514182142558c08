"""Every activation, in the order in which they are shown: add one here."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from autodiff_guide._catalogue import entries_of
from autodiff_guide.activations import _derivatives as by_hand
from autodiff_guide.activations._activation import Activation

_OVERFLOW = "Where e^-x overflows, from -89 on in float32, torch returns 0."
_AT_MINUS_INFINITY = "At -inf torch returns NaN; the limit is 0."
_SELU_LOWEST = -by_hand.SELU_SCALE * by_hand.SELU_ALPHA


def _step(x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0, with slope 0: torch.heaviside has no backward."""
    return x.clamp(0, 1).ceil()


def _prelu(x: Tensor, *, weight: float | Tensor = 0.25) -> Tensor:
    """Return torch's PReLU; a number is the weight of all channels."""
    weights = torch.as_tensor(weight, dtype=x.dtype, device=x.device)
    return functional.prelu(x, weights.view(-1))


_entry = entries_of(Activation, by_hand)

ENTRIES = (
    _entry(
        name="step",
        formula=r"1 \text{ if } x > 0 \text{ else } 0",
        function=_step,
        range=(0.0, 1.0),
        kinks={0.0: 0.0},
        jumps=(0.0,),
        source="rosenblatt1958",
    ),
    _entry(
        name="identity",
        formula="x",
        function=torch.clone,
        source="paszke2019",
    ),
    _entry(
        name="sigmoid",
        formula=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
        function=torch.sigmoid,
        range=(0.0, 1.0),
        source="rumelhart1986",
        note=_OVERFLOW,
    ),
    _entry(
        name="tanh",
        formula=r"\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}}",
        function=torch.tanh,
        range=(-1.0, 1.0),
        source="lecun1998",
    ),
    _entry(
        name="relu",
        formula=r"\max(x, 0)",
        range=(0.0, math.inf),
        kinks={0.0: 0.0},
        source="nair2010",
    ),
    _entry(
        name="softplus",
        formula=r"\tfrac{1}{\beta} \log(1 + e^{\beta x})",
        range=(0.0, math.inf),
        source="dugas2000",
        note="Above its threshold, 20, torch returns x itself, short by e^-x.",
    ),
    _entry(
        name="leaky_relu",
        formula=r"x \text{ if } x > 0 \text{ else } a x",
        kinks={0.0: 0.01},
        source="maas2013",
    ),
    _entry(
        name="prelu",
        formula=r"x \text{ if } x > 0 \text{ else } a x, \; a \text{ learned}",
        function=_prelu,
        kinks={0.0: 0.25},
        source="he2015",
    ),
    _entry(
        name="rrelu",  # as in evaluation: no slope is drawn from [l, u]
        formula=r"x \text{ if } x > 0 \text{ else } \tfrac{l + u}{2} x",
        kinks={0.0: (1 / 8 + 1 / 3) / 2},
        source="xu2015",
    ),
    _entry(
        name="elu",
        formula=r"x \text{ if } x > 0 \text{ else } \alpha (e^x - 1)",
        range=(-1.0, math.inf),
        source="clevert2016",
    ),
    _entry(
        name="selu",
        formula=r"\lambda \, (x \text{ if } x > 0 \text{ else } \alpha (e^x - 1))",
        range=(_SELU_LOWEST, math.inf),
        kinks={0.0: -_SELU_LOWEST},
        source="klambauer2017",
    ),
    _entry(
        name="celu",
        formula=r"x \text{ if } x > 0 \text{ else } \alpha (e^{x / \alpha} - 1)",
        range=(-1.0, math.inf),
        source="barron2017",
    ),
    _entry(
        name="gelu",
        formula=r"x \, \Phi(x)",
        range=(-0.16997120747990369, math.inf),
        source="hendrycks2016",
        note="For negative x torch subtracts erf from 1 and loses every digit by -9; "
        + _AT_MINUS_INFINITY,
    ),
    _entry(
        name="gelu_tanh",
        formula=r"\tfrac{x}{2}\bigl(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715 x^3))\bigr)",
        function=partial(functional.gelu, approximate="tanh"),
        range=(-0.17004075057125412, math.inf),
        source="hendrycks2016",
        note="For negative x torch subtracts tanh from 1 and loses every digit by -6; "
        + _AT_MINUS_INFINITY,
    ),
    _entry(
        name="silu",
        formula=r"x \, \sigma(x)",
        range=(-0.27846454276107379, math.inf),
        source="hendrycks2016",
        note=f"{_OVERFLOW} {_AT_MINUS_INFINITY}",
    ),
    _entry(
        name="mish",
        formula=r"x \tanh(\log(1 + e^x))",
        range=(-0.30884348577014894, math.inf),
        source="misra2019",
        note=_AT_MINUS_INFINITY,
    ),
    _entry(
        name="softsign",
        formula=r"\frac{x}{1 + |x|}",
        range=(-1.0, 1.0),
        source="bergstra2009",
        note="At -inf and inf torch returns NaN; the limits are -1 and 1.",
    ),
    _entry(
        name="hardtanh",
        formula=r"\min(\max(x, a), b)",
        range=(-1.0, 1.0),
        kinks={-1.0: 0.0, 1.0: 0.0},
        source="collobert2004",
    ),
    _entry(
        name="relu6",
        formula=r"\min(\max(x, 0), 6)",
        range=(0.0, 6.0),
        kinks={0.0: 0.0, 6.0: 0.0},
        source="krizhevsky2010",
    ),
    _entry(
        name="hardsigmoid",
        formula=r"\tfrac{1}{6} \min(\max(x + 3, 0), 6)",
        range=(0.0, 1.0),
        kinks={-3.0: 0.0, 3.0: 0.0},
        source="howard2019",
        note="In float64 torch's slope is 1/6 rounded to float32.",
    ),
    _entry(
        name="hardswish",
        formula=r"\tfrac{x}{6} \min(\max(x + 3, 0), 6)",
        range=(-0.375, math.inf),
        kinks={-3.0: 0.0, 3.0: 1.0},
        source="howard2019",
        note=_AT_MINUS_INFINITY,
    ),
    _entry(
        name="hardshrink",
        formula=r"x \text{ if } |x| > \lambda \text{ else } 0",
        kinks={-0.5: 0.0, 0.5: 0.0},
        jumps=(-0.5, 0.5),
        source="donoho1994",
    ),
    _entry(
        name="softshrink",
        formula=r"\operatorname{sign}(x) \max(|x| - \lambda, 0)",
        kinks={-0.5: 0.0, 0.5: 0.0},
        source="donoho1994",
    ),
    _entry(
        name="tanhshrink",
        formula=r"x - \tanh x",
        source="paszke2019",
        note="Near 0, where the value is x^3/3, torch's difference loses every digit.",
    ),
    _entry(
        name="logsigmoid",
        formula=r"\log \sigma(x)",
        range=(-math.inf, 0.0),
        source="paszke2019",
    ),
    _entry(
        name="threshold",
        formula=r"x \text{ if } x > t \text{ else } v",
        function=partial(functional.threshold, threshold=1.0, value=0.0),
        range=(0.0, math.inf),
        kinks={1.0: 0.0},
        jumps=(1.0,),
        source="paszke2019",
    ),
    _entry(
        name="softmax",
        formula=r"p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}",
        function=partial(torch.softmax, dim=-1),
        range=(0.0, 1.0),
        vector=True,
        source="bridle1990",
        note="torch rounds x - max x before the exponential magnifies the error.",
    ),
    _entry(
        name="log_softmax",
        formula=r"x_i - \log \sum_j e^{x_j}",
        function=partial(torch.log_softmax, dim=-1),
        range=(-math.inf, 0.0),
        vector=True,
        source="bridle1990",
        note="Of a clear winner torch returns 0; the value is minus the others' sum.",
    ),
    _entry(
        name="softmin",
        formula=r"\frac{e^{-x_i}}{\sum_j e^{-x_j}}",
        function=partial(functional.softmin, dim=-1),
        range=(0.0, 1.0),
        vector=True,
        source="paszke2019",
        note="torch rounds min x - x before the exponential magnifies the error.",
    ),
    _entry(
        name="glu",
        formula=r"a \, \sigma(b), \; x = [a, b]",
        vector=True,
        source="dauphin2017",
        note=_OVERFLOW,
    ),
)
