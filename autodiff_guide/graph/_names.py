"""Where names in a graph come from: inputs, surroundings, local variables."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

from torch import Tensor, nn

from autodiff_guide.graph._recorder import Leaf, Recorder


def name_surroundings(recorder: Recorder, fn: Callable[..., Any]) -> None:
    """Name what `fn` reads from outside: tensors, and modules with all they hold."""
    for name, value in _surroundings(fn).items():
        held = {name: value} if isinstance(value, Tensor) else {}
        if isinstance(value, nn.Module):
            held.update(value.named_buffers(prefix=name))
            held.update(value.named_parameters(prefix=name))
        for path, tensor in held.items():
            kind = "parameter" if tensor.requires_grad else "constant"
            recorder.leaves.setdefault(id(tensor), Leaf(tensor, path, kind))


def name_inputs(
    recorder: Recorder, fn: Callable[..., Any], inputs: Sequence[Any]
) -> None:
    """Name the inputs as the parameters of `fn`; they are the graph's first nodes."""
    for name, value in zip(_parameter_names(fn), inputs, strict=False):
        if isinstance(value, Tensor):
            recorder.leaves[id(value)] = Leaf(value, name, "input")
            recorder.step_of(value)


@contextmanager
def locals_seen(recorder: Recorder, fn: Callable[..., Any]) -> Iterator[None]:
    """Name results after the local variables with which `fn` returns."""
    code = getattr(_function(fn), "__code__", None)

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is code:
            recorder.see_locals(frame.f_locals)

    if code is None or sys.getprofile() is not None:  # leave a running profiler alone
        yield
        return
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def _function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of Python that runs when `fn` is called."""
    return fn.forward if isinstance(fn, nn.Module) else inspect.unwrap(fn)


def _surroundings(fn: Callable[..., Any]) -> dict[str, object]:
    """Return the variables `fn` reads from outside; a module is its own."""
    if isinstance(fn, nn.Module):
        return {"": fn}
    function = _function(fn)
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        return {}
    outside = inspect.getclosurevars(function)
    return {**outside.globals, **outside.nonlocals}


def _parameter_names(fn: Callable[..., Any]) -> Iterator[str]:
    try:
        parameters = list(inspect.signature(_function(fn)).parameters.values())
    except ValueError:  # a builtin without a signature
        parameters = []
    yield from (p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD)
    yield from (f"x{place}" for place in count(1))
