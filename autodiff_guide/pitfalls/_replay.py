"""One backward pass, watched for NaN, infinity and zero: add a defect here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

Defect = Literal["not finite", "zero"]
K = TypeVar("K")


class Replay:
    """The gradients of `loss`, and which operation first sent back a defect.

    The graph is kept, ``.grad`` is not touched and the hooks are removed.
    """

    def __init__(self, loss: Tensor, tensors: Sequence[Tensor]) -> None:
        self._fed_by: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
        self._received: dict[Node, Tensor] = {}
        self._sent: dict[tuple[Node, int], Tensor] = {}
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
        self._into = _fetched(self._received, loss.device)
        self._out_of = _fetched(self._sent, loss.device)

    def origin(self, tensor: Tensor, defect: Defect) -> str:
        """Name the operation where the defect in the gradient of `tensor` began."""
        column = ("not finite", "zero").index(defect)
        node = get_gradient_edge(tensor).node
        while True:
            culprits = [
                edge[0]
                for edge in self._fed_by[node]
                if edge in self._out_of and self._out_of[edge][column]
            ]
            if not culprits:
                return "the sum of the paths that meet there"
            node = culprits[0]
            if not self._into[node][column]:
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


def _defects(gradients: list[Tensor]) -> Tensor:
    """Tell whether any entry is not finite, and whether every entry is zero."""
    values = [
        g if g.layout == torch.strided else g.coalesce().values() for g in gradients
    ]
    finite = torch.stack([v.isfinite().all() for v in values]).all()
    zero = torch.stack([(v == 0).all() for v in values]).all()
    return torch.stack([~finite, zero])


def _fetched(flags: dict[K, Tensor], device: torch.device) -> dict[K, list[bool]]:
    """Bring all flags to the host in one transfer."""
    if not flags:
        return {}
    rows = torch.stack([flag.to(device) for flag in flags.values()]).tolist()
    return dict(zip(flags, rows, strict=True))


def operation(node: Node) -> str:
    """Name a node of the graph as its operation is called: ``sqrt (SqrtBackward0)``."""
    name = node.name()
    verb = re.sub(r"Backward\d*$", "", name)
    snake = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", verb).lower()
    return f"{snake} ({name})"
