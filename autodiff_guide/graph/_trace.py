"""Run a function once, and return the graph of what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node as Function

from autodiff_guide.graph import _names
from autodiff_guide.graph._graph import Graph
from autodiff_guide.graph._node import Node
from autodiff_guide.graph._recorder import Recorder, Step, ancestors_of, tensors_in


def trace(
    fn: Callable[..., Tensor], *inputs: Any, names: Sequence[str] | None = None
) -> Graph:
    r"""Run `fn` once and return the graph of what it did, with values and gradients.

    The gradient at each node is that of the output with respect to it; of an output
    with several entries, that of their sum. Nothing is freed and no ``.grad`` is
    touched: `fn`'s tensors can be used as before.

    Parameters
    ----------
    fn : callable or nn.Module
        What to run, ``fn(*inputs)``; it returns one tensor.
    *inputs : object
        Its arguments. Gradients need a tensor with ``requires_grad``, here or in `fn`.
    names : sequence of str or None
        A name for each input; None takes those of the parameters of `fn`.

    Returns
    -------
    Graph
        Intermediate results carry the name of the local variable of `fn` that holds
        them at its end; parameters of a module, their name in it.

    Raises
    ------
    TypeError
        If `fn` does not return a tensor.
    ValueError
        If the output has no history; the message says why. If there are more or fewer
        `names` than inputs.

    Examples
    --------
    >>> def z(a, b):
    ...     x = 2 * a + 3 * b
    ...     y = 5 * a**2 + 3 * b**3
    ...     return 2 * x + 3 * y
    >>> a = torch.tensor(2.0, requires_grad=True)
    >>> b = torch.tensor(1.0, requires_grad=True)
    >>> graph = trace(z, a, b)
    >>> print(graph["y"])
    y = + of × 5, × 3: 23, gradient 3
    >>> float(graph["a"].gradient), float(graph["b"].gradient)
    (64.0, 33.0)
    """
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "fn: expected an output with history, got none in inference_mode, where "
            "gradients are switched off; leave it"
        )
    recorder = Recorder()
    _names.name_inputs(recorder, fn, inputs, names)
    with (
        _names.modules_watched(recorder, fn),
        _names.locals_seen(_names.code_of(fn), recorder.see_locals),
        recorder,
    ):
        output = fn(*inputs)
    if not isinstance(output, Tensor):
        raise TypeError(
            f"fn: expected a function that returns a torch.Tensor, got "
            f"{type(output).__name__}; return the one whose gradients you want"
        )
    if not output.requires_grad:
        raise ValueError(
            f"fn: expected an output with history, got one without: "
            f"{recorder.why_no_history(output)}"
        )
    last = recorder.step_of(output)
    last.name = last.name or _names.output_name(fn)
    return Graph(_finished(recorder, output), _names.title(fn))


def _finished(recorder: Recorder, output: Tensor) -> list[Node]:
    ancestors = ancestors_of(recorder.step_of(output))
    steps = [step for step in recorder.steps if step in ancestors]
    tracked = [step for step in steps if step.edge is not None]
    edges = [step.edge for step in tracked if step.edge is not None]
    gradients = torch.autograd.grad(
        output,
        edges,
        torch.ones_like(output),
        retain_graph=True,
        allow_unused=True,
    )
    gradient_of = dict(zip(tracked, gradients, strict=True))
    kept = _saved(output)
    nodes: dict[Step, Node] = {}
    for step in steps:
        local = _local_derivatives(step)
        nodes[step] = Node(
            step.operation,
            step.value,
            gradient_of.get(step),
            parents=tuple(nodes[parent] for parent in step.parents),
            local=tuple(local.get(parent) for parent in step.parents),
            name=step.name,
            saved=_memory(step.tensor) in kept,
            grad_fn=_grad_fn_name(step),
            module=step.module,
        )
    return list(nodes.values())


def _memory(tensor: Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.numel()


def _saved(output: Tensor) -> set[tuple[int, int]]:
    """Return the memory of every tensor that the backward pass will read."""
    kept: set[tuple[int, int]] = set()
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
        for name in _saved_attributes(type(node)):
            try:
                saved = getattr(node, name)
            except RuntimeError:  # changed in place since: backward refuses it too
                continue
            kept.update(map(_memory, tensors_in(saved)))
    return kept


@cache
def _saved_attributes(kind: type) -> list[str]:
    names = dir(kind)
    return [each for each in names if each.startswith("_saved_")] + (
        ["saved_tensors"] if "saved_tensors" in names else []
    )


def _local_derivatives(step: Step) -> dict[Step, float]:
    """Return the derivative of one number with respect to each number it is made of.

    Its own functions of the backward pass are called with 1, as far as the parents.
    """
    if step.edge is None or not step.parents or step.value.numel() != 1:
        return {}
    numbers = {
        parent.key: parent
        for parent in step.parents
        if parent.key and parent.value.numel() == 1
    }
    known = {parent.key for parent in step.parents}
    found: dict[Step, Tensor] = {}

    def back(node: Function, number: int, gradient: Tensor) -> None:
        key = (node, number)
        if key in numbers:
            parent = numbers[key]
            found[parent] = found.get(parent, 0) + gradient
        elif key not in known and len(node._input_metadata) == 1:
            backward: Any = node
            if isinstance(node, BackwardCFunction):
                backward = node.apply
            passed = backward(gradient)
            several = passed if isinstance(passed, tuple) else (passed,)
            for (before, at), each in zip(node.next_functions, several, strict=True):
                if before is not None and each is not None:
                    back(before, at, each)

    with torch.no_grad():
        back(step.edge.node, step.edge.output_nr, torch.ones_like(step.value))
    return {parent: float(each) for parent, each in found.items()}


def _grad_fn_name(step: Step) -> str:
    if step.edge is None or not step.parents:
        return ""
    return step.edge.node.name()
