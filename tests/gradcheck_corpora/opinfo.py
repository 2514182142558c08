"""Torch's own database of operations, as functions of tensors, and planted bugs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.testing._internal.common_methods_invocations import op_db

Function = Callable[..., object]

MAX_ELEMENTS = 200
# Kind and size of each planted error.
MUTATIONS = {
    "scale 1e-4": ("scale", 1e-4),
    "scale 1e-2": ("scale", 1e-2),
    "sign": ("sign", 0.0),
    "zero": ("zero", 0.0),
    "element 1e-1": ("element", 1e-1),
    "element 1e-3": ("element", 1e-3),
    "element 1e-4": ("element", 1e-4),
    "element 1e-5": ("element", 1e-5),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """One call of one operation, as a function of its differentiable tensors."""

    name: str
    fn: Function
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Slot:
    """Where the k-th differentiable tensor stood among the arguments."""

    k: int


def names() -> list[str]:
    """Return the names of all differentiable operations."""
    return sorted({_name(op) for op in op_db if op.supports_autograd})


def samples(
    dtype: torch.dtype,
    seed: int,
    per_operation: int,
    wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[Sample]:
    """Yield up to `per_operation` samples of each operation that is differentiable."""
    for op in op_db:
        able = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        if not able or not wanted(_name(op)):
            continue
        torch.manual_seed(seed)
        random.seed(seed)
        made = op.sample_inputs("cpu", dtype, requires_grad=True)
        found = list(itertools.islice(made, 40))
        random.shuffle(found)
        for sample in found[:per_operation]:
            whole = _as_function(op, sample)
            if whole is not None:
                yield whole


def _name(op) -> str:
    return f"{op.name}.{op.variant_test_name}".rstrip(".")


def _as_function(op, sample) -> Sample | None:
    """Return a sample as a function of tensors, or None if it is no case for us."""
    leaves: list[Tensor] = []

    def take(x):
        if isinstance(x, Tensor) and x.requires_grad:
            leaves.append(x.detach())
            return Slot(len(leaves) - 1)
        return _mapped(take, x)

    first, rest = take(sample.input), take(list(sample.args))
    keywords = {k: take(v) for k, v in sample.kwargs.items()}

    def fn(*tensors):
        def put(x):
            return tensors[x.k] if isinstance(x, Slot) else _mapped(put, x)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            named = {k: put(v) for k, v in keywords.items()}
            y = op.op(put(first), *put(rest), **named)
        return sample.output_process_fn_grad(y)

    size = sum(x.numel() for x in leaves)
    if not 0 < size <= MAX_ELEMENTS or any(x.layout != torch.strided for x in leaves):
        return None
    try:
        outputs = _differentiable(fn(*[x.clone().requires_grad_() for x in leaves]))
    except RuntimeError:  # needs more than its arguments: a storage, a backend
        return None
    if not 0 < sum(y.numel() for y in outputs) <= 2 * MAX_ELEMENTS:
        return None
    return Sample(_name(op), fn, tuple(x.clone().requires_grad_() for x in leaves))


def _mapped(f: Function, x: object) -> object:
    if isinstance(x, list | tuple):
        made = [f(y) for y in x]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    return x


def _differentiable(result: object) -> list[Tensor]:
    outputs = result if isinstance(result, list | tuple) else (result,)
    return [y for y in outputs if isinstance(y, Tensor) and y.requires_grad]


def torch_passes(sample: Sample) -> bool:
    """Return whether torch's gradcheck, slow mode, accepts the sample."""
    try:
        return torch.autograd.gradcheck(
            sample.fn, sample.inputs, check_undefined_grad=False, nondet_tol=1e-10
        )
    except Exception:  # it raises for what it rejects, and for what it cannot do
        return False


class Wrong(torch.autograd.Function):
    """The identity, with a backward that is wrong in one of several ways."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, kind, size):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.kind, ctx.size = inputs

    @staticmethod
    def backward(ctx, g):
        error = torch.full(g.shape, ctx.size, dtype=torch.float64)
        if ctx.kind == "sign":
            error -= 2
        elif ctx.kind == "zero":
            error -= 1
        elif ctx.kind == "element":
            middle = torch.arange(g.numel()) == g.numel() // 2
            error = error.where(middle.view(g.shape), 0.0)
        return (g * (1 + error)).to(g.dtype), None, None


def mutated(sample: Sample, kind: str, size: float) -> Sample:
    """Return the sample with a wrong identity in front of its first input."""

    def fn(first, *rest):
        return sample.fn(Wrong.apply(first, kind, size), *rest)

    return Sample(sample.name, fn, sample.inputs)


def matters(sample: Sample, kind: str) -> bool:
    """Return whether a mutation changes a gradient that differences can see."""
    leaves = [x.detach().clone().requires_grad_() for x in sample.inputs]
    outputs = _differentiable(sample.fn(*leaves))
    steepest = torch.zeros_like(leaves[0].abs())
    for y in outputs:
        for v in torch.eye(y.numel(), dtype=y.dtype):
            (g,) = torch.autograd.grad(
                y,
                leaves[0],
                v.view(y.shape),
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            steepest = torch.maximum(steepest, g.to_dense().abs())
    sizes = [y.detach().abs().nan_to_num(0, 0, 0) for y in outputs if y.numel()]
    largest = max(float(size.max()) for size in sizes)
    size = float(leaves[0].detach().abs().nan_to_num(0, 0, 0).max())
    visible = 1e-10 * largest / max(size, 1e-9)
    if not bool(torch.isfinite(steepest).all()):
        return False
    if kind == "element":
        here = float(steepest.flatten()[steepest.numel() // 2])
        return here > max(1e-3 * float(steepest.max()), visible)
    return bool((steepest > visible).any())
