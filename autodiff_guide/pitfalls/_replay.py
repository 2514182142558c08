"""One backward pass, watched for NaN, infinity and zero: add a defect here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

Defect = Literal["not finite", "zero"]


class Replay:
    """The gradients of `loss`, and which operation first sent back a defect.

    The graph is kept, ``.grad`` is not touched and the hooks are removed. `nodes` are
    those of the graph.
    """

    def __init__(self, loss: Tensor, tensors: Sequence[Tensor]) -> None:
        self._fed_by: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
        self._received: dict[Node, tuple[bool, bool]] = {}
        self._sent: dict[tuple[Node, int], tuple[bool, bool]] = {}
        self.nodes = self._walk(get_gradient_edge(loss).node)
        handles = [node.register_hook(self._recorder(node)) for node in self.nodes]
        try:
            self.gradients = torch.autograd.grad(
                loss, tensors, retain_graph=True, allow_unused=True
            )
        finally:
            for handle in handles:
                handle.remove()

    def origin(self, tensor: Tensor, defect: Defect) -> str:
        """Name the operation where the defect in the gradient of `tensor` began."""
        column = ("not finite", "zero").index(defect)
        node = get_gradient_edge(tensor).node
        while True:
            culprits = [
                edge[0]
                for edge in self._fed_by[node]
                if edge in self._sent and self._sent[edge][column]
            ]
            if not culprits:
                return "the sum of the paths that meet there"
            node = culprits[0]
            if not self._received[node][column]:
                return operation(node)

    def _walk(self, root: Node) -> list[Node]:
        found, waiting = {root: None}, [root]
        while waiting:
            node = waiting.pop()
            for index, (below, _) in enumerate(node.next_functions):
                if below is None:
                    continue
                self._fed_by[below].append((node, index))
                if below not in found:
                    found[below] = None
                    waiting.append(below)
        return list(found)

    def _recorder(self, node: Node) -> Callable[..., None]:
        def record(
            sent: Sequence[Tensor | None], received: Sequence[Tensor | None]
        ) -> None:
            self._received[node] = _defects([g for g in received if g is not None])
            for index, gradient in enumerate(sent):
                if gradient is not None:
                    self._sent[node, index] = _defects([gradient])

        return record


def _defects(gradients: list[Tensor]) -> tuple[bool, bool]:
    """Tell whether any entry is not finite, and whether every entry is zero."""
    values = [
        g if g.layout == torch.strided else g.coalesce().values() for g in gradients
    ]
    finite = all(bool(value.isfinite().all()) for value in values)
    return not finite, not any(bool(value.any()) for value in values)


def operation(node: Node) -> str:
    """Name a node of the graph as its operation is called: ``sqrt (SqrtBackward0)``."""
    name = node.name()
    verb = re.sub(r"Backward\d*$", "", name)
    snake = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", verb).lower()
    return f"{snake} ({name})"
