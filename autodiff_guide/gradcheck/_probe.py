"""Random directions, and the function on both sides of a point along them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from autodiff_guide.gradcheck._map import Map

# The eight signs that a byte stands for, as one integer of eight bytes.
EIGHT_SIGNS = (torch.arange(256)[:, None] >> torch.arange(8)).bitwise_and_(1)
EIGHT_SIGNS = EIGHT_SIGNS.mul_(2).sub_(1).to(torch.int8).view(torch.int64).view(-1)


def random_signs(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return random ±1 of shape (rows, columns), int8, eight from each byte."""
    shape, end = (rows, -(-columns // 64)), 2**63 - 1
    seeds = torch.randint(-end - 1, end, shape, generator=generator).view(torch.uint8)
    signs = EIGHT_SIGNS.index_select(0, seeds.view(-1).int()).view(torch.int8)
    return signs.view(rows, -1)[:, :columns]


def probe(
    problem: Map,
    directions: Tensor,
    steps: list[tuple[Tensor, int]],
    max_memory: int,
) -> Iterator[Tensor]:
    """Yield f(x + d u) and f(x - d u), shape (2, K, m), for each (d, number of rows).

    A step d has shape (1, n). All are evaluated at once if they fit, or else as many
    as do.
    """
    row = problem.bytes_per_evaluation + 24 * problem.n
    room = max(1, max_memory // row // 2)
    if room == 1:
        yield from (_one_by_one(problem, directions[:k], d) for d, k in steps)
        return
    total = sum(count for _, count in steps)
    buffers = [x.new_empty(2 * min(room, total), x.numel()) for x in problem.points]
    if total <= room:
        y = _both_sides(problem, [(d, directions[:k]) for d, k in steps], buffers)
        yield from y.split_with_sizes([count for _, count in steps], 1)
        return
    for d, count in steps:
        y = problem.x.new_empty(2, count, problem.output_size)
        for first in range(0, count, room):
            rows = slice(first, min(first + room, count))
            y[:, rows] = _both_sides(problem, [(d, directions[rows])], buffers)
        yield y


def _both_sides(
    problem: Map, moves: list[tuple[Tensor, Tensor]], buffers: list[Tensor]
) -> Tensor:
    """Return f(x + d u) and f(x - d u), shape (2, K, m), for the rows u of all (d, U).

    The points are written over those of the last call: the move, and then both sides.
    """
    rows = [U.shape[0] for _, U in moves]
    count = sum(rows)
    halves = [(buffer[:count], buffer[count : 2 * count]) for buffer in buffers]
    first = 0
    for (d, U), k in zip(moves, rows, strict=True):
        pieces = zip(problem.pieces(U), problem.pieces(d), halves, strict=True)
        for u, step, (_, minus) in pieces:
            torch.mul(u, step, out=minus[first : first + k])
        first += k
    for x, (plus, minus) in zip(problem.pieces(problem.x[None]), halves, strict=True):
        torch.add(x, minus, out=plus)
        torch.sub(x, minus, out=minus)
    batch = [
        buffer[: 2 * count].view(2 * count, *point.shape)
        for buffer, point in zip(buffers, problem.points, strict=True)
    ]
    y = problem.values(batch, [True] * len(batch))
    return y.view(2, count, problem.output_size)


def _one_by_one(problem: Map, U: Tensor, d: Tensor) -> Tensor:
    """Return what `_both_sides` does, of a large input, in one point written over."""
    y = problem.x.new_empty(2, len(U), problem.output_size)
    points = [torch.empty_like(x) for x in problem.points]
    flat = [point.view(1, -1) for point in points]
    moves = [torch.empty_like(point) for point in flat]
    x, steps = problem.pieces(problem.x[None]), problem.pieces(d)
    for k in range(len(U)):
        for u, step, move in zip(
            problem.pieces(U[k : k + 1]), steps, moves, strict=True
        ):
            torch.mul(u, step, out=move)
        for side, sign in enumerate((1, -1)):
            for at, move, point in zip(x, moves, flat, strict=True):
                torch.add(at, move, alpha=sign, out=point)
            y[side, k] = problem.plain_value(points)
    return y
