"""A pytest plugin: a whole suite's gradchecks, done by this package.

``pytest --autodiff-guide-gradcheck`` puts `autodiff_guide.gradcheck.gradcheck` and
`gradgradcheck` in the place of torch's before any test is imported, and prints the
seconds they took. With ``--autodiff-guide-gradcheck-compare`` torch's run too, and the
calls on which the two disagree are listed.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any, NamedTuple

import pytest

FLAG = "--autodiff-guide-gradcheck"
NAMES = ("gradcheck", "gradgradcheck")
# Disagreements printed at most.
LISTED = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("autodiff_guide")
    group.addoption(
        FLAG,
        action="store_true",
        help="check gradients with autodiff_guide in place of torch.autograd.gradcheck",
    )
    group.addoption(
        f"{FLAG}-compare",
        action="store_true",
        help="the same, and time torch's beside it; list where the two disagree",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, object, object]:
    """Replace torch's before the first conftest is imported."""
    options = early_config.known_args_namespace
    compare = options.autodiff_guide_gradcheck_compare
    if compare or options.autodiff_guide_gradcheck:
        early_config.pluginmanager.register(Replacement(compare))
    return (yield)


class Call(NamedTuple):
    """One gradcheck: seconds, and True, False or the exception; torch's may be none."""

    test: str
    name: str
    seconds: float
    outcome: str
    torchs_seconds: float
    torchs_outcome: str


class Replacement:
    """Stands in for torch's functions, and keeps a record of the calls."""

    def __init__(self, compare: bool) -> None:
        self.compare = compare
        self.calls: list[Call] = []
        self.inside = False
        self.torchs = import_module("torch.autograd.gradcheck")
        self.ours = import_module("autodiff_guide.gradcheck")
        self.places = (import_module("torch.autograd"), self.torchs)
        self.originals = {name: getattr(self.torchs, name) for name in NAMES}
        for name in NAMES:
            self._place(name, self._replaced(name))

    def _place(self, name: str, function: object) -> None:
        for module in self.places:
            setattr(module, name, function)

    def _replaced(self, name: str) -> Callable[..., object]:
        original, own = self.originals[name], getattr(self.ours, name)

        @functools.wraps(original)
        def gradcheck(*args: Any, **kwargs: Any) -> object:
            if self.inside:  # one that torch's, or ours, calls in its turn
                return original(*args, **kwargs)
            self.inside = True
            try:
                return self._record(name, original, own, args, kwargs)
            finally:
                self.inside = False

        return gradcheck

    def _record(
        self,
        name: str,
        original: Callable[..., object],
        own: Callable[..., object],
        args: Any,
        kwargs: Any,
    ) -> object:
        torchs_seconds, torchs_outcome = 0.0, ""
        if self.compare:
            random = import_module("torch.random")
            state = random.get_rng_state()
            torchs_seconds, found = _timed(original, args, kwargs)
            torchs_outcome = _outcome(found)
            random.set_rng_state(state)
        seconds, found = _timed(own, args, kwargs)
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        self.calls.append(
            Call(test, name, seconds, _outcome(found), torchs_seconds, torchs_outcome)
        )
        if isinstance(found, Exception):
            raise found
        return found

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the record of a worker of pytest-xdist."""
        output = getattr(node, "workeroutput", {})
        self.calls += [Call(*call) for call in output.get("gradchecks", ())]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the record over, in a worker of pytest-xdist."""
        if hasattr(session.config, "workeroutput"):
            record = [tuple(call) for call in self.calls]
            session.config.workeroutput["gradchecks"] = record

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print how many gradients were checked, in how many seconds."""
        terminalreporter.section("autodiff_guide gradcheck")
        for line in self.summary():
            terminalreporter.write_line(line)

    def summary(self) -> list[str]:
        """Return the lines of the summary."""
        seconds = sum(call.seconds for call in self.calls)
        lines = [f"{len(self.calls)} calls in {seconds:.2f} s"]
        if not self.compare:
            return [f"{lines[0]}; {FLAG}-compare times torch's beside them"]
        torchs = sum(call.torchs_seconds for call in self.calls)
        differ = [c for c in self.calls if c.outcome != c.torchs_outcome]
        lines.append(f"torch's: {torchs:.2f} s; saved: {torchs - seconds:.2f} s")
        lines.append(f"the two disagree on {len(differ)} calls")
        lines += [
            f"{c.test}: {c.name}: {c.outcome}, torch's {c.torchs_outcome}"
            for c in differ[:LISTED]
        ]
        if len(differ) > LISTED:
            lines.append(f"... and {len(differ) - LISTED} more")
        return lines

    def pytest_unconfigure(self) -> None:
        """Put torch's functions back."""
        for name in NAMES:
            self._place(name, self.originals[name])


def _timed(
    function: Callable[..., object], args: Any, kwargs: Any
) -> tuple[float, object]:
    """Return the seconds a call took, and what it returned or raised."""
    start = time.perf_counter()
    try:
        found = function(*args, **kwargs)
    except Exception as error:
        found = error
    return time.perf_counter() - start, found


def _outcome(found: object) -> str:
    return type(found).__name__ if isinstance(found, Exception) else str(found)
