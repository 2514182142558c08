"""Wrong gradients that miss a factor or a term which can be named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding

# What derivatives are made of: of the input x, of the output y, of another input z.
OF_X = [
    "x",
    "x^2",
    "x^3",
    "abs(x)",
    "sign(x)",
    "sqrt(abs(x))",
    "exp(x)",
    "sin(x)",
    "cos(x)",
    "cos(x)^2",
    "tanh(x)",
    "1 - tanh(x)^2",
    "sigmoid(x)",
    "1 - sigmoid(x)",
    "sigmoid(x)*(1 - sigmoid(x))",
    "1 + x^2",
    "1 - x^2",
    "1 - x",
    "1 + x",
    "log(abs(x))",
    "x*sigmoid(x)*(1 - sigmoid(x))",
    "x*(1 - tanh(x)^2)",
    "exp(-x^2)",
    "exp(-x^2/2)",
    "x*exp(-x^2/2)",
    "x*cos(x)",
    "x*exp(x)",
]
OF_Y = ("f(x)", "1 - f(x)", "f(x)*(1 - f(x))", "1 - f(x)^2", "f(x)^2", "x/f(x)")
OF_Z = ("z", "z*x", "x - z", "z^2")


def chain(block: Block) -> Finding | None:
    """Return whether yours misses, or has too much of, a known factor or term."""
    live = block.live
    if int(live.sum()) < 4 or not bool((block.wrong.any(0) == live).all()):
        return None
    numeric, yours = block.numeric[:, live], block.yours[:, live]
    slack = block.slack[:, live] + 1e-300
    best = (numeric.abs() / slack).argmax(0, keepdim=True)
    n, a, known = (t.gather(0, best)[0] for t in (numeric, yours, slack))
    ratio = a / n
    if bool(((yours - ratio * numeric).abs() <= slack * (1 + ratio.abs())).all()):
        for name, f in _candidates(block):
            c = _constant(a, n * f, 1e-12 * a.abs(), known * f.abs())
            if c is not None:
                times = "" if abs(c - 1) < 1e-5 else f"{c:.6g} * "
                return ("chain",), (
                    f"your gradient{block.where} is {times}{name} times the numeric "
                    f"one, element by element: a chain-rule factor ({name} too many, "
                    "or its inverse missing)"
                )
    if int((block.wrong & live).sum(0).amax()) > 1:
        return None
    difference, slack = (numeric - yours).sum(0), slack.sum(0)
    exact = torch.zeros_like(difference)
    if _constant(difference, exact + 1, slack, exact) is not None:
        return None
    for name, f in _candidates(block):
        c = _constant(difference, f, slack, exact)
        if c is not None:
            return ("chain",), (
                f"your gradient{block.where} misses the term {c:.6g} * {name}, element "
                "by element"
            )
    return None


def _constant(
    values: Tensor, f: Tensor, slack: Tensor, f_slack: Tensor
) -> float | None:
    """Return c where values = c f as far as the slack of each tells, or None."""
    spread = slack + f_slack * float((values / f).nanmedian().abs()) + 1e-300
    weight = (spread.min() / spread).square()
    c = float((weight * values * f).sum() / (weight * f * f).sum())
    if not math.isfinite(c) or c == 0:
        return None
    spread = slack + abs(c) * (f_slack + 1e-5 * f.abs())
    return c if bool(((values - c * f).abs() <= spread).all()) else None


def _candidates(block: Block) -> Iterator[tuple[str, Tensor]]:
    """Yield named functions of the live elements, and their inverses."""
    live = block.live
    known = {"x": block.x[live]}
    named = [(term, "", known) for term in OF_X]
    if block.full and len(block.y) == len(block.x):
        y = block.y[live]
        named += [(term, "", known | {"f": lambda x: y}) for term in OF_Y]
    for other, values in block.others.items():
        named += [(term, other, known | {"z": values[live]}) for term in OF_Z]
    for term, other, values in named:
        f = eval(term.replace("^", "**"), vars(torch), values)
        if float(f.std()) <= 1e-9 * float(f.abs().amax()):
            continue  # a constant factor
        name = re.sub(r"\bx\b", block.name, re.sub(r"\bz\b", other, term))
        yield name, f
        yield f"1/({name})", 1 / f
