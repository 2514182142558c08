"""How a running computation is recorded: change here which calls become steps."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.autograd.graph import Node as Function
from torch.overrides import TorchFunctionMode

from autodiff_guide.graph._words import bare_name, in_words

# A function of the backward pass, and which of its inputs.
Edge = tuple[Function, int]
VIEWS = {"T", "mT", "H", "mH", "real", "imag"}


class Leaf(NamedTuple):
    """A tensor that is there before the computation, and what it is called."""

    tensor: Tensor
    name: str
    kind: str


@dataclass(eq=False)
class Step:
    """A node while it is being recorded."""

    operation: str
    tensor: Tensor
    value: Tensor
    edge: GradientEdge | None
    parents: list[Step] = field(default_factory=list)
    name: str = ""

    @property
    def key(self) -> Edge | None:
        return self.edge and (self.edge.node, self.edge.output_nr)

    def ancestors(self) -> dict[Step, None]:
        """Return the step itself and all that it was computed from."""
        found: dict[Step, None] = {}
        waiting = [self]
        while waiting:
            step = waiting.pop()
            if step not in found:
                found[step] = None
                waiting += step.parents
        return found


class Recorder(TorchFunctionMode):
    """Sees every function of torch that is called, with its arguments and result.

    ``leaves`` are the tensors with names, ``latest`` what was last seen of each; both
    by the id of the tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.latest: dict[int, Step] = {}
        self.leaves: dict[int, Leaf] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        given = {id(tensor): tensor for tensor in tensors_in((args, kwargs))}
        attribute = func.__name__ == "__get__" and bare_name(func) not in VIEWS
        inside_transform = any(map(is_functorch_wrapped_tensor, given.values()))
        if attribute or inside_transform:
            return func(*args, **kwargs)
        parents = [self.step_of(tensor) for tensor in given.values()]
        versions = [_version(tensor) for tensor in given.values()]
        result = func(*args, **kwargs)
        changed = [
            tensor
            for tensor, version in zip(given.values(), versions, strict=True)
            if _version(tensor) != version
        ]
        made = [tensor for tensor in tensors_in(result) if id(tensor) not in given]
        for tensor in (*changed, *made):
            self.record(in_words(func, args, kwargs), tensor, parents)
        return result

    def record(
        self, operation: str, tensor: Tensor, parents: Iterable[Step] = ()
    ) -> Step:
        step = Step(
            operation,
            tensor,
            tensor.detach().clone(),  # a later step may write into it
            get_gradient_edge(tensor) if tensor.requires_grad else None,
            list(parents),
        )
        self.latest[id(tensor)] = step
        self.steps.append(step)
        return step

    def step_of(self, tensor: Tensor) -> Step:
        """Return what made `tensor`: a recorded step, an unseen one, or a leaf."""
        step = self.latest.get(id(tensor))
        if step is not None and bool(step.edge) == tensor.requires_grad:
            return step
        leaf = self.leaves.get(id(tensor))
        way_back = tensor.grad_fn
        if leaf is None and way_back and (parents := self._seen_behind(way_back)):
            return self.record(way_back.name().split("Backward")[0], tensor, parents)
        leaf = leaf or Leaf(tensor, "", "constant")
        step = self.record(leaf.kind, tensor)
        step.name = leaf.name
        return step

    def _seen_behind(self, function: Function) -> list[Step]:
        """Walk back through a step that was not seen to those that were."""
        recorded = {step.key: step for step in self.steps if step.key}
        edges = edges_behind(function, recorded)
        return list({recorded[edge]: None for edge in edges if edge in recorded})

    def see_locals(self, variables: Mapping[str, object]) -> None:
        """Name steps after the local variables that hold their results."""
        taken = {leaf.name for leaf in self.leaves.values()}
        for name, value in variables.items():
            step = self.latest.get(id(value))
            if step is not None and not step.name and name not in taken:
                step.name = name


def tensors_in(value: object) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def edges_behind(function: Function, until: Container[Edge] = ()) -> Iterator[Edge]:
    """Yield the edges that the backward pass follows from `function` on."""
    waiting, seen = [function], set[Function]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        for before, number in node.next_functions:
            if before is not None:
                yield before, number
                if (before, number) not in until:
                    waiting.append(before)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
