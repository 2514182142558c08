"""What ``with explain():`` costs while nothing goes wrong, and what a note costs.

Medians of interleaved rounds. Run it as ``python tests/benchmarks/explain.py``; it
fails if to enter and leave costs more than 1 µs.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter

import torch

from autodiff_guide.pitfalls import explain

ROUNDS, CALLS = 51, 10_000
LIMIT_NS = 1000.0


def bare() -> None:
    """Do nothing, as often as the others."""
    for _ in range(CALLS):
        pass


def entered() -> None:
    """Enter and leave the context."""
    for _ in range(CALLS):
        with explain():
            pass


@explain
def _decorated() -> None:
    pass


def _plain() -> None:
    pass


def plain() -> None:
    """Call an empty function."""
    for _ in range(CALLS):
        _plain()


def decorated() -> None:
    """Call the same, decorated."""
    for _ in range(CALLS):
        _decorated()


def seconds(work) -> float:
    """Time one run of `work`."""
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> None:
    """Print one line for each question."""
    rounds = {work: [] for work in (bare, entered, plain, decorated)}
    for _ in range(ROUNDS):
        for work, times in rounds.items():
            times.append(seconds(work) / CALLS)
    cost = {work: median(times) for work, times in rounds.items()}
    extra = 1e9 * (cost[entered] - cost[bare])
    print(f"enter and leave explain(): {extra:.0f} ns (limit {LIMIT_NS:.0f})")
    print(f"call through @explain:     {1e9 * (cost[decorated] - cost[plain]):.0f} ns")

    loss = torch.ones(2, requires_grad=True)
    try:
        loss.backward()
    except RuntimeError as error:
        message = str(error)
    explain(message)
    notes = [seconds(lambda: explain(message)) for _ in range(ROUNDS)]
    print(f"look a message up:         {1e6 * median(notes):.0f} µs")
    if extra > LIMIT_NS:
        sys.exit("too slow")


if __name__ == "__main__":
    main()
