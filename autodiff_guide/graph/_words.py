"""A learner's words for torch's functions: add a word here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

WORDS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "pow": "power",
    "neg": "minus",
    "matmul": "matrix product",
    "mm": "matrix product",
    "dot": "dot product",
    "setitem": "set entry",
    "T": "transpose",
    "mT": "transpose",
    "cross_entropy": "cross-entropy",
    "mse_loss": "mean squared error",
    "conv2d": "convolution",
    "max_pool2d": "max pooling",
}
REVERSED = {"sub": "−", "div": "÷", "pow": "to the power"}
WITH_NUMBERS = {"+", "−", "×", "÷", "power", "sum", "mean", "softmax", "clamp"}
# Python's name of an operator: in place, or with its operands reversed.
OPERATOR = re.compile("([ir]?)(?:true)?(add|sub|mul|div|pow|matmul)")


def bare_name(func: Callable[..., Any]) -> str:
    """Return ``"add"`` of ``Tensor.__add__`` and of ``add_``, ``"T"`` of ``x.T``."""
    if func.__name__ == "__get__":
        return str(getattr(getattr(func, "__self__", None), "__name__", "attribute"))
    return func.__name__.strip("_")


def in_words(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str:
    """Return what `func` does, with the numbers it was given: ``"× 2"``, ``"3 −"``."""
    name = bare_name(func)
    operator = OPERATOR.fullmatch(name)
    variant, name = operator.groups() if operator else ("", name)
    numbers = [f"{arg:g}" for arg in args if type(arg) in (int, float)]
    if variant == "r" and name in REVERSED:
        return " ".join([*numbers, REVERSED[name]])
    if name == "getitem":
        return f"entry {args[1]}" if isinstance(args[1], int) else "entries"
    words = [WORDS.get(name, name.replace("_", " "))]
    if words[0] in WITH_NUMBERS:
        words += numbers
    if kwargs.get("dim") is not None:
        words.append(f"dim={kwargs['dim']}")
    return " ".join(words)
