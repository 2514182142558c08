"""A graph drawn as inline SVG: layers from top to bottom, in the ink of the page."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from hashlib import sha1
from html import escape
from itertools import pairwise
from typing import Any

import networkx as nx

LETTER, LINE, PAD = 7.8, 17.0, 8.0
BOLD = 1.12
ACROSS, DOWN = 14.0, 40.0
SWEEPS = 8

_Layers = list[list[Any]]


def svg(
    graph: nx.DiGraph[Any],
    lines: Mapping[Any, Sequence[str]],
    *,
    heavy: Collection[Any],
    title: str,
    description: str,
) -> str:
    """Return the drawing; boxes are the keys of `lines`, with these lines of text.

    Those in `heavy` get a heavy outline, leaves a round one.
    """
    layered, layers = _layered(graph)
    _uncross(layered, layers)
    sizes = {
        node: _size(lines[node]) if node in lines else (6.0, 0.0) for node in layered
    }
    places, width, height = _places(layered, layers, sizes)
    parts = [
        _edge(chain, places, sizes, graph.edges[chain[0], chain[-1]].get("local"))
        for chain in _chains(graph, layered)
    ]
    parts += [
        _box(
            places[node],
            sizes[node],
            lines[node],
            round_by=3 if graph.in_degree(node) else 12,
            stroke=2.5 if node in heavy else 1,
        )
        for node in graph
    ]
    key = sha1((title + description).encode(), usedforsecurity=False).hexdigest()[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="t{key} d{key}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" style="max-width:100%;height:auto" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="none" '
        f'stroke="currentColor"><title id="t{key}">{escape(title)}</title>'
        f'<desc id="d{key}">{escape(description)}</desc>{"".join(parts)}</svg>'
    )


def _layered(graph: nx.DiGraph[Any]) -> tuple[nx.DiGraph[Any], _Layers]:
    """Put each node in a layer, leaves just above their use; split long edges.

    An edge over several layers gets a way point ``(parent, child, layer)`` in each.
    """
    rank: dict[Hashable, int] = {}
    for at, generation in enumerate(nx.topological_generations(graph)):
        rank.update(dict.fromkeys(generation, at))
    for node in graph:
        if not graph.in_degree(node) and graph.out_degree(node):
            rank[node] = min(rank[child] for child in graph.successors(node)) - 1
    layered: nx.DiGraph[Any] = nx.DiGraph()
    layered.add_nodes_from(graph)
    for parent, child in graph.edges:
        points = [(parent, child, at) for at in range(rank[parent] + 1, rank[child])]
        rank.update({point: point[2] for point in points})
        nx.add_path(layered, [parent, *points, child])
    layers: _Layers = [[] for _ in range(max(rank.values()) + 1)]
    for node in layered:
        layers[rank[node]].append(node)
    return layered, [layer for layer in layers if layer]


def _uncross(graph: nx.DiGraph[Any], layers: _Layers) -> None:
    """Order each layer by the mean place of its neighbours, down and up in turn."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        ordered = layers if down else layers[::-1]
        for before, layer in pairwise(ordered):
            place = {node: at / len(before) for at, node in enumerate(before)}
            own = {node: at / len(layer) for at, node in enumerate(layer)}
            key = {}
            for node in layer:
                near = graph.predecessors(node) if down else graph.successors(node)
                found = [place[other] for other in near if other in place]
                key[node] = sum(found) / len(found) if found else own[node]
            layer.sort(key=key.__getitem__)


def _size(lines: Sequence[str]) -> tuple[float, float]:
    letters = max(len(lines[0]) * BOLD, *map(len, lines))
    return letters * LETTER + 2 * PAD, len(lines) * LINE + PAD


def _places(
    graph: nx.DiGraph[Any],
    layers: _Layers,
    sizes: Mapping[Any, tuple[float, float]],
) -> tuple[dict[Any, tuple[float, float]], float, float]:
    """Return the centre of each node, and the drawing's width and height."""
    widths = [sum(sizes[n][0] + ACROSS for n in layer) - ACROSS for layer in layers]
    width = max(widths) + 4
    places: dict[Any, tuple[float, float]] = {}
    top = 2.0
    for layer in layers:
        high = max(sizes[node][1] for node in layer)
        wanted = []
        for node in layer:
            above = [places[n][0] for n in graph.predecessors(node) if n in places]
            wanted.append(sum(above) / len(above) if above else None)
        spare = width - 4 - (sum(sizes[n][0] + ACROSS for n in layer) - ACROSS)
        left = 2.0
        for node, want in zip(layer, wanted, strict=True):
            half = sizes[node][0] / 2
            if want is None:
                want = left + half + spare / 2
            shift = min(max(want - half - left, 0), spare)
            spare -= shift
            left += shift
            places[node] = (left + half, top + high / 2)
            left += 2 * half + ACROSS
        top += high + DOWN
    return places, width, top - DOWN + 2


def _chains(graph: nx.DiGraph[Any], layered: nx.DiGraph[Any]) -> list[list[Any]]:
    """Return for each edge the nodes and way points it passes."""
    between: dict[tuple[Any, Any], list[Any]] = {edge: [] for edge in graph.edges}
    for node in layered:
        if node not in graph:
            between[node[:2]].append(node)
    return [
        [parent, *sorted(points, key=lambda point: point[2]), child]
        for (parent, child), points in between.items()
    ]


def _edge(
    chain: Sequence[Any],
    places: Mapping[Any, tuple[float, float]],
    sizes: Mapping[Any, tuple[float, float]],
    local: float | None,
) -> str:
    (x, y), bottom = places[chain[0]], sizes[chain[0]][1] / 2
    path = f"M{x:.0f} {y + bottom:.0f}"
    y += bottom
    for node in chain[1:]:
        to_x, to_y = places[node]
        to_y -= sizes[node][1] / 2
        bend = (to_y - y) / 2
        path += f"C{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f} "
        path += f"{to_x:.0f} {to_y:.0f}"
        x, y = to_x, to_y
    head = f"M{x - 4:.0f} {y - 7:.0f}L{x:.0f} {y:.0f}L{x + 4:.0f} {y - 7:.0f}"
    text = ""
    if local is not None:
        from_x, from_y = places[chain[0]]
        from_y += bottom
        after_x, after_y = places[chain[1]]
        after_y -= sizes[chain[1]][1] / 2
        along = from_x + 0.28 * (after_x - from_x), from_y + 0.35 * (after_y - from_y)
        text = _text(along[0] + 4, along[1] + 5, f"{local:.4g}", 12)
    return f'<path d="{path}{head}"/>{text}'


def _box(
    place: tuple[float, float],
    size: tuple[float, float],
    lines: Sequence[str],
    *,
    round_by: int,
    stroke: float,
) -> str:
    (x, y), (width, height) = place, size
    box = (
        f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" rx="{round_by}" stroke-width="{stroke}"/>'
    )
    top = y - height / 2 + PAD / 2 + 13
    return box + "".join(
        _text(x, top + at * LINE, line, 14, bold=not at, middle=True)
        for at, line in enumerate(lines)
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: int,
    *,
    bold: bool = False,
    middle: bool = False,
) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}"{anchor}{weight} '
        f'fill="currentColor" stroke="none">{escape(text)}</text>'
    )
