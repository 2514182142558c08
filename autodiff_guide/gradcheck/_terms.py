"""Names for the factors and terms that a wrong gradient misses: add a function here.

Each function of an input or of the output is tried in each form, alone and times the
input, and so is the inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Findings

# What derivatives are made of; @ stands for the name of an input, or for f(x).
FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "@": lambda x: x,
    "|@|": torch.abs,
    "sqrt|@|": lambda x: x.abs().sqrt(),
    "log|@|": lambda x: x.abs().log(),
    "tanh(@)": torch.tanh,
    "sigmoid(@)": torch.sigmoid,
    "exp(@)": torch.exp,
    "exp(-@^2)": lambda x: (-x * x).exp(),
    "exp(-@^2/2)": lambda x: (-x * x / 2).exp(),
    "sin(@)": torch.sin,
    "cos(@)": torch.cos,
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
# Fewer elements than this fit some formula by chance.
FEW = 4
# Less than this share of wrong elements is no function of the input gone wrong.
MOST = 0.5
# What a term explains must stand out of the error bars by this factor.
STANDS_OUT = 100


def chain(block: Block) -> Findings:
    """Yield which known factor or term is missing, or there too often."""
    live = block.live
    wrong = block.wrong.any(0) & live
    if live.sum() < FEW or wrong.sum() < MOST * live.sum():
        return
    found = [t[:, live] for t in (block.numeric, block.yours, block.slack)]
    text = _factor(block, *found)
    if text is None and (block.moves | block.grows).sum(0).amax() <= 1:
        text = _term(block, *(t.sum(0) for t in found))
    if text:
        yield ("chain",), f" {text}, element by element"


def _factor(block: Block, numeric: Tensor, yours: Tensor, slack: Tensor) -> str | None:
    """Return by what function columns of yours differ from the numeric ones."""
    clearest = (numeric.abs() / (slack + 1e-300)).argmax(0, keepdim=True)
    n, a, known = (t.gather(0, clearest)[0] for t in (numeric, yours, slack))
    if ((yours - a / n * numeric).abs() > slack * (1 + (a / n).abs())).any():
        return None
    lacks, has = _fit(block, n, a, known), _fit(block, a, n, known)
    if not (lacks and has):
        return None
    inverse = "/" in lacks and "/" not in has
    return f"has the factor {has} too many" if inverse else f"lacks the factor {lacks}"


def _term(block: Block, numeric: Tensor, yours: Tensor, slack: Tensor) -> str | None:
    """Return what function of x yours is, and should be, or which one it misses."""
    one = torch.ones_like(slack)
    right, mine = _fit(block, numeric, one, slack), _fit(block, yours, one, slack)
    if mine and right:
        return f"is {mine}, and should be {right}"
    if missing := _fit(block, numeric - yours, one, slack):
        return f"misses the term {missing}"
    return f"is {mine}, and should not be" if mine else None


def _fit(block: Block, values: Tensor, of: Tensor, slack: Tensor) -> str | None:
    """Return the formula f for which `values` is a constant times f times `of`."""
    if not bool((values.abs() > STANDS_OUT * slack).double().mean() > MOST):
        return None
    for names, f in _candidates(block):
        target = f * of
        c = (values / target).nanmedian(1, keepdim=True).values
        near = slack * (1 + (c * f).abs()) + EXACT * (c * target).abs()
        fits = ((values - c * target).abs() <= near).all(1) & (c[:, 0] != 0)
        varies = f.amax(1) - f.amin(1) > VARIES * f.abs().amax(1)
        for k in (fits & varies).nonzero()[:1, 0].tolist():
            constant, name = f"{float(c[k]):.6g}", names[int(k)]
            if name.startswith("1/"):
                return constant + name[1:]
            return name if constant == "1" else f"{constant} * {_bracket(name)}"
    return None


def _candidates(block: Block) -> Iterator[tuple[list[str], Tensor]]:
    """Yield names and values of functions of the live elements, and of inverses."""
    known = block.values()
    x = known[block.name][block.live]
    for variable, values in known.items():
        for inner, function in FUNCTIONS.items():
            g = function(values[block.live])
            forms = [form.replace("@", inner).replace("@", variable) for form in FORMS]
            names = forms + [f"{block.name}*{_bracket(name)}" for name in forms]
            alone = torch.stack([form(g) for form in FORMS.values()])
            f = torch.cat([alone, x * alone])
            names += [f"1/{_bracket(name)}" for name in names]
            yield names, torch.cat([f, 1 / f])


def _bracket(name: str) -> str:
    return f"({name})" if " " in name or "*" in name else name
