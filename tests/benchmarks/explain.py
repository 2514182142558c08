"""What ``with explain():`` costs while nothing goes wrong, and what a note costs.

Medians of interleaved rounds. It fails if to enter and leave costs more than 1 µs.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter

import torch
from results import Row, record

from autodiff_guide.pitfalls import explain

ROUNDS, CALLS = 51, 10_000


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
    """Measure, print and store, and fail above the limit."""
    rounds = {work: [] for work in (bare, entered, plain, decorated)}
    for _ in range(ROUNDS):
        for work, times in rounds.items():
            times.append(seconds(work) / CALLS)
    cost = {work: 1e9 * median(times) for work, times in rounds.items()}

    loss = torch.ones(2, requires_grad=True)
    try:
        loss.backward()
    except RuntimeError as error:
        message = str(error)
    explain(message)
    notes = [1e6 * seconds(lambda: explain(message)) for _ in range(ROUNDS)]
    entering = Row(
        "enter and leave explain()", cost[entered] - cost[bare], "ns", at_most=1000
    )
    calling = Row("a call through @explain, more", cost[decorated] - cost[plain], "ns")
    asking = Row("look a message up", median(notes), "µs")
    record("explain", "Explaining errors", [entering, calling, asking])
    if not entering.met:
        sys.exit(1)


if __name__ == "__main__":
    main()
