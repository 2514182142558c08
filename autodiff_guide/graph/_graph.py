"""What a graph offers: change its lookup by name or its table here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autodiff_guide._printed import Printed, Table
from autodiff_guide.graph._node import Node, show
from autodiff_guide.graph._svg import svg

MOST_DRAWN = 60


@dataclass(frozen=True, eq=False)
class Graph(Printed):
    """A computation, from its leaves to its output, with values and gradients on it.

    As text it is a table. In a notebook it is a drawing, up to 60 nodes.

    Parameters
    ----------
    nodes : sequence of Node
        In an order in which each comes after its parents; the last is the output.
    title : str
        What was computed.
    steps : int, optional
        How many steps of the backward pass to draw, from the output up; the gradients
        that later ones find are left out. By default all.

    Raises
    ------
    ValueError
        If there is no node, or a node comes before one of its parents.

    Examples
    --------
    >>> a, b = Node("input", 2.0, 3.0, name="a"), Node("input", 3.0, 2.0, name="b")
    >>> product = Node("×", 6.0, 1.0, {a: 3.0, b: 2.0}, name="y")
    >>> graph = Graph([a, b, product])
    >>> graph["a"].gradient
    3.0
    >>> [node.label for node in graph]
    ['a', 'b', 'y']
    """

    nodes: Sequence[Node]
    title: str = "computation"
    steps: int | None = None

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("nodes: expected at least the output, got none")
        seen: set[Node] = set()
        for node in self.nodes:
            for parent in node.parents:
                if parent not in seen:
                    raise ValueError(
                        f"nodes: expected {parent.label!r} before {node.label!r}, "
                        "which is computed from it; put each node after its parents"
                    )
            seen.add(node)

    @property
    def output(self) -> Node:
        """The last node: what was computed."""
        return self.nodes[-1]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in reversed(self.nodes):
            if node.name == name:
                return node
        names = [node.name for node in self.nodes if node.name]
        raise KeyError(f"name: expected one of {names}, got {name!r}")

    def __repr__(self) -> str:
        return f"Graph({self.title!r}, {len(self)} nodes)"

    def _table(self) -> Table:
        headers = ("node", "operation", "of", "value", "gradient", "kept", "grad_fn")
        return Table(self.title, _rows(self.nodes), headers)

    def _repr_html_(self) -> str:
        if len(self) > MOST_DRAWN:
            return super()._repr_html_()
        description = (
            f"{name}: {operation}{f' of {parents}' if parents else ''}, value {value}, "
            f"gradient {gradient}{', saved for backward' if saved else ''}."
            for name, operation, parents, value, gradient, saved, _ in _rows(self.nodes)
        )
        title, reached = f"{self.title}: {len(self)} nodes", None
        if self.steps is not None:
            title += f", {self.steps} steps of the backward pass"
            back = [node for node in reversed(self.nodes) if node.gradient is not None]
            reached = back[: self.steps]
        return svg(self.nodes, title, " ".join(description), reached)


def _rows(nodes: Sequence[Node]) -> list[tuple[str, ...]]:
    """Return what there is to say of each node, by names that tell them apart."""
    names: dict[Node, str] = {}
    rows: list[tuple[str, ...]] = []
    for node in nodes:
        count = 1 + sum(other.label == node.label for other in names)
        names[node] = node.label if count == 1 else f"{node.label} ({count})"
        parents = ", ".join(names[parent] for parent in node.parents)
        saved = "saved" if node.saved else ""
        value, gradient = show(node.value), show(node.gradient)
        rows.append(
            (names[node], node.operation, parents, value, gradient, saved, node.grad_fn)
        )
    return rows
