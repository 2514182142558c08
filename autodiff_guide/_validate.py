"""Checks of what a user passed; each error names the argument and a way out."""

from __future__ import annotations

from math import inf

from torch import Tensor


def require_tensor(name: str, value: object) -> Tensor:
    """Return `value` if it is a tensor, else raise ``TypeError``."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}: expected a torch.Tensor, got {type(value).__name__}; "
            f"convert it, for example torch.as_tensor({name})"
        )
    return value


def require_floating(name: str, value: object) -> Tensor:
    """Return `value` if it is a real floating-point tensor, else ``TypeError``."""
    tensor = require_tensor(name, value)
    if not tensor.is_floating_point():
        raise TypeError(
            f"{name}: expected a floating-point tensor, got {tensor.dtype}; "
            f"only those have derivatives, try {name}.double()"
        )
    return tensor


def require_tuple(name: str, value: object) -> None:
    """Raise ``TypeError`` unless `value` is a tuple."""
    if not isinstance(value, tuple):
        raise TypeError(
            f"{name}: expected a tuple of tensors, got {type(value).__name__}; "
            f"for one input write ({name[:-1]},)"
        )


def require_like(name: str, value: object, like: Tensor, role: str) -> None:
    """Raise unless `value` is a tensor of the shape and dtype of `like`."""
    tensor = require_tensor(name, value)
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise ValueError(
            f"{name}: expected shape {tuple(like.shape)} and {like.dtype}, as the "
            f"{role}, got {tuple(tensor.shape)} and {tensor.dtype}"
        )


def require_count(count: int, name: str = "count") -> None:
    """Raise ``ValueError`` unless `count` is a whole number above zero."""
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"{name}: expected at least 1, as a whole number, got {count}")


def require_number(
    name: str, value: object, low: float = -inf, high: float = inf
) -> None:
    """Raise unless `value` is a number, from `low` on and below `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not low <= value < high:
        raise ValueError(
            f"{name}: expected a number in [{low:g}, {high:g}), got {value}"
        )


def require_scalar(name: str, value: object) -> Tensor:
    """Return `value` if it is a tensor of one number, else raise."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}: expected a torch.Tensor, got {type(value).__name__}; "
            "a plain number has no history, leave out .item()"
        )
    if value.numel() != 1:
        raise ValueError(
            f"{name}: expected a scalar, got shape {tuple(value.shape)}; "
            "reduce it, for example with .mean()"
        )
    return value
