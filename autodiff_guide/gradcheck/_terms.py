"""Wrong gradients that miss a factor or a term which can be named."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding


def chain(block: Block) -> Finding | None:
    """Return whether yours misses, or has too much of, a known factor or term."""
    if int(block.live.sum()) < 4 or not bool((block.wrong.any(0) == block.live).all()):
        return None
    if block.same_support:
        ratio = torch.nanmedian(block.ratio, 0).values[block.live]
        spread = ((block.ratio[:, block.live] - ratio) / ratio).abs()
        slack = block.ratio_slack[:, block.live] + 1e-6
        if bool((spread <= slack)[block.both[:, block.live]].all()):
            for name, f in _candidates(block):
                c = _constant(ratio, f[block.live])
                if c is not None:
                    times = "" if abs(c - 1) < 1e-5 else f"{c:.6g} * "
                    return ("chain",), (
                        f"your gradient{block.where} is {times}{name} times the "
                        f"numeric one, element by element: a chain-rule factor ({name} "
                        "too many, or its inverse missing)"
                    )
    difference = (block.numeric - block.yours).sum(0)
    rows = (block.wrong & block.live).sum(0).amax()
    if int(rows) > 1:
        return None
    for name, f in _candidates(block):
        c = _constant(difference[block.live], f[block.live])
        if c is not None:
            return ("chain",), (
                f"your gradient{block.where} misses the term {c:.6g} * {name}, element "
                "by element"
            )
    return None


def _constant(values: Tensor, f: Tensor) -> float | None:
    """Return c where values = c f, or None."""
    share = values / f
    c = float(share.median())
    if not math.isfinite(c) or c == 0 or float(f.std()) <= 1e-9 * float(f.abs().amax()):
        return None
    return c if bool(((share - c).abs() <= 1e-5 * abs(c)).all()) else None


def _candidates(block: Block) -> Iterator[tuple[str, Tensor]]:
    """Yield named functions of the element: factors that derivatives are made of."""
    x = block.x
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
    if block.full and len(block.y) == len(x):
        y = block.y
        simple |= {
            "y": y,
            "1 - y": 1 - y,
            "y(1 - y)": y * (1 - y),
            "1 - y^2": 1 - y * y,
            "y^2": y * y,
            "x/y": x / y,
        }
    for name, other in block.others.items():
        simple |= {name: other, f"{name} * x": other * x}
        simple |= {f"(x - {name})": x - other, f"({name})^2": other**2}
    for name, f in simple.items():
        yield name, f
        yield f"1/({name})", 1 / f
