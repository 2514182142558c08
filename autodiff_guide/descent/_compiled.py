"""Runs of steps by one compiled call; change here how long a run is."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

import torch
from torch import Tensor

from autodiff_guide.descent._problem import At, Problem, stacked
from autodiff_guide.descent._rules import GradientRule, Now, RateAt, State

RUN = 32  # steps in one compiled call


def compiled_run(
    problem: Problem, rule: GradientRule, rate: RateAt
) -> Callable[[int, At, State], tuple[At, State]]:
    """Return `RUN` steps in one call: of a point, or of a block's last, a block."""
    scheduled = callable(rule.lr)
    fixed = None if scheduled else rate(0)

    def run(at: At, state: State, times: Tensor, rates: Tensor) -> tuple[At, State]:
        rows = []
        for i in range(RUN):
            lr = rates[i] if fixed is None else fixed
            point, state = rule.step(Now(times[i], lr, at.point, at.gradient), state)
            at = problem.traced_at(point)
            rows.append(at)
        return stacked(rows), state

    # torch counts recompilations by code object; each descent brings its own.
    code = run.__code__.replace()
    own = FunctionType(code, run.__globals__, "run", None, run.__closure__)
    compiled = torch.compile(own, fullgraph=True, dynamic=False)

    def advance(t: int, at: At, state: State) -> tuple[At, State]:
        if t > 0:
            at = At(*(part[-1] for part in at))
        steps = range(t, t + RUN)
        times = torch.arange(t, t + RUN, dtype=torch.float64)
        rates = times.new_tensor([rate(i) for i in steps]) if scheduled else times
        found: tuple[At, State] = compiled(at, state, times, rates)
        return found

    return advance
