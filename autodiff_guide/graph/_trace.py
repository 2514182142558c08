"""What `trace` does; change here how gradients and saved values get on the graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node as Function

from autodiff_guide.graph._graph import Graph
from autodiff_guide.graph._names import locals_seen, name_inputs, name_surroundings
from autodiff_guide.graph._node import Node
from autodiff_guide.graph._recorder import Recorder, Step, edges_behind, tensors_in


def trace(fn: Callable[..., Tensor], *inputs: Any) -> Graph:
    r"""Run `fn` once and return the graph of what it did, with values and gradients.

    The gradient at each node is that of the output with respect to it; of an output
    with several entries, that of their sum. It reaches what requires a gradient: among
    the inputs, in the module, or among the variables that `fn` reads. Where nothing
    does, the inputs are taken as if they did. Nothing is freed and no ``.grad`` is
    touched: `fn`'s tensors can be used as before.

    Parameters
    ----------
    fn : callable or nn.Module
        What to run, ``fn(*inputs)``; it returns one tensor.
    *inputs : object
        Its arguments.

    Returns
    -------
    Graph
        Inputs carry the names of the parameters of `fn`, intermediate results that of
        the local variable that holds them at its end, parameters of a module their
        name in it.

    Raises
    ------
    TypeError
        If `fn` does not return a tensor.
    ValueError
        If the output has no history, or gradients are switched off.

    Examples
    --------
    >>> def z(a, b):
    ...     x = 2 * a + 3 * b
    ...     y = 5 * a**2 + 3 * b**3
    ...     return 2 * x + 3 * y
    >>> graph = trace(z, torch.tensor(2.0), torch.tensor(1.0))
    >>> print(graph["y"])
    y = + of × 5, × 3: 23, gradient 3
    >>> float(graph["a"].gradient), float(graph["b"].gradient)
    (64.0, 33.0)
    """
    if not torch.is_grad_enabled():
        raise ValueError(
            "fn: expected to run where gradients are recorded, but they are switched "
            "off here; leave no_grad or inference_mode"
        )
    recorder = Recorder()
    name_surroundings(recorder, fn)
    inputs = _requiring_grad(recorder, inputs)
    name_inputs(recorder, fn, inputs)
    with locals_seen(recorder, fn), recorder:
        output = fn(*inputs)
    if not isinstance(output, Tensor):
        raise TypeError(
            f"fn: expected a function that returns a torch.Tensor, got "
            f"{type(output).__name__}; return the one whose gradients you want"
        )
    if not output.requires_grad:
        raise ValueError(
            f"fn: expected an output with history, got {output.dtype} without; look "
            "for no_grad, .detach(), .data, .item() and torch.tensor(...) on the way, "
            "for argmax, rounding and comparisons"
        )
    title = getattr(fn, "__name__", type(fn).__name__).strip("<>")
    last = recorder.step_of(output)
    named = inspect.isroutine(fn) and title != "lambda"
    last.name = last.name or (title if named else "output")
    return Graph(_nodes(recorder, last), title)


def _requiring_grad(recorder: Recorder, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the inputs; where nothing requires a gradient, detached, requiring one."""
    known = [*tensors_in(inputs), *(leaf.tensor for leaf in recorder.leaves.values())]
    if any(tensor.requires_grad for tensor in known):
        return inputs
    return tuple(
        value.detach().requires_grad_()
        if isinstance(value, Tensor) and value.is_floating_point()
        else value
        for value in inputs
    )


def _nodes(recorder: Recorder, last: Step) -> list[Node]:
    """Return what the last step was computed from, with gradients, in order."""
    ancestors = last.ancestors()
    steps = [step for step in recorder.steps if step in ancestors]
    edge_of = {step: step.edge for step in steps if step.edge is not None}
    gradients = torch.autograd.grad(
        last.tensor,
        list(edge_of.values()),
        torch.ones_like(last.tensor),
        retain_graph=True,
        allow_unused=True,
    )
    gradient_of = dict(zip(edge_of, gradients, strict=True))
    kept = _saved(last.tensor)
    nodes: dict[Step, Node] = {}
    for step in steps:
        local = _local_derivatives(step)
        nodes[step] = Node(
            step.operation,
            step.value,
            gradient_of.get(step),
            {nodes[parent]: local.get(parent) for parent in step.parents},
            name=step.name,
            saved=_memory(step.tensor) in kept,
            grad_fn=step.edge.node.name() if step.edge and step.parents else "",
        )
    return list(nodes.values())


def _memory(tensor: Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.numel()


def _saved(output: Tensor) -> set[tuple[int, int]]:
    """Return the memory of every tensor that the backward pass will read."""
    kept: set[tuple[int, int]] = set()
    last = output.grad_fn
    functions = {last, *(each for each, _ in edges_behind(last))} if last else set()
    for function in functions:
        for name in _saved_attributes(type(function)):
            try:
                saved = getattr(function, name)
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
