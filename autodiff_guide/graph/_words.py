"""torch's functions in the learner's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

_WORDS = {
    "add": "+",
    "iadd": "+",
    "sub": "−",
    "isub": "−",
    "mul": "×",
    "imul": "×",
    "div": "÷",
    "truediv": "÷",
    "idiv": "÷",
    "itruediv": "÷",
    "pow": "power",
    "ipow": "power",
    "neg": "minus",
    "matmul": "matrix product",
    "mm": "matrix product",
    "dot": "dot product",
    "getitem": "entry",
    "setitem": "set entry",
    "T": "transpose",
    "mT": "transpose",
    "log_softmax": "log softmax",
    "cross_entropy_loss": "cross-entropy",
    "cross_entropy": "cross-entropy",
    "mse_loss": "mean squared error",
    "conv2d": "convolution",
    "linear": "linear",
    "batch_norm": "batch norm",
    "max_pool2d": "max pooling",
    "boolean_dispatch": "pooling",
}
_REVERSED = {"rsub": "−", "rdiv": "÷", "rtruediv": "÷", "rpow": "power of"}
_WITH_NUMBERS = {"+", "−", "×", "÷", "power", "sum", "mean", "softmax", "clamp"}


def in_words(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str:
    """Return what `func` does, with the numbers it was given: ``"× 2"``, ``"3 −"``."""
    name = _bare_name(func)
    numbers = [
        f"{arg:.4g}" if isinstance(arg, float) else str(arg)
        for arg in args
        if isinstance(arg, (int, float)) and not isinstance(arg, bool)
    ]
    if name in _REVERSED:
        return " ".join([*numbers, _REVERSED[name]])
    if name == "getitem" and isinstance(args[1], (int, slice, tuple)):
        return f"entry {_index(args[1])}"
    word = _WORDS.get(name, name.replace("_", " "))
    words = [word, *numbers] if word in _WITH_NUMBERS else [word]
    words += [
        f"{key}={kwargs[key]}"
        for key in ("dim", "keepdim")
        if isinstance(kwargs.get(key), int) and kwargs[key] is not False
    ]
    return " ".join(words)


def changes_in_place(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> bool:
    """Return whether `func` writes into one of its arguments, as far as names tell."""
    name = func.__name__
    dunder = name.startswith("__") and name.endswith("__")
    return (
        (name.endswith("_") and not dunder)
        or (dunder and name.strip("_") in {*_IN_PLACE, "setitem"})
        or "out" in kwargs
        or kwargs.get("inplace") is True
        or any(arg is True for arg in args[1:])
    )


_IN_PLACE = {"iadd", "isub", "imul", "idiv", "itruediv", "ipow", "imatmul"}


def _bare_name(func: Callable[..., Any]) -> str:
    if func.__name__ == "__get__":  # x.T
        return str(getattr(getattr(func, "__self__", None), "__name__", "attribute"))
    return func.__name__.strip("_")


def _index(index: object) -> str:
    if isinstance(index, slice):
        ends = [index.start, index.stop, *([index.step] if index.step else [])]
        return ":".join("" if end is None else str(end) for end in ends)
    if isinstance(index, tuple):
        return ", ".join(map(_index, index))
    if index is Ellipsis:
        return "…"
    return "…" if isinstance(index, Tensor) else str(index)
