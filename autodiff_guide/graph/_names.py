"""What to call the tensors and the modules of a function."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as global_hooks

from autodiff_guide.graph._recorder import Recorder


def name_inputs(
    recorder: Recorder,
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    names: Sequence[str] | None,
) -> None:
    if names is None:
        names = _parameter_names(fn, len(inputs))
    elif len(names) != len(inputs):
        raise ValueError(
            f"names: expected {len(inputs)}, one for each input, got {len(names)}"
        )
    for name, value in _surroundings(fn).items():
        if isinstance(value, Tensor):
            recorder.names[id(value)] = (name, _kind(value), "")
    if isinstance(fn, nn.Module):
        _name_parameters(recorder, fn, "")
    for name, value in zip(names, inputs, strict=True):
        if isinstance(value, Tensor):
            recorder.names[id(value)] = (name, "input", "")
            recorder.step_of(value)


def output_name(fn: Callable[..., Any]) -> str:
    named = inspect.isfunction(fn) and fn.__name__ != "<lambda>"
    return fn.__name__ if named else "output"


def title(fn: Callable[..., Any]) -> str:
    name = getattr(fn, "__name__", type(fn).__name__)
    return "function" if name == "<lambda>" else str(name)


@contextmanager
def locals_seen(
    code: CodeType | None, see: Callable[[Mapping[str, object]], None]
) -> Iterator[None]:
    """Call `see` with the local variables with which the function returns."""

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is code:
            see(frame.f_locals)

    if code is None or sys.getprofile() is not None:  # leave a running profiler alone
        yield
        return
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextmanager
def modules_watched(recorder: Recorder, fn: Callable[..., Any]) -> Iterator[None]:
    """Keep in the recorder the name of the module that is running."""
    outside = _surroundings(fn).items()
    paths = {value: name for name, value in outside if isinstance(value, nn.Module)}
    if isinstance(fn, nn.Module):
        paths[fn] = ""
    for module, prefix in list(paths.items()):
        _name_parameters(recorder, module, prefix)
        for name, child in module.named_modules():
            paths.setdefault(child, f"{prefix}.{name}".strip("."))

    def enter(module: nn.Module, _: object) -> None:
        recorder.path.append(paths.get(module, type(module).__name__))

    def leave(module: nn.Module, _: object, __: object) -> None:
        recorder.path.pop()

    handles = [
        global_hooks.register_module_forward_pre_hook(enter),
        global_hooks.register_module_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _name_parameters(recorder: Recorder, module: nn.Module, prefix: str) -> None:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        full = f"{prefix}.{name}" if prefix else name
        owner = full.rpartition(".")[0]
        kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        recorder.names.setdefault(id(tensor), (full, kind, owner))


def _kind(tensor: Tensor) -> str:
    if isinstance(tensor, nn.Parameter):
        return "parameter"
    return "input" if tensor.requires_grad else "constant"


def _parameter_names(fn: Callable[..., Any], count: int) -> list[str]:
    called = fn.forward if isinstance(fn, nn.Module) else fn
    try:
        parameters = list(inspect.signature(called).parameters.values())
    except ValueError:  # a builtin without a signature
        parameters = []
    plain = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    return [
        plain[at] if at < len(plain) else f"x{at + 1 - len(plain)}"
        for at in range(count)
    ]


def _surroundings(fn: Callable[..., Any]) -> dict[str, object]:
    """Return the variables a function reads from outside."""
    function = inspect.unwrap(fn)
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        return {}
    outside = inspect.getclosurevars(function)
    return {**outside.globals, **outside.nonlocals}


def code_of(fn: Callable[..., Any]) -> CodeType | None:
    called = fn.forward if isinstance(fn, nn.Module) else inspect.unwrap(fn)
    return getattr(called, "__code__", None)
