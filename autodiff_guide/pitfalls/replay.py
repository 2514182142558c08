"""One backward pass, watched: where a NaN, an infinity or a zero came from."""

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

    The graph is kept, ``.grad`` is not touched and the hooks are removed.
    """

    def __init__(self, loss: Tensor, tensors: Sequence[Tensor]) -> None:
        self._fed_by: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
        self._received: dict[Node, list[int]] = {}
        self._sent: dict[tuple[Node, int], int] = {}
        self._flags: list[Tensor] = []
        handles = [
            node.register_hook(self._recorder(node))
            for node in self._walk(get_gradient_edge(loss).node)
        ]
        try:
            self.gradients = torch.autograd.grad(
                loss, tensors, retain_graph=True, allow_unused=True
            )
        finally:
            for handle in handles:
                handle.remove()
        together = [flag.to(loss.device) for flag in self._flags]
        self._defects = torch.stack(together).tolist() if together else []

    def origin(self, tensor: Tensor, defect: Defect) -> str:
        """Name the operation where the defect in the gradient of `tensor` began."""
        column = ("not finite", "zero").index(defect)
        node = get_gradient_edge(tensor).node
        while True:
            culprits = [
                sender
                for sender, index in self._fed_by[node]
                if (edge := self._sent.get((sender, index))) is not None
                and self._defects[edge][column]
            ]
            if not culprits:
                return "the sum of the paths that meet there"
            node = culprits[0]
            if not any(self._defects[edge][column] for edge in self._received[node]):
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
            self._received[node] = [
                self._flag(gradient) for gradient in received if gradient is not None
            ]
            for index, gradient in enumerate(sent):
                if gradient is not None:
                    self._sent[node, index] = self._flag(gradient)

        return record

    def _flag(self, gradient: Tensor) -> int:
        if gradient.layout != torch.strided:
            gradient = gradient.coalesce().values()
        not_finite, zero = ~gradient.isfinite().all(), (gradient == 0).all()
        self._flags.append(torch.stack([not_finite, zero]))
        return len(self._flags) - 1


def operation(node: Node) -> str:
    """Name a node of the graph as its operation is called: ``sqrt (SqrtBackward0)``."""
    name = node.name()
    verb = re.sub(r"Backward\d*$", "", name)
    snake = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", verb).lower()
    return f"{snake} ({name})"
