"""A function of tensors, seen as a map from one flat real vector to another."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from autodiff_guide.gradcheck._conclusion import ConclusionError

Function = Callable[..., object]

# A vmapped row may differ from plain evaluation by this many roundings, because the
# batched kernel adds in another order.
BATCH_ROUNDINGS = 1e3


class UnusableOutputError(TypeError):
    """`fn` returned something that has no derivative."""


class Map:
    r"""The function `fn` of the inputs `wrt`, as :math:`f: R^n \to R^m` in float64.

    Complex tensors are seen as pairs of real numbers. Points and values are float64
    vectors, whatever the precision of `fn`; `eps` is the precision of its inputs.
    Evaluation starts with ``vmap`` and falls back to a loop, and to a loop in grad
    mode, when `fn` does not allow it.
    """

    def __init__(
        self, fn: Function, inputs: Sequence[object], wrt: Sequence[int]
    ) -> None:
        self.fn = fn
        self.wrt = tuple(wrt)
        self.inputs = [x.detach() if isinstance(x, Tensor) else x for x in inputs]
        chosen = [x for x in (self.inputs[i] for i in wrt) if isinstance(x, Tensor)]
        self.is_complex = [x.is_complex() for x in chosen]
        self.points = [
            _as_real(x).clone(memory_format=torch.contiguous_format) for x in chosen
        ]
        self.sizes = [x.numel() for x in self.points]
        self.starts = list(accumulate(self.sizes, initial=0))
        self.n = self.starts[-1]
        flat = [x.reshape(-1).to(torch.float64) for x in self.points]
        self.x = torch.cat(flat) if len(flat) > 1 else flat[0]
        self.device = self.x.device
        self.eps = max(torch.finfo(x.dtype).eps for x in self.points)
        all_finite = math.isfinite(self.x.sum())
        self.movable = None if all_finite else torch.isfinite(self.x)
        self.mode = "vmap"
        self.verified = False
        self.batched_pullback = True
        self.output_shapes: list[tuple[int, ...]] = []
        self.output_size = 0
        self.low_precision = ""
        self.evaluations = 0
        self.pullbacks = 0
        self.bytes_per_evaluation = 0

    # ------------------------------------------------------------- evaluation

    def arguments(self, reals: Sequence[Tensor]) -> list[object]:
        """Return all arguments of `fn`, with `reals` in place of the chosen ones."""
        arguments = list(self.inputs)
        for i, is_complex, real in zip(self.wrt, self.is_complex, reals, strict=True):
            arguments[i] = torch.view_as_complex(real) if is_complex else real
        return arguments

    def outputs(self, *reals: Tensor) -> list[Tensor]:
        """Return the floating-point outputs of `fn`, each real."""
        kept = real_outputs(self.fn(*self.arguments(reals)))
        if not self.output_shapes:
            self.output_shapes = [tuple(y.shape) for y in kept]
        return kept

    def summed(self, weights: Tensor) -> Map:
        """Return the map to weighted sums of all outputs; `weights` is (L, m)."""

        def sums(*arguments: object) -> Tensor:
            y = torch.cat([y.reshape(-1) for y in real_outputs(self.fn(*arguments))])
            return weights.to(y.dtype) @ y

        return Map(sums, self.inputs, self.wrt)

    def _joined(self, *reals: Tensor) -> Tensor:
        """Return the one output of `fn`, or all of them in one row."""
        outputs = self.outputs(*reals)
        if len(outputs) == 1:
            return outputs[0]
        return torch.cat([y.reshape(-1).to(torch.float64) for y in outputs])

    def value(self, reals: Sequence[Tensor]) -> Tensor:
        """Return f at one point, shape (m,), evaluated plainly."""
        self.evaluations += 1
        if self.mode == "loop with grad":
            with torch.enable_grad():
                leaves = [x.detach().clone().requires_grad_() for x in reals]
                y = self._joined(*[leaf.clone() for leaf in leaves])
        else:
            with torch.no_grad():
                y = self._joined(*reals)
        return y.detach().reshape(-1).to(torch.float64)

    def values(self, batch: Sequence[Tensor], batched: Sequence[bool]) -> Tensor:
        """Return f at B points, shape (B, m); only the `batched` tensors have rows."""
        count = next(x.shape[0] for x, b in zip(batch, batched, strict=True) if b)
        if self.mode == "vmap":
            try:
                return self._vmapped(batch, batched)
            except Exception:  # whatever vmap cannot do, a loop can
                self.mode = "loop"
        return torch.stack([self._row(batch, batched, k) for k in range(count)])

    def _row(self, batch: Sequence[Tensor], batched: Sequence[bool], k: int) -> Tensor:
        """Return f at point `k` of a batch, each tensor in a storage of its own."""
        reals = [
            x[k].clone() if b else x.clone()
            for x, b in zip(batch, batched, strict=True)
        ]
        return self.plain_value(reals)

    def plain_value(self, reals: Sequence[Tensor]) -> Tensor:
        """Return f at one point, shape (m,); NaN where `fn` refuses the point."""
        try:
            y = self.value(reals)
            if y.shape[0] == self.output_size:
                return y
        except Exception:  # outside the domain: an argument check, a singular matrix
            pass
        return self.x.new_full((self.output_size,), math.nan)

    def _vmapped(self, batch: Sequence[Tensor], batched: Sequence[bool]) -> Tensor:
        dims = tuple(0 if b else None for b in batched)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = torch.func.vmap(self._joined, in_dims=dims)(*batch)
        y = y.detach().reshape(y.shape[0], -1).to(torch.float64)
        self.evaluations += y.shape[0]
        if not self.verified:
            self._verify(y[-1], self._row(batch, batched, -1))
            self.verified = True
        return y

    def _verify(self, row: Tensor, plain: Tensor) -> None:
        """Raise if a vmapped row is not what `fn` returns: some batching rules err."""
        if torch.equal(row, plain):
            return
        difference = (row - plain).abs()
        largest = float(plain.abs().nan_to_num(0, 0, 0).amax())
        bound = BATCH_ROUNDINGS * self.eps * (10 * plain.abs() + largest)
        same = (difference <= bound) | (row == plain) | plain.isnan()
        if not bool(same.all()):
            raise RuntimeError("the vmapped function differs from the plain one")

    # -------------------------------------------------------------- gradients

    def graph(self) -> tuple[list[Tensor], list[Tensor]]:
        """Evaluate `fn` in grad mode; return the leaves and the outputs."""
        self.evaluations += 1
        leaves = [x.clone().requires_grad_() for x in self.points]
        with torch.enable_grad():
            return leaves, self.outputs(*leaves)

    def pullback(
        self, graph: tuple[list[Tensor], list[Tensor]], cotangents: Tensor
    ) -> Tensor:
        """Return V J for cotangents V of shape (L, m), shape (L, n), by autograd."""
        if self.batched_pullback and cotangents.shape[0] > 2:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return self._pulled(graph, cotangents, batched=True)
            except Exception:  # a backward that cannot be batched
                self.batched_pullback = False
        try:
            rows = [
                self._pulled(graph, cotangents[k : k + 1], batched=False)
                for k in range(cotangents.shape[0])
            ]
        except Exception as error:
            raise _backward_failed(error) from error
        return torch.cat(rows) if len(rows) > 1 else rows[0]

    def _pulled(
        self,
        graph: tuple[list[Tensor], list[Tensor]],
        cotangents: Tensor,
        *,
        batched: bool,
    ) -> Tensor:
        leaves, outputs = graph
        rows = cotangents.shape[0]
        self.pullbacks += rows
        pieces = _cut(cotangents, [y.numel() for y in outputs])
        lead = (rows,) if batched else ()
        pairs = [
            (y, v.reshape(lead + y.shape).to(y.dtype, copy=True))
            for y, v in zip(outputs, pieces, strict=True)
            if y.requires_grad
        ]
        if not pairs:
            return self.x.new_zeros(rows, self.n)
        gradients = torch.autograd.grad(
            [y for y, _ in pairs],
            leaves,
            [v for _, v in pairs],
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=batched,
        )
        flat = [
            self.x.new_zeros(rows, size)
            if g is None
            else _dense(g).reshape(rows, size).to(torch.float64)
            for size, g in zip(self.sizes, gradients, strict=True)
        ]
        return flat[0] if batched and len(flat) == 1 else torch.cat(flat, 1)

    # ----------------------------------------------------------------- points

    def pieces(self, flat: Tensor) -> Sequence[Tensor]:
        """Cut (B, n) rows into one (B, size) piece per chosen input."""
        return _cut(flat, self.sizes)

    def measure_memory(self) -> None:
        """Count the bytes that one evaluation allocates."""
        with _Allocations() as allocations:
            self.value([x.clone() for x in self.points])
        self.bytes_per_evaluation = allocations.bytes

    def locate(self, element: int) -> tuple[int, tuple[int, ...]]:
        """Return the position in `wrt` and the index of flat element `element`."""
        k = next(k for k in range(len(self.sizes)) if element < self.starts[k + 1])
        shape = (
            self.points[k].shape[:-1] if self.is_complex[k] else self.points[k].shape
        )
        flat = (element - self.starts[k]) // (2 if self.is_complex[k] else 1)
        return k, unravel(flat, shape)

    def locate_output(self, element: int) -> tuple[int, tuple[int, ...]]:
        """Return which output, and where in it, flat output `element` is."""
        for k, shape in enumerate(self.output_shapes):
            size = math.prod(shape)
            if element < size:
                return k, unravel(element, shape)
            element -= size
        raise IndexError(element)

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """Yield (output, start, stop) for each output's rows of the Jacobian."""
        start = 0
        for k, shape in enumerate(self.output_shapes):
            yield k, start, start + math.prod(shape)
            start += math.prod(shape)


class _Allocations(TorchDispatchMode):
    """Adds up the bytes of every tensor an operation returns."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for y in result if isinstance(result, tuple | list) else (result,):
            if isinstance(y, Tensor):
                self.bytes += y.numel() * y.element_size()
        return result


def _cut(flat: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    """Cut (B, n) rows into (B, size) pieces."""
    return flat.split_with_sizes(sizes, 1) if len(sizes) > 1 else (flat,)


def unravel(flat: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the index of the `flat`-th element of a tensor of `shape`."""
    index = []
    for size in reversed(shape):
        flat, here = divmod(flat, size)
        index.append(here)
    return tuple(reversed(index))


def _backward_failed(error: Exception) -> ConclusionError:
    """Return the conclusion that a backward which raises leads to."""
    message = str(error).strip().splitlines()[0] if str(error).strip() else ""
    kinds: tuple[str, ...] = ("mismatch",)
    if "inplace" in message or "in-place" in message:
        kinds = ("inplace",)
    shapes = re.findall(r"\[([\d, ]*)\]", message)
    if "invalid gradient" in message and len(shapes) == 2:
        got, expected = (tuple(map(int, re.findall(r"\d+", s))) for s in shapes)
        kinds = ("transposed",) if got == expected[::-1] else ("broadcast",)
    return ConclusionError(
        "error", kinds, f"the backward raised {type(error).__name__}: {message}"
    )


def real_outputs(result: object) -> list[Tensor]:
    """Return the outputs that have derivatives, as real dense tensors."""
    candidates = result if isinstance(result, tuple | list) else (result,)
    kept = [y for y in candidates if isinstance(y, Tensor) and _has_derivative(y)]
    if not kept:
        raise UnusableOutputError(_explain_output(result))
    return [_as_real(_dense(y)) for y in kept]


def _dense(x: Tensor) -> Tensor:
    return x if x.layout == torch.strided else x.to_dense()


def _has_derivative(x: Tensor) -> bool:
    return x.is_floating_point() or x.is_complex()


def _as_real(x: Tensor) -> Tensor:
    return torch.view_as_real(x.resolve_conj().resolve_neg()) if x.is_complex() else x


def _explain_output(result: object) -> str:
    if isinstance(result, Tensor):
        got = f"a tensor of {result.dtype}"
    elif isinstance(result, dict):
        got = "a dict; return a tuple of its values"
    elif isinstance(result, tuple | list):
        got = f"{type(result).__name__} of {[type(y).__name__ for y in result]}"
    else:
        got = type(result).__name__
    return f"fn: expected a floating-point tensor, or a tuple of them, back; got {got}"
