"""The checker against its peers: torch's gradcheck, slow and fast, SciPy, numdifftools.

One thread; each peer in turn, several rounds, and the median of each. Times are CPU
times of that thread, which other programs disturb little.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numdifftools
import torch
from results import Row, record
from scipy.optimize import check_grad
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from autodiff_guide.gradcheck import check_gradient

sys.path.append(str(Path(__file__).parents[1]))

from gradcheck_corpora.bugs import with_backward
from peak_memory import megabytes_added

DOUBLE = torch.float64
Peers = dict[str, Callable[[], object]]


@dataclass(frozen=True, eq=False)
class Case:
    """A function to check, and how often each peer is to check it."""

    name: str
    fn: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    rounds: int
    slow: bool = True
    calls: int = 1  # timed together


def classifier(
    features: int,
    hidden: int,
    classes: int,
    batch: int,
    rounds: int,
    *,
    slow: bool = True,
) -> Case:
    """Return the loss of a network with one hidden layer."""
    x, target = (
        torch.randn(batch, features, dtype=DOUBLE),
        torch.arange(batch) % classes,
    )
    shapes = ((hidden, features), (hidden,), (classes, hidden), (classes,))
    weights = [0.1 * torch.randn(shape, dtype=DOUBLE) for shape in shapes]

    def loss(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        return functional.cross_entropy(torch.tanh(x @ w1.T + b1) @ w2.T + b2, target)

    count = sum(w.numel() for w in weights)
    name = f"network loss, {count:,} parameters"
    return Case(name, loss, tuple(w.requires_grad_() for w in weights), rounds, slow)


def cases() -> list[Case]:
    """Return what is checked, small to large."""
    torch.manual_seed(0)
    target = torch.arange(32)

    def point(*shape: int) -> tuple[Tensor, ...]:
        return (torch.randn(shape, dtype=DOUBLE, requires_grad=True),)

    def elementwise(x: Tensor) -> Tensor:
        return torch.tanh(x) * x.exp()

    return [
        Case(
            "tiny: x sin x summed, n = 3",
            lambda x: (x * x.sin()).sum(),
            point(3),
            rounds=50,
            calls=10,
        ),
        Case("element-wise, n = 256", elementwise, point(256), 9),
        Case("element-wise, n = 1,024", elementwise, point(1024), 5),
        Case(
            "cross-entropy, 32 × 100",
            lambda x: functional.cross_entropy(x, target),
            point(32, 100),
            7,
        ),
        classifier(32, 32, 33, 16, 7),
        classifier(64, 200, 39, 32, 3),
        classifier(512, 1000, 488, 32, 5, slow=False),
    ]


def peers(case: Case) -> Peers:
    """Return the checks of one case, ours first."""
    fn, inputs = case.fn, case.inputs
    checks: Peers = {
        "ours": lambda: check_gradient(fn, *inputs),
        "gradcheck fast": lambda: gradcheck(fn, inputs, fast_mode=True),
    }
    if case.slow:
        checks["gradcheck slow"] = lambda: gradcheck(fn, inputs)
    if case.slow and fn(*inputs).dim() == 0 and len(inputs) == 1:
        checks |= _scipy_and_numdifftools(fn, inputs[0])
    return checks


def _scipy_and_numdifftools(fn: Callable[..., Tensor], x: Tensor) -> Peers:
    """Return two checks that see the function as one of a NumPy vector."""

    def value(v):
        return float(fn(torch.from_numpy(v).view(x.shape)))

    def gradient(v):
        leaf = torch.from_numpy(v).view(x.shape).requires_grad_()
        return torch.autograd.grad(fn(leaf), leaf)[0].flatten().numpy()

    start = x.detach().flatten().numpy()
    found: Peers = {"SciPy check_grad": lambda: check_grad(value, gradient, start)}
    if x.numel() <= 100:
        found["numdifftools"] = lambda: numdifftools.Gradient(value)(start)
    return found


def medians(checks: Peers, rounds: int, calls: int = 1) -> dict[str, float]:
    """Return the median seconds of each check, some calls at a time, taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in checks}
    checks["ours"]()  # imports on first use
    for k in range(rounds):
        for name, check in checks.items():
            if "slow" in name and k >= max(1, rounds // 3):
                continue
            start = time.thread_time()
            for _ in range(calls):
                check()
            seconds[name].append((time.thread_time() - start) / calls)
    return {name: statistics.median(times) for name, times in seconds.items()}


def second_derivatives() -> tuple[str, Peers]:
    """Return our check of a gradient function beside torch's gradgradcheck."""
    x = torch.randn(30, dtype=DOUBLE, requires_grad=True)

    def fn(x: Tensor) -> Tensor:
        return (x.sin() * x.roll(1).exp()).sum()

    return "second derivatives, n = 30", {
        "ours": lambda: check_gradient(torch.func.grad(fn), x),
        "gradgradcheck": lambda: gradgradcheck(fn, (x,)),
    }


def localising() -> list[Row]:
    """Return what finding one wrong element takes, among 20,000 inputs and outputs."""
    x = torch.linspace(-1, 1, 20_000, dtype=DOUBLE)

    wrong = 1 + 0.01 * (torch.arange(len(x)) == len(x) // 3)
    sin = with_backward(torch.sin, lambda g, x: g * x.cos() * wrong[: len(x)])

    check_gradient(sin, x[:3])  # imports on first use
    rows = []
    outputs = {"20,000 outputs": sin, "one output": lambda x: sin(x).mean()}
    for size, fn in outputs.items():
        what = f"one wrong element of 20,000 is found, {size}"
        added = megabytes_added(lambda fn=fn: check_gradient(fn, x))
        start = time.thread_time()
        check_gradient(fn, x)
        rows.append(Row(f"{what}: ours", 1e3 * (time.thread_time() - start), "ms"))
        rows.append(Row(f"{what}: memory we add", added, "MB", at_most=64))
    return rows


def missed_by_fast_mode(trials: int = 100) -> dict[str, int]:
    """Return how often one wrong element of 1,000, off by 10 %, is found."""
    found = {"ours": 0, "gradcheck fast": 0}
    for seed in range(trials):
        torch.manual_seed(seed)
        x = torch.randn(1000, dtype=DOUBLE, requires_grad=True)
        wrong = 1 + 0.1 * (torch.arange(1000) == seed * 7)

        fn = with_backward(
            lambda x: x.exp().sum(), lambda g, x, wrong=wrong: g * x.exp() * wrong
        )
        found["ours"] += check_gradient(fn, x, seed=seed).verdict == "fail"
        found["gradcheck fast"] += not gradcheck(
            fn, (x,), fast_mode=True, raise_exception=False
        )
    return found


# How many times as fast as the slow mode, at least, by case.
FASTER = {
    "element-wise, n = 256": 15,
    "element-wise, n = 1,024": 50,
    "cross-entropy, 32 × 100": 55,
    "network loss, 2,145 parameters": 65,
    "network loss, 20,839 parameters": 280,
}


def rows_of(case: str, times: dict[str, float], added: float) -> list[Row]:
    """Return what a case measured: our time and memory, and the ratios to the peers."""
    ours = times["ours"]
    huge = case.startswith("network loss, 1,001,488")
    tiny = case.startswith("tiny")
    most = 1.0 if tiny else 500.0 if huge else None
    rows = [Row(f"{case}: ours", 1e3 * ours, "ms", at_most=most)]
    for peer, seconds in times.items():
        if peer == "gradcheck slow" and case in FASTER:
            rows.append(
                Row(f"{case}: slow / ours", seconds / ours, "×", None, FASTER[case])
            )
        elif peer == "gradcheck fast" and not tiny:
            rows.append(Row(f"{case}: ours / fast", ours / seconds, "×", at_most=5))
        elif peer != "ours":
            rows.append(Row(f"{case}: {peer} / ours", seconds / ours))
    most = 200 if huge else 64
    rows.append(Row(f"{case}: memory we add", added, "MB", at_most=most))
    return rows


def main() -> None:
    """Measure, and store what was found."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    check_gradient(
        functional.cross_entropy, torch.rand(2, 2), torch.arange(2)
    )  # imports
    rows = []
    for case in cases():
        checks = peers(case)
        added = megabytes_added(checks["ours"])
        rows += rows_of(case.name, medians(checks, case.rounds, case.calls), added)
    rows += localising()
    name, checks = second_derivatives()
    rows += rows_of(name, medians(checks, 9), megabytes_added(checks["ours"]))
    for check, found in missed_by_fast_mode().items():
        least = 100 if check == "ours" else None
        what = f"one wrong element of 1,000, off by 10 %: found by {check}, of 100"
        rows.append(Row(what, found, "", at_least=least))
    record("gradcheck", "The gradient checker and its peers", rows)


if __name__ == "__main__":
    main()
