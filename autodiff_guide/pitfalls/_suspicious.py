"""What looks wrong in a graph although every gradient is fine: add a pattern here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor
from torch.autograd.graph import Node

_AGAIN = {
    "LogSoftmaxBackward0": ("SoftmaxBackward0", "LogSoftmaxBackward0"),
    "SoftmaxBackward0": ("SoftmaxBackward0", "LogSoftmaxBackward0"),
    "BinaryCrossEntropyWithLogitsBackward0": ("SigmoidBackward0",),
}
_SAME_NUMBERS = (  # operations that only move numbers or convert them
    "ViewBackward0",
    "ReshapeAliasBackward0",
    "UnsafeViewBackward0",
    "SqueezeBackward0",
    "SqueezeBackward1",
    "UnsqueezeBackward0",
    "ToCopyBackward0",
    "TransposeBackward0",
    "PermuteBackward0",
)
_BROADCASTS = ("SubBackward0", "ExpandBackward0")


def leaves(nodes: Iterable[Node]) -> Iterator[Tensor]:
    """Yield the tensors in whose ``.grad`` a backward pass would leave something."""
    for node in nodes:
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            yield variable


def softmax_twice(nodes: Iterable[Node]) -> tuple[str, str] | None:
    """Return the names of two operations, the second of which does the first again."""
    for node in nodes:
        for before in map(_maker, _before(node) if node.name() in _AGAIN else ()):
            if before.name() in _AGAIN[node.name()]:
                return before.name(), node.name()
    return None


def column_against_row(
    nodes: Iterable[Node],
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the shapes of a column of n numbers and of the n × n it became."""
    for node in nodes:
        if node.name() not in _BROADCASTS:
            continue
        became = _shape(node)
        for before in _before(node):
            column = _shape(before)
            square = len(became) == 2 and became[0] == became[1] > 1
            if square and column in (became[:1], (became[0], 1)):
                return column, became
    return None


def _before(node: Node) -> list[Node]:
    return [before for before, _ in node.next_functions if before is not None]


def _maker(node: Node) -> Node:
    while node.name() in _SAME_NUMBERS and (before := _before(node)):
        node = before[0]
    return node


def _shape(node: Node) -> tuple[int, ...]:
    metadata = node._input_metadata
    return tuple(metadata[0].shape) if metadata else ()
