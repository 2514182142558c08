"""Wrong gradients that miss a factor or a term which can be named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding


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
    """Yield named functions of the live elements: what derivatives are made of."""
    live = block.live
    x = block.x[live]
    simple = {
        "x": x,
        "x^2": x * x,
        "x^3": x**3,
        "|x|": x.abs(),
        "sign(x)": x.sign(),
        "sqrt(|x|)": x.abs().sqrt(),
        "exp(x)": x.exp(),
        "sin(x)": x.sin(),
        "cos(x)": x.cos(),
        "cos(x)^2": x.cos() ** 2,
        "tanh(x)": x.tanh(),
        "1 - tanh(x)^2": 1 - x.tanh() ** 2,
        "sigmoid(x)": x.sigmoid(),
        "1 - sigmoid(x)": (-x).sigmoid(),
        "sigmoid(x)(1 - sigmoid(x))": x.sigmoid() * (-x).sigmoid(),
        "1 + x^2": 1 + x * x,
        "1 - x^2": 1 - x * x,
        "1 - x": 1 - x,
        "1 + x": 1 + x,
        "log(|x|)": x.abs().log(),
        "x sigmoid(x)(1 - sigmoid(x))": x * x.sigmoid() * (-x).sigmoid(),
        "x (1 - tanh(x)^2)": x * (1 - x.tanh() ** 2),
        "exp(-x^2)": (-x * x).exp(),
        "exp(-x^2/2)": (-x * x / 2).exp(),
        "x exp(-x^2/2)": x * (-x * x / 2).exp(),
        "x cos(x)": x * x.cos(),
        "x exp(x)": x * x.exp(),
    }
    if block.full and len(block.y) == len(block.x):
        y = block.y[live]
        simple |= {
            "f(x)": y,
            "1 - f(x)": 1 - y,
            "f(x) (1 - f(x))": y * (1 - y),
            "1 - f(x)^2": 1 - y * y,
            "f(x)^2": y * y,
            "x/f(x)": x / y,
        }
    own = block.name
    simple = {re.sub(r"\bx\b", own, name): f for name, f in simple.items()}
    for name, values in block.others.items():
        other = values[live]
        simple |= {name: other, f"{name} * {own}": other * x}
        simple |= {f"({own} - {name})": x - other, f"({name})^2": other**2}
    for name, f in simple.items():
        if float(f.std()) <= 1e-9 * float(f.abs().amax()):
            continue  # a constant factor
        yield name, f
        yield f"1/({name})", 1 / f
