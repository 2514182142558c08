"""Runs of steps by one compiled call; change here how long a run is."""

from __future__ import annotations

from types import FunctionType

import torch
from torch import Tensor

from autodiff_guide.descent._problem import At, Problem, stacked
from autodiff_guide.descent._rules import GradientRule, Now, RateAt, State

RUN = 32  # steps in one compiled call


class CompiledRun:
    """`RUN` steps from a point by one call; called like a step, it gives a block."""

    def __init__(self, problem: Problem, rule: GradientRule, rate: RateAt) -> None:
        self._rate, self._scheduled = rate, callable(rule.lr)
        fixed = None if self._scheduled else rate(0)

        def run(at: At, state: State, times: Tensor, rates: Tensor) -> tuple[At, State]:
            rows = []
            for i in range(RUN):
                lr = rates[i] if fixed is None else fixed
                now = Now(times[i], lr, at.point, at.gradient)
                point, state = rule.step(now, state)
                at = problem.traced_at(point)
                rows.append(at)
            return stacked(rows), state

        # torch counts recompilations by code object; each descent brings its own.
        own = FunctionType(
            run.__code__.replace(), run.__globals__, "run", None, run.__closure__
        )
        self._run = torch.compile(own, fullgraph=True, dynamic=False)

    def __call__(self, t: int, at: At, state: State) -> tuple[At, State]:
        """Return the block of the `RUN` steps after the last row of `at`."""
        if t > 0:
            at = At(*(part[-1] for part in at))
        times = torch.arange(t, t + RUN, dtype=torch.float64)
        rates = times
        if self._scheduled:
            rates = times.new_tensor([self._rate(i) for i in range(t, t + RUN)])
        found: tuple[At, State] = self._run(at, state, times, rates)
        return found
