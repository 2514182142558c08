"""What must hold at the point itself: add a requirement on fn or backward here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from autodiff_guide.gradcheck._conclusion import ConclusionError
from autodiff_guide.gradcheck._differences import scales
from autodiff_guide.gradcheck._map import Map, largest

# Two evaluations at one point, or two backward passes, may differ by this many
# roundings (threads, atomics).
JITTER = 1e5
# In 16 bits too, they differ by less than this share.
LARGEST_JITTER = 1e-2
# Evaluations of a function that draws random numbers, until two differ.
REPEATS = 64
# What cancels in one element of an output is as large as what does not in others: no
# rounding is less than this share of theirs.
LEAST_NOISE = 1e-6
# Two gradients that should be the same computation may differ by this share.
SAME_GRADIENT = 1e-6
# How much longer than its shortest a cotangent is: shows what is clipped.
SPAN = 2.0**12
# A backward that is linear but for rounding in lower precision misses by less.
NOT_NEARLY = 1e-2

OVERWRITTEN = (
    "calling the function changes its own input in place, so later evaluations see "
    "other values; work on a copy (x.clone())"
)
NO_STEP = "every input element is NaN or inf; there is no step to take"
NO_SLOPE = "every output is NaN or inf at this point; there is no slope to check"
RANDOM_VALUE = (
    "two evaluations at the same input differ by {:.3g}: the forward is not "
    "deterministic (dropout, sampling, a hidden state); fix the randomness, for "
    "example with module.eval()"
)
ANOTHER_VALUE = (
    "the function returns one value in grad mode and another under no_grad: the "
    "gradient belongs to another function than the value"
)
RANDOM = (
    "two backward passes with the same grad_output differ by {:.3g}: the backward "
    "changes its saved tensors, keeps a state, or is random"
)
STRIDES = (
    "the backward reads {} as if its elements lay side by side: with a tensor that is "
    "not contiguous the gradient differs by {{:.3g}}; call .contiguous() first"
)
NOT_LINEAR = (
    "the backward is not linear in grad_output, as a vector-Jacobian product must be: "
    "is grad_output multiplied in? is it clipped?"
)
USED_ALONE = (
    "the gradient changes when only output {} is used: passing no grad_output for the "
    "others must equal passing zeros"
)


@dataclass(eq=False)
class Base:
    """What is known at the point itself.

    Attributes
    ----------
    value : Tensor
        f(x), shape (m,), float64.
    noise : Tensor
        Rounding error expected in each output.
    usable : Tensor
        Which outputs are finite.
    checked : Tensor or None
        Which outputs are checked: usable ones that carry a gradient, if any does. None
        if all are.
    scale : Tensor
        What steps are relative to, shape (n,).
    """

    value: Tensor
    noise: Tensor
    usable: Tensor
    checked: Tensor | None
    scale: Tensor

    def masked(self, x: Tensor) -> Tensor:
        """Return `x`, zero at outputs that are not checked."""
        return x if self.checked is None else x.where(self.checked, 0.0)


def examine(problem: Map) -> Base:
    """Return what the first evaluation tells; conclude if there is nothing to check."""
    if problem.overwritten:
        raise ConclusionError("fail", ("inplace",), OVERWRITTEN)
    if problem.movable is not None and not bool(problem.movable.any()):
        raise ConclusionError("inconclusive", ("nonfinite",), NO_STEP)
    value = problem.first
    noise = problem.eps * value.abs()
    for first, last in pairwise(problem.output_starts):
        here = noise[first:last]
        here.clamp_min_(LEAST_NOISE * largest(here))
    for _ in range(REPEATS if problem.random else 0):
        again = problem.flattened(problem.graph()[1])
        _require_same(problem, value, again, "nondeterministic", RANDOM_VALUE)
        if not problem.random:  # it seeds itself
            break
    checked = usable = torch.isfinite(value)
    outputs = problem.base_graph[1]
    if len({y.requires_grad for y in outputs}) > 1:
        pieces = usable.split_with_sizes([y.numel() for y in outputs])
        pairs = zip(pieces, outputs, strict=True)
        checked = torch.cat([piece & y.requires_grad for piece, y in pairs])
    scale = scales(problem)
    if bool(checked.all()):
        return Base(value, noise, usable, None, scale)
    if not bool(usable.any()):
        raise ConclusionError("inconclusive", ("nonfinite",), NO_SLOPE)
    return Base(value, noise.where(usable, 0.0), usable, checked, scale)


def repeat_value(problem: Map, base: Base) -> bool:
    """Evaluate f again at the point; return whether what is known of it changes.

    Conclude if two values differ by more than rounding. Without gradients `fn` may be
    another function, if it looks at ``requires_grad``: then they are asked for.
    """
    again = problem.flattened(problem.graph()[1])
    plain = problem.value(problem.place(problem.x.clone()))
    _require_same(problem, base.value, again, "nondeterministic", RANDOM_VALUE)
    jitter = _jitter(problem, base.value)
    if _apart(plain, base.value) > jitter and not problem.needs_grad:
        with torch.enable_grad():
            bare = problem.flattened(problem.outputs(*problem.place(problem.x.clone())))
        problem.needs_grad = _apart(bare, base.value) > jitter
        if problem.needs_grad:
            return True
        kinds = ("nondeterministic", "mismatch")
        raise ConclusionError("fail", kinds, ANOTHER_VALUE)
    apart = max(_apart(again, base.value), _apart(plain, base.value))
    base.noise += apart
    return apart > 0


def _jitter(problem: Map, value: Tensor) -> float:
    """Return how far apart two results of one computation may be."""
    return min(JITTER * problem.eps, LARGEST_JITTER) * (largest(value) or 1.0)


def _apart(a: Tensor, b: Tensor) -> float:
    """Return how far two values are apart; infinitely if in shape, or in NaN."""
    if a.shape != b.shape or bool((torch.isfinite(a) != torch.isfinite(b)).any()):
        return math.inf
    return largest(a - b)


def _require_same(
    problem: Map, first: Tensor, other: Tensor, kind: str, sentence: str
) -> None:
    """Conclude if two results of what should be one computation differ."""
    apart = _apart(first, other)
    if apart > _jitter(problem, first):
        raise ConclusionError("fail", (kind,), sentence.format(apart))


def repeat_pullback(problem: Map, base: Base, V: Tensor, A: Tensor) -> None:
    """Conclude if the backward is not linear: if w V pulls back to other than w A.

    The combination w V is large, and lies in a tensor that is not contiguous. If the
    graph holds a custom Function, it is also run on inputs that are not contiguous.
    """
    # The last of V is short, by SPAN: -SPAN makes it as long as the first.
    weights = SPAN * V.new_tensor([[4.0, -SPAN][-len(V) :]])
    v, expected = weights @ V, weights @ A
    size = largest(weights.abs() @ A.abs())
    # Terms of the backward that cancel are as large as the output.
    size += JITTER * problem.eps * largest(v) * largest(base.value / base.scale.amax())
    found = problem.pullback(v, strided=True)
    if largest(found - expected) > JITTER * problem.eps * size:
        again = problem.pullback(V[:1])
        _require_same(problem, A[:1], again, "backward-nondeterministic", RANDOM)
        plain = problem.pullback(v)
        sentence = STRIDES.format("grad_output")
        _require_same(problem, plain, found, "mismatch", sentence)
        if largest(found - expected) > NOT_NEARLY * size:
            raise ConclusionError("fail", ("not-linear",), NOT_LINEAR)
    if any(isinstance(x, BackwardCFunction) for x in _nodes(problem.base_graph[1])):
        try:
            graph = problem.graph(strided=True)
        except RuntimeError:  # x.view() of what is not contiguous
            return
        third = problem.pullback(V[:1], graph=graph)
        sentence = STRIDES.format("its inputs")
        _require_same(problem, A[:1], third, "mismatch", sentence)


def outputs_alone(problem: Map, V: Tensor, A: Tensor) -> None:
    """Conclude if a backward mishandles an output that nobody used.

    A loss of one output only passes no gradient for the others. That must equal passing
    zeros, so what each output pulls back alone must add up to A = V J.
    """
    leaves, outputs = problem.base_graph
    attached = [k for k, y in enumerate(outputs) if y.requires_grad]
    if len(attached) < 2 or not leaves:  # the derivative itself is given
        return
    alone = {}
    for k in attached:
        try:
            only = [y if i == k else y.detach() for i, y in enumerate(outputs)]
            alone[k] = problem.pullback(V[:1], graph=(leaves, only))
        except ConclusionError as end:
            sentence = f"where only output {k} is used, {end.sentence}"
            raise ConclusionError(end.verdict, end.kinds, sentence) from end
    share = max(SAME_GRADIENT, 100 * problem.eps)
    parts = torch.cat(list(alone.values()))
    if largest(parts.sum(0) - A[0]) <= share * largest(parts.abs().sum(0)):
        return
    for k in attached:
        here = slice(*problem.output_starts[k : k + 2])
        zeros = torch.zeros_like(V[:1])
        zeros[:, here] = V[:1, here]
        other = problem.pullback(zeros)
        if largest(alone[k] - other) > share * largest(other):
            break
    raise ConclusionError("fail", ("mismatch",), USED_ALONE.format(k))


def _nodes(outputs: list[Tensor]) -> Iterator[object]:
    """Yield every node of the graph behind some outputs."""
    waiting = [y.grad_fn for y in outputs]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting.extend(previous for previous, _ in node.next_functions)
