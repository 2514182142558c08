"""A pytest plugin for suites.py: what torch's gradient checks and ours say, and take.

Every call that a test makes of ``torch.autograd.gradcheck`` or ``gradgradcheck`` is
made by each checker in turn, from one state of the random generators, and again while
it is short. One line of JSON is written for each call. The test goes on with what
torch's slow mode gave.
"""

from __future__ import annotations

import importlib
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autodiff_guide import gradcheck as ours

# The module: the package has the function of that name in its place.
theirs = importlib.import_module("torch.autograd.gradcheck")
NAMES = ("gradcheck", "gradgradcheck")
TORCH = {name: getattr(theirs, name) for name in NAMES}

# Seconds for all rounds of one call but the first, which counts only if it takes so
# many seconds that there is no other: much is done once. And how many rounds at most.
PATIENCE, LONG, ROUNDS = 1.0, 10.0, 5

Line = dict[str, Any]


def check(name: str, fn: Callable[..., Any], inputs: Any, *args: Any, **settings: Any):
    """Make our check in place of torch's `name`; raise, or return a report or a bool.

    None stands for a check that we do not have.
    """
    if hasattr(ours, name):
        return getattr(ours, name)(fn, inputs, *args, **settings)
    if name == "gradcheck":
        return ours.check_gradient(fn, *_as_tuple(inputs))
    return None


def outcome(call: Callable[[], Any]) -> tuple[Line, Exception | None]:
    """Return what a check said, for the record, and what it raised."""
    try:
        found = call()
    except theirs.GradcheckError as error:
        report = getattr(error, "report", None)
        said = {"verdict": getattr(report, "verdict", "fail"), "message": _first(error)}
        return said | ({"kinds": report.kinds} if report else {}), error
    except Exception as error:
        message = f"{type(error).__name__}: {_first(error)}"
        return {"verdict": "raised", "message": message}, error
    if isinstance(found, ours.GradientReport):
        said = {"verdict": found.verdict, "kinds": found.kinds}
        return said | ({} if found else {"message": found.sentence}), None
    return {"verdict": "none" if found is None else "pass" if found else "fail"}, None


def _first(error: Exception) -> str:
    """Return the first lines of a message: one sentence may be wrapped over two."""
    return " ".join(str(error).strip().splitlines()[:3])[:300]


def _as_tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, tuple | list) else (values,)


def _differentiated(values: Any) -> list[Tensor]:
    return [x for x in _as_tuple(values) if isinstance(x, Tensor) and x.requires_grad]


def sizes(fn: Callable[..., Any], inputs: Any) -> Line:
    """Return the number of elements differentiated, in and out, and their types."""
    chosen = _differentiated(inputs)
    try:
        m = sum(y.numel() for y in _differentiated(fn(*_as_tuple(inputs))))
    except Exception:
        m = None
    dtypes = sorted({str(x.dtype).removeprefix("torch.") for x in chosen})
    return {"n": sum(x.numel() for x in chosen), "m": m, "dtypes": dtypes}


def compare(name: str, *args: Any, **settings: Any) -> tuple[Line, Exception | None]:
    """Return the line of one call, and what torch's slow mode raised."""
    peers: dict[str, Callable[[], Any]] = {
        "slow": lambda: TORCH[name](*args, **settings),
        "fast": lambda: TORCH[name](*args, **settings, fast_mode=True),
        "ours": lambda: check(name, *args, **settings),
    }
    state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    line = sizes(*args[:2])
    said: dict[str, tuple[Line, Exception | None]] = {}
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    rounds = 1
    while rounds > 0:
        for peer, call in peers.items():
            torch.set_rng_state(state[0])
            np.random.set_state(state[1])
            random.setstate(state[2])
            start = time.process_time()
            found = outcome(call)
            seconds[peer].append(time.process_time() - start)
            said.setdefault(peer, found)
        rounds -= 1
        if len(seconds["ours"]) == 1:
            took = sum(times[0] for times in seconds.values())
            again = max(1, min(ROUNDS, int(PATIENCE / max(took, 1e-9))))
            rounds = again if took < LONG else 0
    for peer, (words, _) in said.items():
        times = seconds[peer][1:] or seconds[peer]
        line[peer] = words | {"seconds": statistics.median(times)}
    return line, said["slow"][1]


class Recorder:
    """Stands in for torch's functions, and writes down what each call gave."""

    def __init__(self, path: Path, suite: str) -> None:
        self.path, self.suite, self.test = path, suite, ""
        self.busy = False  # torch's gradgradcheck calls its gradcheck

    def stand_in(self, name: str) -> Callable[..., bool]:
        """Return what the tests get for one of torch's functions."""

        def stood_in(func: Any, inputs: Any, *args: Any, **settings: Any) -> bool:
            if self.busy:
                return TORCH[name](func, inputs, *args, **settings)
            settings.pop("fast_mode", None)
            raises = settings.pop("raise_exception", True)
            self.busy = True
            try:
                line, error = compare(name, func, inputs, *args, **settings)
            finally:
                self.busy = False
            head = {"suite": self.suite, "test": self.test, "call": name}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(head | line) + "\n")
            if error is not None and raises:
                raise error
            return error is None

        return stood_in


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gradient checks")
    group.addoption("--record", type=Path, help="file of JSON lines to add to")
    group.addoption("--suite", help="name and version, for the record")
    group.addoption("--cases", type=int, help="of one test, how many are drawn")
    group.addoption("--seconds", type=float, help="after which tests are skipped")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Stand in before anything of the suite is imported."""
    options = early_config.known_args_namespace
    recorder = Recorder(options.record, options.suite)
    early_config.pluginmanager.register(Limits(recorder, options), "limits")
    for name in NAMES:
        stood_in = recorder.stand_in(name)
        setattr(theirs, name, stood_in)
        setattr(torch.autograd, name, stood_in)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    compare("gradcheck", torch.sin, x)  # imports


# What a suite asks for whose archive lacks its conftest.py.
@pytest.fixture
def device() -> torch.device:
    return torch.device("cpu")


@pytest.fixture
def dtype() -> torch.dtype:
    return torch.float64


class Limits:
    """Which tests are run, and from which seed."""

    def __init__(self, recorder: Recorder, options: Any) -> None:
        self.recorder, self.most = recorder, options.cases
        self.end = time.monotonic() + options.seconds

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        cases: dict[str, list[pytest.Item]] = {}
        for item in items:
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
        draw = random.Random(0)
        kept = {
            item
            for some in cases.values()
            for item in draw.sample(some, min(self.most, len(some)))
        }
        items[:] = [item for item in items if item in kept]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if time.monotonic() > self.end:
            pytest.skip("the time of this suite is spent")
        self.recorder.test = item.nodeid
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
