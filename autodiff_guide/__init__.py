"""Read a gradient, check a gradient, follow a gradient.

The verbs people type live here (``ag.describe``, ``ag.check_gradient``, …), and the
modules by name (``ag.derivatives``, ``ag.plotting``, …). Each is imported on first
use, so that ``import autodiff_guide as ag`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autodiff_guide.landscape import slice_loss as slice_loss
    from autodiff_guide.tensors import describe as describe
    from autodiff_guide.tensors import preferred_device as preferred_device

__version__ = "0.1.0"

_HOME = {
    "describe": "tensors",
    "preferred_device": "tensors",
    "slice_loss": "landscape",
}
_MODULES = ("derivatives", "landscape", "plotting", "tensors")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
