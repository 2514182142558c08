"""Checks of what a user passed; each error names the argument and a way out."""

from __future__ import annotations

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
    """Return `value` if it is a real floating tensor, else raise ``TypeError``."""
    tensor = require_tensor(name, value)
    if not tensor.is_floating_point():
        raise TypeError(
            f"{name}: expected a floating-point tensor, got {tensor.dtype}; "
            f"only those have derivatives, try {name}.double()"
        )
    return tensor
