"""What a recorded descent costs, beside the loops people write and other libraries.

Every ratio is of medians of processor time, of runs that take turns on one thread.
It needs scipy and pytorch-minimize.
"""

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from unittest.mock import patch

import scipy.optimize
import torch
import torchmin
from results import Row, record

from autodiff_guide.descent import (
    BFGS,
    Adam,
    GradientDescent,
    _log,
    minimize,
)
from autodiff_guide.objectives import CATALOGUE, rosenbrock

STEPS = 500
LR = 1e-3
STOPS = {"value_below": -1.0, "step_below": 1e-30, "gradient_below": 1e-30}
valley = rosenbrock().fn


def elementwise(point: torch.Tensor) -> torch.Tensor:
    """Add up squares."""
    return (point**2).sum(-1)


def hand_sgd(fn: Callable, start: torch.Tensor) -> torch.Tensor:
    """Run the barest loop that descends."""
    point = start.clone().requires_grad_()
    for _ in range(STEPS):
        (slope,) = torch.autograd.grad(fn(point), point)
        with torch.no_grad():
            point -= LR * slope
    return point


def hand_adam(fn: Callable, start: torch.Tensor) -> torch.Tensor:
    """Run the barest loop of Adam."""
    point = start.clone().requires_grad_()
    mean, squares = torch.zeros_like(start), torch.zeros_like(start)
    for t in range(1, STEPS + 1):
        (slope,) = torch.autograd.grad(fn(point), point)
        with torch.no_grad():
            mean.lerp_(slope, 0.1)
            squares.mul_(0.999).addcmul_(slope, slope, value=0.001)
            root = (squares / (1 - 0.999**t)).sqrt_().add_(1e-8)
            point.addcdiv_(mean, root, value=-LR / (1 - 0.9**t))
    return point


def tutorial(fn: Callable, start: torch.Tensor) -> list[float]:
    """Run the loop of the tutorials: torch.optim.SGD, and the loss of each step."""
    point = start.clone().requires_grad_()
    stepper = torch.optim.SGD([point], lr=LR)
    losses = []
    for _ in range(STEPS):
        stepper.zero_grad()
        loss = fn(point)
        loss.backward()
        stepper.step()
        losses.append(loss.item())
    return losses


def medians(*runs: Callable[[], object], rounds: int = 5) -> list[float]:
    """Return the median of each one's seconds on the processor; the runs take turns."""
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(rounds):
        for run, kept in zip(runs, times, strict=True):
            begun = process_time()
            run()
            kept.append(process_time() - begun)
    return [median(kept) for kept in times]


def one_start() -> list[Row]:
    """Measure what recording and three stopping rules cost."""
    start = torch.tensor([-1.2, 1.0])
    rows = []
    for name, fn in (("a sum of squares", elementwise), ("Rosenbrock", valley)):
        hand, ours, hand_a, ours_a = medians(
            lambda fn=fn: hand_sgd(fn, start),
            lambda fn=fn: minimize(
                fn, start, GradientDescent(LR), steps=STEPS, **STOPS
            ),
            lambda fn=fn: hand_adam(fn, start),
            lambda fn=fn: minimize(fn, start, Adam(LR), steps=STEPS, **STOPS),
            rounds=15,
        )
        rows += [
            Row(f"one start, {name}: SGD / barest loop", ours / hand, at_most=1.05),
            Row(f"one start, {name}: Adam / barest loop", ours_a / hand_a, at_most=1.3),
        ]
    return rows


def many_starts() -> list[Row]:
    """Measure how many tutorial loops fit into one call."""
    matrix = torch.randn(8, 8) / 8

    def product(point: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(point @ matrix) ** 2).sum(-1)

    rows = []
    cases = (
        (100, elementwise, 2, 150, 40),
        (10_000, elementwise, 2, 5000, 2400),
        (10_000, product, 8, 500, 500),
    )
    for size, fn, n, least_batched, least_vmap in cases:
        starts = torch.randn(size, n)
        alone, batched, mapped = medians(
            lambda fn=fn, starts=starts: tutorial(fn, starts[0]),
            lambda fn=fn, starts=starts: minimize(
                fn, starts, GradientDescent(LR), steps=STEPS, batched=True
            ),
            lambda fn=fn, starts=starts: minimize(
                fn, starts, GradientDescent(LR), steps=STEPS
            ),
        )
        name = f"{size} starts" + (", matrix product" if fn is product else "")
        rows += [
            Row(
                f"{name}, batched: tutorial loops in the time",
                size * alone / batched,
                at_least=least_batched,
            ),
            Row(
                f"{name}, vmap: tutorial loops in the time",
                size * alone / mapped,
                at_least=least_vmap,
            ),
        ]
    return rows


def searches() -> list[Row]:
    """Measure BFGS beside SciPy's and pytorch-minimize's, each to its own end."""
    himmelblau = CATALOGUE["himmelblau"].fn

    def by_scipy(start: torch.Tensor) -> None:
        def value_and_slope(x):
            point = torch.as_tensor(x).requires_grad_()
            value = himmelblau(point)
            (slope,) = torch.autograd.grad(value, point)
            return float(value.detach()), slope.numpy()

        scipy.optimize.minimize(
            value_and_slope, start.numpy(), jac=True, method="BFGS", tol=1e-6
        )

    def by_torchmin(start: torch.Tensor) -> None:
        torchmin.minimize(himmelblau, start, method="bfgs", tol=1e-6)

    rows = []
    for size in (1, 100, 10_000):
        starts = 8 * torch.rand(size, 2, dtype=torch.float64) - 4
        some = starts[:20]
        ours, scipys, torchmins = medians(
            lambda starts=starts: minimize(
                himmelblau, starts, BFGS(), gradient_below=1e-6, batched=True
            ),
            lambda some=some: [by_scipy(start) for start in some],
            lambda some=some: [by_torchmin(start) for start in some],
            rounds=3,
        )
        share = size / len(some)  # the others go one by one
        rows += [
            Row(f"BFGS, {size} starts: SciPy's time / ours", share * scipys / ours),
            Row(
                f"BFGS, {size} starts: pytorch-minimize's time / ours",
                share * torchmins / ours,
            ),
        ]
    return rows


def compiled() -> list[Row]:
    """Measure a step of Rosenbrock, compiled and eager, once it runs."""
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    rule = GradientDescent(1e-4)

    def microseconds(compile_it: bool) -> tuple[float, float]:
        """Return the time of a step, once warm, and the seconds until the first."""
        stamps: list[float] = []
        taken: list[int] = []
        begun = [perf_counter()]
        add = _log.Log.add

        def stamp(log: _log.Log, rows: list) -> None:
            taken.append(sum(row.value.numel() for row in rows))
            add(log, rows)
            stamps.append(process_time())
            if len(stamps) == 2:
                begun.append(perf_counter())

        with patch.object(_log.Log, "add", stamp):
            minimize(valley, start, rule, steps=20_000, compile=compile_it)
        warm = next(i for i in range(len(taken)) if sum(taken[: i + 1]) > 1000)
        each = [
            (later - earlier) / rows
            for earlier, later, rows in zip(
                stamps[warm:], stamps[warm + 1 :], taken[warm + 1 :], strict=False
            )
            if rows
        ]
        return 1e6 * median(each), begun[1] - begun[0]

    step, first = microseconds(True)
    again = [microseconds(True) for _ in range(2)]
    eager = [microseconds(False)[0] for _ in range(3)]
    return [
        Row(
            "compile=True, Rosenbrock: a step",
            median([step, *(time for time, _ in again)]),
            "µs",
            at_most=5,
        ),
        Row("the eager loop, Rosenbrock: a step", median(eager), "µs"),
        Row("compiling for the first time", first, "s"),
        Row("compiling again, from torch's cache", again[0][1], "s"),
    ]


def main() -> None:
    """Measure all, print and store the table, and fail if a limit is missed."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [*one_start(), *many_starts(), *searches(), *compiled()]
    record("descent", f"Descents of {STEPS} steps, by ratios", rows)
    if not all(row.met for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
