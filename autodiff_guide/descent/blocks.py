"""Rows of a descent, produced some at a time: eagerly, or by a compiled run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from types import FunctionType
from typing import TypeAlias

import torch
from torch import Tensor
from torch.func import grad_and_value

from autodiff_guide.descent.problem import At, Problem
from autodiff_guide.descent.rules import GradientRule, Rate, State

Advance: TypeAlias = Callable[[int, At, State], tuple[At, State]]
RateAt: TypeAlias = Callable[[int], float | Tensor]

_FIRST = 8  # steps before the first look
_RUN = 32  # steps in one compiled call


def rate_at(lr: Rate, point: Tensor) -> RateAt:
    """Return the map from a step's number to its rate: a number, or ``(B, 1)``."""
    if isinstance(lr, Tensor):
        if lr.dim() == 0:
            number = float(lr)
            return lambda t: number
        if tuple(lr.shape) != tuple(point.shape[:-1]):
            raise ValueError(
                f"lr: expected one rate for each start, shape "
                f"{tuple(point.shape[:-1])}, got {tuple(lr.shape)}; "
                "repeat the start, for example start.expand(len(lr), -1)"
            )
        column = lr.detach().to(point).unsqueeze(-1)
        return lambda t: column
    if callable(lr):
        return lambda t: _scheduled(lr(t), t)
    return lambda t: lr


def stack(rows: list[At]) -> At:
    """Return k rows as one: each field gets a leading dimension of k."""
    points, values, gradients = zip(*rows, strict=True)
    return At(_side_by_side(points), torch.stack(values), _side_by_side(gradients))


def _side_by_side(rows: tuple[Tensor, ...]) -> Tensor:
    """Return the rows stacked, starts side by side in memory."""
    if rows[0].dim() == 1:
        return torch.stack(rows)
    return torch.stack([row.mT for row in rows]).mT


def in_blocks(
    advance: Advance,
    at: At,
    state: State,
    steps: range,
    size: int,
    join: Callable[[list[At]], At] = stack,
) -> Generator[At, None, tuple[At, State]]:
    """Yield what each of `steps` gives: `_FIRST` joined, then more, up to `size`.

    So what is run past a stop is never much more than what was run before it. When a
    step fails or is interrupted, the rows before it are yielded first: the starts that
    still run decide whether the failure matters. Returned is what the last step gave.
    """
    begin, together = steps.start, min(_FIRST, size)
    while begin < steps.stop:
        end = min(begin + together, steps.stop)
        rows: list[At] = []
        try:
            for t in range(begin, end):
                at, state = advance(t, at, state)
                rows.append(at)
        except BaseException:
            if rows:
                yield join(rows)
            raise
        yield join(rows)
        begin, together = end, min(2 * together, size)
    return at, state


def compiled_blocks(
    problem: Problem,
    rule: GradientRule,
    lr: RateAt,
    steps: int,
    size: int,
    advance: Advance,
) -> Iterator[At]:
    """Yield blocks of runs: `_RUN` steps by one compiled call. The rest is run eagerly.

    For one start, a look at a block takes as long as a run: it pays to join several.
    """
    start = problem.start
    scheduled = callable(rule.lr)

    def run(
        point: Tensor, gradient: Tensor, state: State, times: Tensor, rates: Tensor
    ) -> tuple[At, At, State]:
        rows = []
        for i in range(_RUN):
            rate = rates[i] if scheduled else lr(0)
            point, state = rule.step(times[i], rate, point, gradient, state)
            value, gradient = _traced(problem, point)
            rows.append(At(point, value, gradient))
        return stack(rows), rows[-1], state

    # torch counts recompilations by code object; each descent brings its own.
    own = FunctionType(
        run.__code__.replace(), run.__globals__, "run", None, run.__closure__
    )
    compiled = torch.compile(own, fullgraph=True, dynamic=False)

    def advance_run(number: int, _: At, carried: State) -> tuple[At, State]:
        at, state = carried
        first = number * _RUN
        times = torch.arange(first, first + _RUN, dtype=torch.float64)
        rates = times
        if scheduled:
            rates = times.new_tensor([lr(t) for t in range(first, first + _RUN)])
        block, at, state = compiled(at.point, at.gradient, state, times, rates)
        return block, (at, state)

    runs, together = steps // _RUN, max(1, size // _RUN)
    carried = start, rule.init(start.point)
    _, (at, state) = yield from in_blocks(
        advance_run, start, carried, range(runs), together, _end_to_end
    )
    yield from in_blocks(advance, at, state, range(runs * _RUN, steps), size)


def _end_to_end(blocks: list[At]) -> At:
    """Return blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    points, values, gradients = zip(*blocks, strict=True)
    return At(torch.cat(points), torch.cat(values), torch.cat(gradients))


def _traced(problem: Problem, point: Tensor) -> tuple[Tensor, Tensor]:
    if problem.gradient is not None:
        return problem.values(point), problem.gradient(point)

    def total(point: Tensor) -> tuple[Tensor, Tensor]:
        values = problem.values(point)
        return values.sum(), values

    gradient, (_, values) = grad_and_value(total, has_aux=True)(point)
    return values, gradient


def _scheduled(rate: float, t: int) -> float:
    if not 0 <= rate < float("inf"):
        raise ValueError(
            f"lr: expected the schedule to give a number >= 0, got {rate} at step {t}; "
            "check the schedule there"
        )
    return float(rate)
