"""See every function of torch that runs, with its arguments and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.autograd.graph import Node as Function
from torch.overrides import TorchFunctionMode

from autodiff_guide.graph._words import changes_in_place, in_words

_VIEWS = {"T", "mT", "H", "mH", "real", "imag"}


@dataclass(eq=False)
class Step:
    """A node while it is being recorded."""

    operation: str
    tensor: Tensor
    value: Tensor
    edge: GradientEdge | None
    parents: list[Step] = field(default_factory=list)
    name: str = ""
    module: str = ""
    without_grad: bool = False

    @property
    def key(self) -> tuple[Function, int] | None:
        return self.edge and (self.edge.node, self.edge.output_nr)


class Recorder(TorchFunctionMode):
    """Sees every function of torch that is called, with its arguments and result."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[int, Step] = {}
        self.steps: list[Step] = []
        self.names: dict[int, tuple[str, str, str]] = {}
        self.path: list[str] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ == "__get__" and _attribute(func) not in _VIEWS:
            return func(*args, **kwargs)
        given = list(dict.fromkeys(tensors_in((args, kwargs))))
        if any(map(is_functorch_wrapped_tensor, given)):  # inside grad, vmap, …
            return func(*args, **kwargs)
        parents = [self.step_of(tensor) for tensor in given]
        in_place = changes_in_place(func, args, kwargs)
        if in_place:
            self.keep_values(given)
        versions = [_version(tensor) for tensor in given]
        result = func(*args, **kwargs)
        changed = [
            tensor
            for tensor, version in zip(given, versions, strict=True)
            if _version(tensor) != version
        ]
        made = [tensor for tensor in tensors_in(result) if tensor not in _Same(given)]
        for tensor in (*changed, *made):
            self.record(in_words(func, args, kwargs), tensor, parents)
        return result

    def record(
        self, operation: str, tensor: Tensor, parents: Iterable[Step] = ()
    ) -> Step:
        step = Step(
            operation,
            tensor,
            tensor.detach(),
            get_gradient_edge(tensor) if tensor.requires_grad else None,
            list(parents),
            module=self.path[-1] if self.path else "",
            without_grad=not torch.is_grad_enabled(),
        )
        self.latest[id(tensor)] = step
        self.steps.append(step)
        return step

    def step_of(self, tensor: Tensor) -> Step:
        """Return what made `tensor`: a recorded step, an unseen one, or a leaf."""
        step = self.latest.get(id(tensor))
        if step is not None and bool(step.edge) == tensor.requires_grad:
            return step
        name, kind, module = self.names.get(id(tensor), ("", "", ""))
        parents = [] if name else self.unseen_parents(tensor)
        if parents and tensor.grad_fn is not None:
            operation = tensor.grad_fn.name().split("Backward")[0]
            return self.record(operation, tensor, parents)
        step = self.record(kind or "constant", tensor)
        step.name, step.module, step.value = name, module, tensor.detach().clone()
        return step

    def unseen_parents(self, tensor: Tensor) -> list[Step]:
        """Walk back through a step that was not seen to those that were."""
        known = {step.key: step for step in self.steps if step.key}
        found: dict[Step, None] = {}
        open_nodes = [tensor.grad_fn] if tensor.grad_fn else []
        seen: set[Function] = set()
        while open_nodes:
            node = open_nodes.pop()
            if node in seen:
                continue
            seen.add(node)
            for before, number in node.next_functions:
                if before is None:
                    continue
                if step := known.get((before, number)):
                    found[step] = None
                else:
                    open_nodes.append(before)
        return list(found)

    def keep_values(self, tensors: Iterable[Tensor]) -> None:
        """Copy what an in-place step is about to overwrite."""
        storages = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        for step in self.steps:
            if step.value.untyped_storage().data_ptr() in storages:
                step.value = step.value.clone()

    def see_locals(self, variables: Mapping[str, object]) -> None:
        taken = {name for name, _, _ in self.names.values()}
        for name, value in variables.items():
            if isinstance(value, Tensor) and name not in taken:
                step = self.latest.get(id(value))
                if step is not None and not step.name:
                    step.name = name

    def why_no_history(self, output: Tensor) -> str:
        if not output.is_floating_point() and not output.is_complex():
            return (
                f"it is {output.dtype}, and only floating-point numbers have "
                "derivatives; avoid argmax, rounding and comparisons on the way"
            )
        if not torch.is_grad_enabled():
            return "gradients are switched off here; leave no_grad"
        step = self.step_of(output)
        ancestors = ancestors_of(step)
        for ancestor in ancestors:
            lost = not ancestor.edge and any(each.edge for each in ancestor.parents)
            if lost and ancestor.without_grad:
                return f"{ancestor.operation!r} ran under no_grad; leave it out"
            if lost:
                return (
                    f"{ancestor.operation!r} cut it off from what requires a gradient; "
                    "leave it out"
                )
        if any(each.edge for each in self.steps):
            return (
                "it does not depend on what requires a gradient; look for .data, "
                ".item(), .numpy(), torch.tensor(...) on the way"
            )
        return (
            "no input requires a gradient; make one with requires_grad=True or "
            "x.requires_grad_()"
        )


class _Same:
    """Membership by identity: ``==`` of tensors compares their entries."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.ids = {id(tensor) for tensor in tensors}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self.ids


def tensors_in(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def ancestors_of(step: Step) -> dict[Step, None]:
    found: dict[Step, None] = {}
    waiting = [step]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found[each] = None
            waiting += each.parents
    return found


def _attribute(func: Callable[..., Any]) -> str:
    return str(getattr(getattr(func, "__self__", None), "__name__", ""))


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
