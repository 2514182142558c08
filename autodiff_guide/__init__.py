"""Read a gradient, check a gradient, follow a gradient.

The verbs people type live here (``ag.describe``, ``ag.check_gradient``, …), and the
modules by name (``ag.derivatives``, ``ag.plotting``, …). Each is imported on first
use, so that ``import autodiff_guide as ag`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autodiff_guide import activations as activations
    from autodiff_guide import derivatives as derivatives
    from autodiff_guide import descent as descent
    from autodiff_guide import flow as flow
    from autodiff_guide import gradcheck as gradcheck
    from autodiff_guide import graph as graph
    from autodiff_guide import landscape as landscape
    from autodiff_guide import losses as losses
    from autodiff_guide import objectives as objectives
    from autodiff_guide import pitfalls as pitfalls
    from autodiff_guide import plotting as plotting
    from autodiff_guide import tensors as tensors
    from autodiff_guide import timing as timing
    from autodiff_guide.descent import minimize as minimize
    from autodiff_guide.gradcheck import assert_gradient as assert_gradient
    from autodiff_guide.gradcheck import check_gradient as check_gradient
    from autodiff_guide.gradcheck import check_loss as check_loss
    from autodiff_guide.gradcheck import check_module as check_module
    from autodiff_guide.graph import trace as trace
    from autodiff_guide.landscape import slice_loss as slice_loss
    from autodiff_guide.pitfalls import diagnose as diagnose
    from autodiff_guide.pitfalls import explain as explain
    from autodiff_guide.tensors import describe as describe
    from autodiff_guide.tensors import preferred_device as preferred_device
    from autodiff_guide.timing import compare as compare

__version__ = "0.1.0"

# Each public module, and what of it people type as ``ag.…``.
_VERBS = {
    "activations": (),
    "derivatives": (),
    "descent": ("minimize",),
    "flow": (),
    "gradcheck": ("assert_gradient", "check_gradient", "check_loss", "check_module"),
    "graph": ("trace",),
    "landscape": ("slice_loss",),
    "losses": (),
    "objectives": (),
    "pitfalls": ("diagnose", "explain"),
    "plotting": (),
    "tensors": ("describe", "preferred_device"),
    "timing": ("compare",),
}
_HOME = {verb: module for module, verbs in _VERBS.items() for verb in verbs}

__all__ = [*_HOME, *_VERBS]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _VERBS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
