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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("autodiff_guide")
    text = "check gradients with autodiff_guide in place of torch.autograd.gradcheck"
    group.addoption(FLAG, action="store_true", help=text)
    text = "the same, and time torch's beside it; list where the two disagree"
    group.addoption(f"{FLAG}-compare", action="store_true", help=text)


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
    torchs_seconds: float = 0.0
    torchs_outcome: str = ""


class Replacement:
    """Stands in for torch's functions, and keeps a record of the calls."""

    def __init__(self, compare: bool) -> None:
        self.compare = compare
        self.calls: list[Call] = []
        self.inside = False
        self.patch = pytest.MonkeyPatch()
        torchs = import_module("torch.autograd.gradcheck")
        ours = import_module("autodiff_guide.gradcheck")
        for name in ("gradcheck", "gradgradcheck"):
            recorded = self._recorded(getattr(torchs, name), getattr(ours, name))
            for module in (torchs, import_module("torch.autograd")):
                self.patch.setattr(module, name, recorded)

    def _recorded(
        self, original: Callable[..., object], own: Callable[..., object]
    ) -> Callable[..., object]:
        @functools.wraps(original)
        def gradcheck(*args: Any, **kwargs: Any) -> object:
            if self.inside:  # one that torch's, or ours, calls in its turn
                return original(*args, **kwargs)
            torchs: tuple[float, str] | tuple[()] = ()
            self.inside = True
            try:
                if self.compare:
                    with import_module("torch.random").fork_rng(devices=()):
                        torchs = _timed(original, args, kwargs)[:2]
                seconds, outcome, found = _timed(own, args, kwargs)
            finally:
                self.inside = False
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
            self.calls.append(Call(test, own.__name__, seconds, outcome, *torchs))
            if isinstance(found, Exception):
                raise found
            return found

        return gradcheck

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the record of a worker of pytest-xdist."""
        output = getattr(node, "workeroutput", {})
        self.calls += [Call(*call) for call in output.get("gradchecks", ())]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the record over, in a worker of pytest-xdist."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["gradchecks"] = list(map(tuple, self.calls))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print how many gradients were checked, in how many seconds."""
        seconds = sum(call.seconds for call in self.calls)
        lines = [f"{len(self.calls)} calls in {seconds:.2f} s"]
        if self.compare:
            torchs = sum(call.torchs_seconds for call in self.calls)
            differ = [c for c in self.calls if c.outcome != c.torchs_outcome]
            lines += [
                f"torch's: {torchs:.2f} s; saved: {torchs - seconds:.2f} s",
                f"the two disagree on {len(differ)} calls",
                *(
                    f"{c.test}: {c.name}: {c.outcome}, torch's {c.torchs_outcome}"
                    for c in differ
                ),
            ]
        else:
            lines[0] += f"; {FLAG}-compare times torch's beside them"
        terminalreporter.section("autodiff_guide gradcheck")
        for line in lines:
            terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Put torch's functions back."""
        self.patch.undo()


def _timed(
    function: Callable[..., object], args: Any, kwargs: Any
) -> tuple[float, str, object]:
    """Return the seconds a call took, its outcome, and what it returned or raised."""
    start = time.perf_counter()
    try:
        found = function(*args, **kwargs)
        outcome = str(found)
    except Exception as error:
        found, outcome = error, type(error).__name__
    return time.perf_counter() - start, outcome, found
