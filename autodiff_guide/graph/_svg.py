"""How a graph is drawn: change its colors, its words, where boxes and labels stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from html import escape
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autodiff_guide.graph._node import Node, show

# Two colors that also those who see no red tell apart, and the ink of the page; mixed
# with the ink they can be read on a light page and on a dark one.
INK = "currentColor"
VALUE = "color-mix(in srgb, #0072b2 65%, currentColor)"
GRADIENT = "color-mix(in srgb, #d55e00 65%, currentColor)"
KEY = (
    ("value, from the forward pass", VALUE),
    ("gradient, from the backward pass", GRADIENT),
    ("on a line, its local derivative", INK),
    ("heavy outline: saved for the backward pass", INK),
)

LETTER, SMALL, LINE, PAD = 7.8, 6.7, 17.0, 8.0
BOLD = 1.12
ACROSS, DOWN, MARGIN = 18.0, 52.0, 3.0
SWEEPS = 8
GAPS = np.array([3.0, 6.0, 10.0])  # between an edge and its label, the first that fits
FAR = np.full((1, 2), 1e9)  # a point clear of everything
Points = NDArray[np.floating[Any]]


@dataclass(eq=False)
class Box:
    """A node on the page; without text, a point that a long edge passes."""

    row: int
    lines: Sequence[tuple[str, str]] = ()  # each with its color
    above: list[Box] = field(default_factory=list)
    below: list[Box] = field(default_factory=list)
    x: float = 0.0
    top: float = 0.0

    @property
    def width(self) -> float:
        if not self.lines:
            return 6.0
        (title, _), *others = self.lines
        letters = [len(title) * BOLD, *(len(text) for text, _ in others)]
        return max(letters) * LETTER + 2 * PAD

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + PAD if self.lines else 0.0

    @property
    def bottom(self) -> float:
        return self.top + self.height


# The boxes and points that an edge passes, from parent to child, and what it carries.
Edge = tuple[list[Box], float | None]


def svg(
    nodes: Sequence[Node],
    title: str,
    description: str,
    reached: Collection[Node] | None = None,
) -> str:
    """Return the drawing; what backward needs has a heavy outline, a leaf a round one.

    Parameters
    ----------
    nodes : sequence of Node
        Each after its parents.
    title, description : str
        What is read to those who do not see it.
    reached : collection of Node, optional
        The nodes whose gradient is drawn, the last of them marked; by default that of
        each is, above the key to the colors.
    """
    boxes, edges = _linked(nodes)
    points = [point for chain, _ in edges for point in chain[1:-1]]
    rows: dict[int, list[Box]] = {}
    for box in sorted([*boxes.values(), *points], key=lambda box: box.row):
        rows.setdefault(box.row, []).append(box)
    _uncross(list(rows.values()))
    key = KEY if reached is None else ()
    widest = max((len(words) * SMALL for words, _ in key), default=0.0)
    width, height = _place(list(rows.values()), widest)
    current = list(reached)[-1] if reached else None
    parts = [_drawn_edges(edges)]
    for node, box in boxes.items():
        shown = reached is None or node in reached
        parts.append(_drawn_box(box, node, shown=shown, marked=node is current))
    for words, color in key:
        height += LINE
        parts.append(_written(width / 2, height, words, color, 'font-size="12"'))
    digest = sha1((title + description).encode(), usedforsecurity=False).hexdigest()
    name = digest[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="t{name} d{name}" '
        f'viewBox="0 0 {width:.0f} {height + MARGIN:.0f}" width="{width:.0f}" '
        f'style="display:block;margin:auto;max-width:100%;height:auto" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="none" '
        f'stroke="currentColor"><title id="t{name}">{escape(title)}</title>'
        f'<desc id="d{name}">{escape(description)}</desc>{"".join(parts)}</svg>'
    )


def _linked(nodes: Sequence[Node]) -> tuple[dict[Node, Box], list[Edge]]:
    """Return a box for each node, a leaf's just above its use, and the edges."""
    row: dict[Node, int] = {}
    for node in nodes:
        row[node] = 1 + max((row[parent] for parent in node.parents), default=-1)
    for leaf in (node for node in nodes if node.is_leaf):
        uses = (row[node] for node in nodes if leaf in node.parents)
        row[leaf] = min(uses, default=1) - 1
    boxes = {node: Box(row[node], _lines(node)) for node in nodes}
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


def _lines(node: Node) -> list[tuple[str, str]]:
    named = node.name and not node.is_leaf
    lines = [(f"{node.name} = {node.operation}" if named else node.label, INK)]
    if node.value is not None:
        lines.append((show(node.value), VALUE))
    if node.gradient is not None:
        lines.append((f"grad {show(node.gradient)}", GRADIENT))
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


def _place(rows: list[list[Box]], widest: float) -> tuple[float, float]:
    """Put each box below the mean of its parents; return width and height of all."""
    widths = [sum(box.width + ACROSS for box in row) - ACROSS for row in rows]
    top, most = MARGIN, max(widest, *widths)
    for row, width in zip(rows, widths, strict=True):
        high = max(box.height for box in row)
        left, spare = MARGIN, most - width
        for box in row:
            half = box.width / 2
            wanted = _mean_x(box.above, left + half + spare / 2)
            shift = min(max(wanted - half - left, 0), spare)
            spare -= shift
            box.x = left + shift + half
            box.top = top + (high - box.height) / 2
            left = box.x + half + ACROSS
        top += high + DOWN
    return most + 2 * MARGIN, top - DOWN + MARGIN


def _drawn_edges(edges: Sequence[Edge]) -> str:
    """Draw the edges; a label stands beside its own, clear of the others if it can."""
    curves = [_along(chain) for chain, _ in edges]
    parts = [_drawn_edge(chain) for chain, _ in edges]
    taken: list[Points] = [FAR]  # by labels
    for (_, local), curve in zip(edges, curves, strict=True):
        if local is None:
            continue
        label = f"{local:.4g}"
        half = np.array([len(label) * SMALL / 2, 7.0])
        beside = np.concatenate([np.diag(half + gap) for gap in GAPS])
        moves = np.stack([beside, -beside], 1).reshape(-1, 1, 1, 2)
        places = (curve[[0, -1], 6:16] + moves).reshape(-1, 2)
        others = [each.reshape(-1, 2) for each in curves if each is not curve]
        to_own, to_others = (
            np.abs((places[:, None] - points) / half).max(-1).min(1)
            for points in (curve.reshape(-1, 2), np.concatenate([*others, *taken]))
        )
        clear = np.minimum(to_own, to_others / 1.5).clip(max=1.05)
        place = places[clear.argmax()]
        taken.append(place[None])
        x, y = place.tolist()
        parts.append(_written(x, y + 4, label, INK, 'font-size="12"'))
    return "".join(parts)


def _along(chain: list[Box]) -> Points:
    """Return points on the curves of an edge, 21 on each: ``(curves, 21, 2)``."""
    t = np.linspace(0, 1, 21)[:, None]
    s, curves = 1 - t, []
    for upper, lower in pairwise(chain):
        middle = (upper.bottom + lower.top) / 2
        a, d = np.array([[upper.x, upper.bottom], [lower.x, lower.top]])
        b, c = np.array([[upper.x, middle], [lower.x, middle]])
        curves.append(s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d)
    return np.stack(curves)


def _drawn_edge(chain: list[Box]) -> str:
    first, last = chain[0], chain[-1]
    path = f"M{first.x:.0f} {first.bottom:.0f}"
    for upper, lower in pairwise(chain):
        middle = (upper.bottom + lower.top) / 2
        path += f"C{upper.x:.0f} {middle:.0f} {lower.x:.0f} {middle:.0f} "
        path += f"{lower.x:.0f} {lower.top:.0f}"
    x, y = last.x, last.top
    path += f"M{x - 4:.0f} {y - 7:.0f}L{x:.0f} {y:.0f}L{x + 4:.0f} {y - 7:.0f}"
    return f'<path d="{path}"/>'


def _drawn_box(box: Box, node: Node, *, shown: bool, marked: bool) -> str:
    fill = f' style="fill:{GRADIENT}" fill-opacity="0.2"' if marked else ""
    outline = (
        f'<rect x="{box.x - box.width / 2:.0f}" y="{box.top:.0f}" '
        f'width="{box.width:.0f}" height="{box.height:.0f}" '
        f'rx="{12 if node.is_leaf else 3}" '
        f'stroke-width="{2.5 if node.saved else 1}"{fill}/>'
    )
    return outline + "".join(
        _written(
            box.x,
            box.top + PAD / 2 + 13 + at * LINE,
            text,
            color,
            "" if at else 'font-weight="bold"',
        )
        for at, (text, color) in enumerate(box.lines)
        if shown or color != GRADIENT
    )


def _written(x: float, y: float, text: str, color: str, style: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" {style} '
        f'fill="currentColor" style="fill:{color}" stroke="none">{escape(text)}</text>'
    )
