"""Clues from watching the function run: what cuts the graph, what loses precision."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from autodiff_guide.gradcheck._base import nodes
from autodiff_guide.gradcheck._map import Map

CUTS = {
    torch.Tensor.detach: ".detach()",
    torch.Tensor.detach_: ".detach_()",
    getattr_static(torch.Tensor, "data").__get__: ".data",
    torch.Tensor.item: ".item()",
    torch.Tensor.tolist: ".tolist()",
    torch.Tensor.numpy: ".numpy()",
}


class _WatchCuts(TorchFunctionMode):
    """Notes the calls that cut a value off from its graph."""

    def __init__(self) -> None:
        super().__init__()
        self.found: str | None = None
        self.without_grad = False

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if any(isinstance(x, Tensor) and x.requires_grad for x in args):
            if not torch.is_grad_enabled():
                self.without_grad = True
            elif func in CUTS and self.found is None:
                self.found = CUTS[func]
        return func(*args, **(kwargs or {}))


class _WatchPrecision(TorchDispatchMode):
    """Notes the first operation whose result is less precise than `eps`."""

    def __init__(self, eps: float) -> None:
        TorchDispatchMode.__init__(self)
        self.eps = eps
        self.found: tuple[str, float] | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point():
            eps = torch.finfo(result.dtype).eps
            if eps > self.eps and self.found is None:
                name = str(result.dtype).removeprefix("torch.")
                self.found = f"{func} returns {name}", eps
        return result


def find_detachment(problem: Map) -> str | None:
    """Return what cuts a value that needs a gradient off from the graph of `fn`."""
    watch = _WatchCuts()
    with watch:
        _, outputs = problem.graph()
    # A custom Function runs its forward without grad, too, and that is right.
    custom = any(isinstance(node, BackwardCFunction) for node in nodes(outputs))
    if watch.found is None and watch.without_grad and not custom:
        return "torch.no_grad"
    return watch.found


def find_low_precision(problem: Map) -> tuple[str, float] | None:
    """Return an operation, forward or backward, below the inputs' precision."""
    watch = _WatchPrecision(problem.eps)
    with watch:
        graph = problem.graph()
        v = problem.x.new_ones(1, sum(y.numel() for y in graph[1]))
        problem.pullback(graph, v)
    return watch.found
