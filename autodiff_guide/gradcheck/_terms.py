"""Names for the factors and terms that a wrong gradient misses: add a function here.

Each function of an input or of the output is tried in each form, alone and times the
input, and so is the inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding

# What derivatives are made of; @ stands for the name of an input, or for f(x).
FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "@": lambda x: x,
    "|@|": torch.abs,
    "sign(@)": torch.sign,
    "sqrt|@|": lambda x: x.abs().sqrt(),
    "log|@|": lambda x: x.abs().log(),
    "exp(@)": torch.exp,
    "exp(-@^2)": lambda x: (-x * x).exp(),
    "exp(-@^2/2)": lambda x: (-x * x / 2).exp(),
    "sin(@)": torch.sin,
    "cos(@)": torch.cos,
    "tanh(@)": torch.tanh,
    "sigmoid(@)": torch.sigmoid,
}
FORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "@": lambda g: g,
    "@^2": lambda g: g**2,
    "@^3": lambda g: g**3,
    "1 - @": lambda g: 1 - g,
    "1 + @": lambda g: 1 + g,
    "1 - @^2": lambda g: 1 - g**2,
    "1 + @^2": lambda g: 1 + g**2,
    "@*(1 - @)": lambda g: g * (1 - g),
    "sqrt|1 - @^2|": lambda g: (1 - g**2).abs().sqrt(),
}
# A fit holds to this share, besides the error bars.
EXACT = 1e-6
# A function that varies by less than this share of itself is a constant.
VARIES = 1e-3
# Less than this share of wrong elements is no function of the input gone wrong.
MOST = 0.5
# What a term explains must stand out of the error bars by this factor.
STANDS_OUT = 100


def chain(block: Block) -> Finding | None:
    """Return whether a known factor or term is missing, or there too often."""
    live = block.live
    wrong = block.wrong.any(0) & live
    if int(live.sum()) < 4 or float(wrong.sum()) < MOST * float(live.sum()):
        return None
    numeric, yours = block.numeric[:, live], block.yours[:, live]
    slack = block.slack[:, live]
    best = (numeric.abs() / (slack + 1e-300)).argmax(0, keepdim=True)
    n, a, known = (t.gather(0, best)[0] for t in (numeric, yours, slack))
    if bool(((yours - a / n * numeric).abs() <= slack * (1 + (a / n).abs())).all()):
        factor = _fit(block, a, n, known)
        if factor:
            return ("chain",), (
                f"your gradient{block.where} is {factor} times the numeric one, "
                "element by element: a factor of the chain rule is missing, or there "
                "too often"
            )
    if int((block.moves | block.given).sum(0).amax()) > 1:
        return None
    numeric, yours, slack = (t.sum(0) for t in (numeric, yours, slack))
    one = torch.ones_like(numeric)
    mine, right = _fit(block, yours, one, slack), _fit(block, numeric, one, slack)
    if mine and right:
        return ("chain",), (
            f"your gradient{block.where} is {mine}, the numeric one is {right}, "
            "element by element"
        )
    missing = None
    if bool(((numeric - yours).abs() > STANDS_OUT * slack).double().mean() > MOST):
        missing = _fit(block, numeric - yours, one, slack)
    if missing:
        return ("chain",), (
            f"your gradient{block.where} misses the term {missing}, element by element"
        )
    if mine:
        return ("chain",), (
            f"your gradient{block.where} is {mine}, the numeric one is not"
        )
    return None


def _fit(block: Block, values: Tensor, of: Tensor, slack: Tensor) -> str | None:
    """Return the formula f for which `values` is a constant times f times `of`."""
    for names, f in _candidates(block):
        target = f * of
        c = (values / target).nanmedian(1, keepdim=True).values
        near = slack * (1 + (c * f).abs()) + EXACT * (c * target).abs()
        fits = ((values - c * target).abs() <= near).all(1) & (c[:, 0] != 0)
        varies = f.amax(1) - f.amin(1) > VARIES * f.abs().amax(1)
        for k in (fits & varies).nonzero()[:1, 0].tolist():
            constant = float(c[k])
            alone = abs(constant - 1) < EXACT
            return names[k] if alone else f"{constant:.6g} * {_bracket(names[k])}"
    return None


def _candidates(block: Block) -> Iterator[tuple[list[str], Tensor]]:
    """Yield names and values of functions of the live elements, and of inverses."""
    x = block.values[block.name][block.live]
    for variable, values in block.values.items():
        for inner, function in FUNCTIONS.items():
            g = function(values[block.live])
            forms = [form.replace("@", inner).replace("@", variable) for form in FORMS]
            names = forms + [f"{block.name}*{_bracket(name)}" for name in forms]
            alone = torch.stack([form(g) for form in FORMS.values()])
            f = torch.cat([alone, x * alone])
            yield names + [f"1/({name})" for name in names], torch.cat([f, 1 / f])


def _bracket(name: str) -> str:
    return f"({name})" if " " in name else name
