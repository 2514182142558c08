"""How a graph is drawn: rows from top to bottom, as SVG in the ink of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from html import escape
from itertools import pairwise
from statistics import fmean

from autodiff_guide.graph._node import Node, show

LETTER, LINE, PAD = 7.8, 17.0, 8.0
BOLD = 1.12
ACROSS, DOWN, MARGIN = 14.0, 40.0, 2.0
SWEEPS = 8


@dataclass(eq=False)
class Box:
    """A node on the page; without text, a point that a long edge passes."""

    row: int
    text: Sequence[str] = ()
    above: list[Box] = field(default_factory=list)
    below: list[Box] = field(default_factory=list)
    x: float = 0.0
    top: float = 0.0

    @property
    def width(self) -> float:
        if not self.text:
            return 6.0
        letters = max(len(self.text[0]) * BOLD, *map(len, self.text))
        return letters * LETTER + 2 * PAD

    @property
    def height(self) -> float:
        return len(self.text) * LINE + PAD if self.text else 0.0

    @property
    def bottom(self) -> float:
        return self.top + self.height


# The boxes and points that an edge passes, from parent to child, and what it carries.
Edge = tuple[list[Box], float | None]


def svg(nodes: Sequence[Node], title: str, description: str) -> str:
    """Return the drawing; what backward needs has a heavy outline, a leaf a round one.

    Parameters
    ----------
    nodes : sequence of Node
        Each after its parents.
    title, description : str
        What is read to those who do not see it.
    """
    boxes, edges = _linked(nodes)
    points = [point for chain, _ in edges for point in chain[1:-1]]
    rows: dict[int, list[Box]] = {}
    for box in sorted([*boxes.values(), *points], key=lambda box: box.row):
        rows.setdefault(box.row, []).append(box)
    _uncross(list(rows.values()))
    width, height = _place(list(rows.values()))
    parts = [_drawn_edge(*edge) for edge in edges]
    parts += [_drawn_box(box, node) for node, box in boxes.items()]
    key = sha1((title + description).encode(), usedforsecurity=False).hexdigest()[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="t{key} d{key}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" style="max-width:100%;height:auto" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="none" '
        f'stroke="currentColor"><title id="t{key}">{escape(title)}</title>'
        f'<desc id="d{key}">{escape(description)}</desc>{"".join(parts)}</svg>'
    )


def _linked(nodes: Sequence[Node]) -> tuple[dict[Node, Box], list[Edge]]:
    """Return a box for each node, a leaf's just above its use, and the edges."""
    row: dict[Node, int] = {}
    for node in nodes:
        row[node] = 1 + max((row[parent] for parent in node.parents), default=-1)
    for leaf in (node for node in nodes if node.is_leaf):
        uses = (row[node] for node in nodes if leaf in node.parents)
        row[leaf] = min(uses, default=1) - 1
    boxes = {node: Box(row[node], _text(node)) for node in nodes}
    edges: list[Edge] = []
    for node in nodes:
        for parent, local in node.edges.items():
            points = [Box(at) for at in range(row[parent] + 1, row[node])]
            chain = [boxes[parent], *points, boxes[node]]
            for upper, lower in pairwise(chain):
                upper.below.append(lower)
                lower.above.append(upper)
            edges.append((chain, local))
    return boxes, edges


def _text(node: Node) -> list[str]:
    named = node.name and not node.is_leaf
    lines = [f"{node.name} = {node.operation}" if named else node.label]
    if node.value is not None:
        lines.append(show(node.value))
    if node.gradient is not None:
        lines.append(f"grad {show(node.gradient)}")
    return lines


def _uncross(rows: list[list[Box]]) -> None:
    """Order each row by the mean place of its neighbors, downward and up in turn."""
    for row in rows:
        _number(row)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows[1:] if down else rows[-2::-1]:
            row.sort(key=lambda box: _mean_x(box.above if down else box.below, box.x))
            _number(row)


def _number(row: list[Box]) -> None:
    for at, box in enumerate(row):
        box.x = at / len(row)


def _mean_x(boxes: Sequence[Box], otherwise: float) -> float:
    return fmean(box.x for box in boxes) if boxes else otherwise


def _place(rows: list[list[Box]]) -> tuple[float, float]:
    """Put each box below the mean of its parents; return width and height of all."""
    widths = [sum(box.width + ACROSS for box in row) - ACROSS for row in rows]
    top = MARGIN
    for row, width in zip(rows, widths, strict=True):
        high = max(box.height for box in row)
        left, spare = MARGIN, max(widths) - width
        for box in row:
            half = box.width / 2
            wanted = _mean_x(box.above, left + half + spare / 2)
            shift = min(max(wanted - half - left, 0), spare)
            spare -= shift
            box.x = left + shift + half
            box.top = top + (high - box.height) / 2
            left = box.x + half + ACROSS
        top += high + DOWN
    return max(widths) + 2 * MARGIN, top - DOWN + MARGIN


def _drawn_edge(chain: list[Box], local: float | None) -> str:
    first, second, last = chain[0], chain[1], chain[-1]
    path = f"M{first.x:.0f} {first.bottom:.0f}"
    for upper, lower in pairwise(chain):
        middle = (upper.bottom + lower.top) / 2
        path += f"C{upper.x:.0f} {middle:.0f} {lower.x:.0f} {middle:.0f} "
        path += f"{lower.x:.0f} {lower.top:.0f}"
    x, y = last.x, last.top
    path += f"M{x - 4:.0f} {y - 7:.0f}L{x:.0f} {y:.0f}L{x + 4:.0f} {y - 7:.0f}"
    drawn = f'<path d="{path}"/>'
    if local is None:
        return drawn
    x = first.x + 0.28 * (second.x - first.x) + 4
    y = first.bottom + 0.35 * (second.top - first.bottom) + 5
    return drawn + _written(x, y, f"{local:.4g}", 'font-size="12"')


def _drawn_box(box: Box, node: Node) -> str:
    outline = (
        f'<rect x="{box.x - box.width / 2:.0f}" y="{box.top:.0f}" '
        f'width="{box.width:.0f}" height="{box.height:.0f}" '
        f'rx="{12 if node.is_leaf else 3}" stroke-width="{2.5 if node.saved else 1}"/>'
    )
    middle = 'text-anchor="middle"'
    first_line = box.top + PAD / 2 + 13
    return outline + "".join(
        _written(
            box.x,
            first_line + at * LINE,
            line,
            middle if at else f'{middle} font-weight="bold"',
        )
        for at, line in enumerate(box.text)
    )


def _written(x: float, y: float, text: str, style: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" {style} fill="currentColor" '
        f'stroke="none">{escape(text)}</text>'
    )
