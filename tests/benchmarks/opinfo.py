"""The checker against torch's own operations: right ones, and the same with planted bugs.

``python tests/benchmarks/opinfo.py --seed 3`` prints the table of rates. Every sample
input that torch's database of operations knows, up to a size, is checked in float64,
where torch's gradcheck is the judge of what is right; in float32, for the operations
whose float64 sample passed; and with an identity in front whose backward is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.testing._internal.common_methods_invocations import op_db

from autodiff_guide.gradcheck import check_gradient

MAX_ELEMENTS = 200
Function = Callable[..., object]


@dataclass(frozen=True, eq=False)
class Sample:
    """One call of one operation, as a function of its differentiable tensors."""

    name: str
    fn: Function
    inputs: tuple[Tensor, ...]


def samples(
    dtype: torch.dtype,
    seed: int,
    per_operation: int = 3,
    operations: Callable[[str], bool] = lambda name: True,
) -> Iterator[Sample]:
    """Yield up to `per_operation` samples of each differentiable operation."""
    for op in op_db:
        name = f"{op.name}.{op.variant_test_name}".rstrip(".")
        if not op.supports_autograd or dtype not in op.supported_backward_dtypes("cpu"):
            continue
        if not operations(name):
            continue
        torch.manual_seed(seed)
        random.seed(seed)
        try:
            found = list(
                itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=True), 40)
            )
        except Exception:  # a backend is missing
            continue
        random.shuffle(found)
        for sample in found[:per_operation]:
            made = _as_function(name, op, sample)
            if made is not None:
                yield made


def _as_function(name: str, op, sample) -> Sample | None:
    leaves: list[Tensor] = []

    def collect(x):
        if isinstance(x, Tensor):
            if x.requires_grad:
                leaves.append(x)
                return len(leaves) - 1, "leaf"
            return x
        if isinstance(x, (list, tuple)):
            made = [collect(y) for y in x]
            return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
        return x

    skeleton = collect((sample.input, list(sample.args)))
    keywords = {k: collect(v) for k, v in sample.kwargs.items()}

    def rebuild(x, tensors):
        if isinstance(x, tuple) and len(x) == 2 and x[1] == "leaf" and isinstance(x[0], int):
            return tensors[x[0]]
        if isinstance(x, (list, tuple)):
            made = [rebuild(y, tensors) for y in x]
            return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
        return x

    def fn(*tensors):
        first, rest = rebuild(skeleton, tensors)
        named = {k: rebuild(v, tensors) for k, v in keywords.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            out = op.op(first, *rest, **named)
        return sample.output_process_fn_grad(out)

    if not leaves or any(x.layout != torch.strided for x in leaves):
        return None
    size = sum(x.numel() for x in leaves)
    if not 0 < size <= MAX_ELEMENTS:
        return None
    try:
        out = fn(*[x.detach().clone().requires_grad_() for x in leaves])
    except Exception:
        return None
    outs = [y for y in (out if isinstance(out, (tuple, list)) else (out,))
            if isinstance(y, Tensor) and (y.is_floating_point() or y.is_complex())]
    if not outs or not any(y.requires_grad for y in outs):
        return None
    if not 0 < sum(y.numel() for y in outs) <= 2 * MAX_ELEMENTS:
        return None
    return Sample(name, fn, tuple(x.detach().clone().requires_grad_() for x in leaves))


def torch_passes(sample: Sample) -> bool:
    """Return whether torch's gradcheck, slow mode, accepts the sample."""
    try:
        return torch.autograd.gradcheck(sample.fn, sample.inputs, check_undefined_grad=False,
                                        nondet_tol=1e-10)
    except Exception:
        return False


class Wrong(torch.autograd.Function):
    """The identity, with a backward that is wrong in one of several ways."""

    @staticmethod
    def forward(ctx, x, kind, size):
        ctx.kind, ctx.size = kind, size
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        kind, size = ctx.kind, ctx.size
        g = g.clone()
        if kind == "scale":
            g = g * (1 + size)
        elif kind == "sign":
            g = -g
        elif kind == "zero":
            g = torch.zeros_like(g)
        elif kind == "element":
            k = g.numel() // 2
            flat = g.reshape(-1)
            mask = torch.zeros_like(flat.abs())
            mask[k] = 1
            g = (flat * (1 + size * mask)).reshape(g.shape)
        elif kind == "offset":
            g = g + size * g.abs().mean()
        elif kind == "roll":
            g = g.reshape(-1).roll(1).reshape(g.shape)
        return g, None, None


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


def mutated(sample: Sample, kind: str, size: float) -> Sample:
    """Return the sample with a wrong identity in front of its first input."""

    def fn(first, *rest):
        return sample.fn(Wrong.apply(first, kind, size), *rest)

    return Sample(sample.name, fn, sample.inputs)


def matters(sample: Sample, kind: str) -> bool:
    """Return whether the mutation changes the gradient: it is not zero where it acts."""
    xs = [x.detach().clone().requires_grad_() for x in sample.inputs]
    out = sample.fn(*xs)
    outs = [y for y in (out if isinstance(out, (tuple, list)) else (out,))
            if isinstance(y, Tensor) and y.requires_grad]
    g = torch.zeros_like(xs[0].abs())
    value = max(float(y.detach().abs().nan_to_num(0, 0, 0).max()) for y in outs)
    visible = 1e-10 * value / float(xs[0].detach().abs().max().clamp_min(1e-9))
    for y in outs:
        for row in torch.eye(y.numel(), dtype=y.dtype):
            (r,) = torch.autograd.grad(y, xs[0], row.view(y.shape), retain_graph=True,
                                       allow_unused=True, materialize_grads=True)
            if not torch.isfinite(r).all():
                return False
            g = torch.maximum(g, r.to_dense().abs() if r.layout != torch.strided else r.abs())
    if kind == "element":
        return bool(g.reshape(-1)[g.numel() // 2] > max(1e-3 * float(g.max()), visible))
    return bool((g > visible).any())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-operation", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--parts", default="64,32,mut")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if "64" in args.parts or "mut" in args.parts:
        right, table = [], Counter()
        for s in samples(torch.float64, args.seed, args.per_operation, lambda n: args.only in n):
            ok = torch_passes(s)
            report = None
            try:
                report = check_gradient(s.fn, *s.inputs, seed=args.seed)
                verdict = report.verdict
            except Exception as error:
                verdict = f"crash"
                print("CRASH", s.name, type(error).__name__, str(error)[:150])
            table[ok, verdict] += 1
            if ok and verdict == "pass":
                right.append(s)
            elif ok or verdict == "crash":
                print(s.name, [tuple(x.shape) for x in s.inputs], "gradcheck:", ok, "ours:", verdict, report and report.kinds, report and report.sentence[:150], report and report.worst)
        for key in sorted(table, key=str):
            print("float64: gradcheck passes, ours:", key, table[key])
    if "mut" in args.parts:
        caught, tried, inc = Counter(), Counter(), Counter()
        for s in right:
            for label, (kind, size) in MUTATIONS.items():
                if not matters(s, kind):
                    continue
                m = mutated(s, kind, size)
                tried[label] += 1
                r = check_gradient(m.fn, *m.inputs, seed=args.seed)
                caught[label] += r.verdict in ("fail", "error")
                inc[label] += r.verdict == "inconclusive"
                if r:
                    print("MISSED", label, s.name, [tuple(x.shape) for x in s.inputs], r.kinds, r.resolution)
        for label in MUTATIONS:
            print(f"{label:14s} caught {caught[label]} inconclusive {inc[label]} of {tried[label]}")
    if "32" in args.parts:
        names = Counter()
        table = Counter()
        def good(name):
            return all(torch_passes(s) for s in samples(torch.float64, args.seed, args.per_operation, lambda n: n == name))
        for s in samples(torch.float32, args.seed, args.per_operation, lambda n: args.only in n):
            r = check_gradient(s.fn, *s.inputs, seed=args.seed)
            if not r and not good(s.name):
                continue
            table[r.verdict] += 1
            if not r:
                print("f32", s.name, [tuple(x.shape) for x in s.inputs], r.verdict, r.kinds, r.sentence[:150], r.worst)
        print(table, {k: v / table.total() for k, v in table.items()})


if __name__ == "__main__":
    main()
