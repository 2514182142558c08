"""Before any difference is taken: one function, and one backward."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autodiff_guide.gradcheck._conclusion import ConclusionError
from autodiff_guide.gradcheck._ladder import scales
from autodiff_guide.gradcheck._map import Map

# Two evaluations at one point may differ by this many roundings (threads, atomics).
JITTER_ROUNDINGS = 1e4
# Two gradients that should be the same computation may differ by this much.
SAME_GRADIENT = 1e-6


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
    attached : Tensor or None
        Which outputs carry a gradient; None if all do, or none does.
    checked : Tensor or None
        Which outputs are checked: usable and attached ones; None if all are.
    scale : Tensor
        What steps are relative to, shape (n,).
    graph : tuple
        Leaves and outputs, for vector-Jacobian products.
    remarks : list of (kind, sentence)
        What a passing check should still mention.
    """

    value: Tensor
    noise: Tensor
    usable: Tensor
    attached: Tensor | None
    checked: Tensor | None
    scale: Tensor
    graph: tuple[list[Tensor], list[Tensor]]
    remarks: list[tuple[str, str]] = field(default_factory=list)


def examine(problem: Map) -> Base:
    """Evaluate f twice; conclude at once if it is no function of its inputs."""
    value = _first_value(problem)
    problem.output_size = m = value.numel()
    graph = problem.graph()
    outputs = graph[1]
    flat = [y.detach().reshape(-1).to(torch.float64) for y in outputs]
    again = torch.cat(flat) if len(flat) > 1 else flat[0]
    noise = problem.eps * value.abs()
    remarks: list[tuple[str, str]] = []
    if not same(value, again):
        noise = noise + _jitter(problem, value, again, remarks)
    usable = torch.isfinite(value)
    all_usable = math.isfinite(value.sum()) or bool(usable.all())
    if problem.movable is not None and not bool(problem.movable.any()):
        raise ConclusionError(
            "inconclusive",
            ("nonfinite",),
            "every input element is NaN or inf; there is no step to take",
        )
    if m and not all_usable and not bool(usable.any()):
        raise ConclusionError(
            "inconclusive",
            ("nonfinite",),
            "every output is NaN or inf at this point; there is no slope to check",
        )
    if not all_usable:
        noise = torch.where(usable, noise, 0.0)
        count = int((~usable).sum())
        remarks.append(
            ("nonfinite", f"{count} of {m} outputs are NaN or inf and were not checked")
        )
    attached = None
    checked = None if all_usable else usable
    if len({y.requires_grad for y in outputs}) > 1:
        attached = torch.cat(
            [usable.new_full((y.numel(),), y.requires_grad) for y in outputs]
        )
        checked = usable & attached
    return Base(
        value=value,
        noise=noise,
        usable=usable,
        attached=attached,
        checked=checked,
        scale=scales(problem),
        graph=graph,
        remarks=remarks,
    )


def _first_value(problem: Map) -> Tensor:
    """Return f(x), or conclude that `fn` changes its own input."""
    copies = [x.clone() for x in problem.points]
    try:
        value = problem.value(copies)
    except TypeError:
        raise
    except RuntimeError:
        problem.mode = "loop with grad"  # `fn` may differentiate inside itself
        return problem.value(copies)
    if not all(torch.equal(a, b) for a, b in zip(copies, problem.points, strict=True)):
        pairs = zip(copies, problem.points, strict=True)
        if not all(same(a, b) for a, b in pairs):
            raise ConclusionError(
                "fail",
                ("inplace",),
                "calling the function changes its own input in place: later "
                "evaluations, and the tensors saved for the backward, see other "
                "values; work on a copy (x.clone())",
            )
    return value


def _jitter(
    problem: Map, value: Tensor, again: Tensor, remarks: list[tuple[str, str]]
) -> float:
    """Return how much two plain evaluations differ; conclude if it is too much."""
    plain = problem.value([x.clone() for x in problem.points])
    if plain.shape != value.shape:
        difference = float("inf")
    else:
        difference = float((plain - value).abs().nan_to_num(0, 0, 0).amax())
        if bool((torch.isfinite(plain) != torch.isfinite(value)).any()):
            difference = float("inf")
    largest = _largest(value)
    if difference > JITTER_ROUNDINGS * problem.eps * (largest or 1.0):
        raise ConclusionError(
            "fail",
            ("nondeterministic",),
            f"two evaluations at the same input differ by {difference:.3g}: the "
            "forward is not deterministic (dropout, sampling, a hidden state); fix "
            "the randomness, for example with module.eval()",
        )
    if again.shape != value.shape or (
        float((again - value).abs().nan_to_num(0, 0, 0).amax())
        > 10 * JITTER_ROUNDINGS * problem.eps * largest
    ):
        raise ConclusionError(
            "fail",
            ("nondeterministic", "mismatch"),
            "the function returns one value in grad mode and another under no_grad: "
            "the gradient belongs to another function than the value",
        )
    return difference


def repeat_pullback(
    problem: Map, base: Base, cotangents: Tensor, first: Tensor
) -> None:
    """Conclude if the same vector-Jacobian product comes out differently twice."""
    second = problem.pullback(base.graph, cotangents)
    if same(first, second):
        return
    tolerance = 10 * JITTER_ROUNDINGS * problem.eps * _largest(first)
    if _differ(first, second, tolerance):
        difference = float((first - second).abs().nan_to_num(torch.inf).amax())
        raise ConclusionError(
            "fail",
            ("backward-nondeterministic",),
            "two backward passes with the same grad_output differ by "
            f"{difference:.3g}: the backward changes its saved tensors, keeps a state, "
            "or is random",
        )


def outputs_alone(problem: Map, base: Base, generator: torch.Generator) -> None:
    """Conclude if a backward mishandles an output that nobody used.

    A loss of one output only passes no gradient for the others. That must equal passing
    zeros.
    """
    leaves, outputs = base.graph
    attached = [y for y in outputs if y.requires_grad]
    if len(attached) < 2:
        return
    for k, y in enumerate(attached):
        v = torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y)
        zeros = [v if other is y else torch.zeros_like(other) for other in attached]
        alone = torch.autograd.grad(
            y, leaves, v, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        together = torch.autograd.grad(
            attached,
            leaves,
            zeros,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        for i, (a, b) in enumerate(zip(alone, together, strict=True)):
            if a.layout != torch.strided or b.layout != torch.strided:
                continue
            rounding = max(SAME_GRADIENT, 100 * problem.eps)
            if _differ(a, b, rounding * (_largest(a) + _largest(b))):
                raise ConclusionError(
                    "fail",
                    ("mismatch",),
                    f"the gradient of input {problem.wrt[i]} changes when only output "
                    f"{k} is used: passing no grad_output for the others must equal "
                    "passing zeros",
                )


def same(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors agree bit for bit, NaN equal to NaN."""
    if a.shape != b.shape:
        return False
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _largest(x: Tensor) -> float:
    return float(x.abs().nan_to_num(0, 0, 0).amax()) if x.numel() else 0.0


def _differ(a: Tensor, b: Tensor, tolerance: float) -> bool:
    both = torch.isfinite(a) & torch.isfinite(b)
    return bool(((a - b).abs() > tolerance).where(both, False).any())
