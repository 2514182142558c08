"""A computation as a graph: walked, printed, folded, exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import networkx as nx

from autodiff_guide._printed import Table
from autodiff_guide.graph._node import Node, show
from autodiff_guide.graph._svg import svg

MOST_STEPS, MOST_MODULES = 40, 20


@dataclass(frozen=True, eq=False)
class Graph:
    """A computation, from its leaves to its output, with values and gradients on it.

    Parameters
    ----------
    nodes : sequence of Node
        In an order in which each comes after its parents; the last is the output.
    title : str
        What was computed.

    Raises
    ------
    ValueError
        If there is no node, or a node comes before one of its parents.

    Examples
    --------
    >>> a, b = Node("input", 2.0, 3.0, name="a"), Node("input", 3.0, 2.0, name="b")
    >>> product = Node("×", 6.0, 1.0, parents=(a, b), local=(3.0, 2.0), name="y")
    >>> graph = Graph([a, b, product])
    >>> graph["a"].gradient
    3.0
    >>> [node.label for node in graph]
    ['a', 'b', 'y']
    """

    nodes: Sequence[Node]
    title: str = "computation"

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

    def fold(self, depth: int = 1) -> Graph:
        """Return the graph with one node for each call of a module.

        Parameters
        ----------
        depth : int
            How many parts of a module's name to keep: 1 keeps ``layer1`` of
            ``layer1.0.conv1``.

        Returns
        -------
        Graph
            A node that stands for a module has its last value, and that value's
            gradient. Parameters go with the module that uses them.

        Raises
        ------
        ValueError
            If `depth` is not positive.
        """
        if depth < 1:
            raise ValueError(f"depth: expected 1 or more, got {depth}")
        return Graph(folded(self.nodes, depth), self.title)

    def to_networkx(self) -> nx.DiGraph[Node]:
        """Return the graph for networkx: nodes are `Node`, edges have ``local``."""
        graph: nx.DiGraph[Node] = nx.DiGraph()
        graph.add_nodes_from(self.nodes)
        for node in self.nodes:
            for parent, local in node.edges.items():
                graph.add_edge(parent, node, local=local)
        return graph

    def to_dot(self) -> str:
        """Return the graph in Graphviz's DOT language."""
        number = {node: f"n{at}" for at, node in enumerate(self.nodes)}
        lines = [f"digraph {_quoted(self.title)} {{", "  node [shape=box];"]
        for node in self.nodes:
            text = "\n".join(box_lines(node))
            shape = " style=rounded" if node.is_leaf else ""
            lines.append(f"  {number[node]} [label={_quoted(text)}{shape}];")
        for node in self.nodes:
            for parent, local in node.edges.items():
                label = "" if local is None else f" [label={_quoted(f'{local:.4g}')}]"
                lines.append(f"  {number[parent]} -> {number[node]}{label};")
        return "\n".join([*lines, "}"])

    def __str__(self) -> str:
        return str(self._table())

    def __repr__(self) -> str:
        return f"Graph({self.title!r}, {len(self)} nodes)"

    def _repr_svg_(self) -> str:
        shown = self._readable()
        names = _distinct_labels(shown.nodes)
        return svg(
            shown.to_networkx(),
            {node: box_lines(node) for node in shown},
            heavy={node for node in shown if node.saved},
            title=f"{self.title}: {len(self)} nodes"
            + (f", folded to {len(shown)}" if len(shown) < len(self) else ""),
            description=" ".join(
                f"{names[node]}: "
                + (
                    f"{node.operation} of "
                    + " and ".join(names[parent] for parent in node.parents)
                    if node.parents
                    else node.operation
                )
                + f", value {show(node.value)}, gradient {show(node.gradient)}"
                + (", saved for backward." if node.saved else ".")
                for node in shown
            ),
        )

    def _repr_html_(self) -> str:
        return self._repr_svg_()

    def _readable(self) -> Graph:
        """Fold by module until it fits on a page, then leave out the middle."""
        depth = 1 + max(node.module.count(".") for node in self.nodes)
        most = MOST_MODULES if any(node.module for node in self.nodes) else MOST_STEPS
        shown = self
        while len(shown) > most and depth:
            shown, depth = self.fold(depth), depth - 1
        if len(shown) > most:
            return Graph(without_middle(shown.nodes, most), self.title)
        return shown

    def _table(self) -> Table:
        names = _distinct_labels(self.nodes)
        return Table(
            self.title,
            [
                (
                    names[node],
                    node.operation,
                    ", ".join(names[parent] for parent in node.parents),
                    show(node.value),
                    show(node.gradient),
                    "saved" if node.saved else "",
                    node.grad_fn,
                )
                for node in self.nodes
            ],
            ("node", "operation", "of", "value", "gradient", "kept", "grad_fn"),
        )


def box_lines(node: Node) -> list[str]:
    """Return what stands in a node's box."""
    head = [node.name, node.operation] if node.name else [node.operation]
    lines = [" = ".join(head) if not node.is_leaf else node.label, show(node.value)]
    if node.gradient is not None:
        lines.append(f"grad {show(node.gradient)}")
    return lines


def folded(nodes: Sequence[Node], depth: int) -> list[Node]:
    """Return one node for each run of nodes in the same call of a module."""
    group_of: dict[Node, list[Node]] = {}
    call, group = "", list[Node]()
    for node in nodes:
        if node.is_leaf:
            continue
        here = ".".join(node.module.split(".")[:depth])
        if here != call or not here:
            call, group = here, []
        group.append(node)
        group_of[node] = group
    new: dict[Node, Node] = {}
    result: list[Node] = []
    for node in nodes:
        if node.is_leaf and node.module:
            continue
        group = group_of.get(node, [node])
        if node is not group[-1]:
            continue
        inside = set(group)
        outside = dict.fromkeys(
            new[parent]
            for member in group
            for parent in member.parents
            if parent not in inside and parent in new
        )
        call = ".".join(node.module.split(".")[:depth])
        if len(group) == 1:
            local = {new[p]: d for p, d in node.edges.items() if p in new}
            operation, name = node.operation, node.name or call
        else:
            local = dict.fromkeys(outside)
            operation, name = f"{len(group)} steps", call
        folded_node = Node(
            operation,
            node.value,
            node.gradient,
            parents=tuple(outside),
            local=tuple(local[parent] for parent in outside),
            name=name,
            saved=any(member.saved for member in group),
            grad_fn=node.grad_fn,
            module=node.module,
        )
        for member in group:
            new[member] = folded_node
        result.append(folded_node)
    return result


def without_middle(nodes: Sequence[Node], most: int) -> list[Node]:
    """Return the first and last nodes, with one that stands for all between."""
    first, last = nodes[: most // 2], nodes[-(most // 2) :]
    middle = nodes[most // 2 : -(most // 2)]
    kept = set(first)
    feeding = dict.fromkeys(
        parent for node in middle for parent in node.parents if parent in kept
    )
    gap = Node(
        f"… {len(middle)} more …",
        middle[-1].value,
        middle[-1].gradient,
        parents=tuple(feeding),
    )
    new: dict[Node, Node] = {**{n: n for n in first}, **dict.fromkeys(middle, gap)}
    for node in last:
        edges = {new[parent]: local for parent, local in node.edges.items()}
        new[node] = Node(
            node.operation,
            node.value,
            node.gradient,
            parents=tuple(edges),
            local=tuple(edges.values()),
            name=node.name,
            saved=node.saved,
            grad_fn=node.grad_fn,
            module=node.module,
        )
    return [*first, gap, *(new[node] for node in last)]


def _distinct_labels(nodes: Iterable[Node]) -> dict[Node, str]:
    """Return labels by which each node can be told from the others."""
    labels: dict[Node, str] = {}
    used: dict[str, int] = {}
    for node in nodes:
        count = used[node.label] = used.get(node.label, 0) + 1
        labels[node] = node.label if count == 1 else f"{node.label} ({count})"
    return labels


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
