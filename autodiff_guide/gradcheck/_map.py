"""How a function is evaluated: as a map from one flat real vector to another."""

from __future__ import annotations

import math
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from autodiff_guide.gradcheck._conclusion import ConclusionError
from autodiff_guide.gradcheck._double import InDouble, has_derivative

Function = Callable[..., object]
# Leaves and outputs, for vector-Jacobian products.
Graph = tuple[list[Tensor], list[Tensor]]

# Evaluations of one batch at most, and numbers that their points and values may hold.
BATCH, BATCH_NUMBERS = 256, 2**19
# A vmapped row may differ from plain evaluation by this many roundings, because the
# batched kernel adds in another order.
BATCH_ROUNDINGS = 1e3
# Up to this many vector-Jacobian products are computed one by one.
FEW = 4


class UnusableOutputError(TypeError):
    """`fn` returned something that has no derivative."""


class Map:
    r"""The function `fn` of the inputs chosen, as :math:`f: R^n \to R^m` in float64.

    Complex tensors are seen as pairs of real numbers. `fn` is computed in double,
    whatever the precision of its inputs; if it refuses, `eps` is its own precision.

    Attributes
    ----------
    wrt, names : tuple
        Positions of the inputs chosen, and what they are called.
    points : list of Tensor
        The inputs `wrt`, real and dense.
    x : Tensor
        All of them in one vector, shape (n,).
    movable : Tensor or None
        Which elements are finite; None if all are.
    first : Tensor
        f(x), shape (m,).
    overwritten : bool
        Whether that evaluation changed its inputs.
    widened, refused : bool
        Whether parts are computed in double that were not; whether that failed.
    narrow : set of dtype
        The precisions of those parts.
    """

    widened = refused = needs_grad = random = sparse = False
    # Whether vmap works; None before the first time.
    vectorised: bool | None = None
    batched_pullback = True
    evaluations = pullbacks = 0
    eps = 0.0
    # In which `fn` is computed.
    mode: AbstractContextManager[object]

    def __init__(
        self, fn: Function, inputs: Sequence[Any], chosen: Mapping[int, str]
    ) -> None:
        self.fn = fn
        self.chosen = chosen
        self.wrt, self.names = tuple(chosen), tuple(chosen.values())
        self.dtypes = [str(inputs[i].dtype).removeprefix("torch.") for i in chosen]
        # A module registers parameters, and nothing else.
        self.is_parameter = [isinstance(inputs[i], nn.Parameter) for i in chosen]
        self.narrow_inputs = not {"float64", "complex128"}.issuperset(self.dtypes)
        self.narrow: set[torch.dtype] = set()
        self._evaluate_first(inputs)

    # ------------------------------------------------------------ first evaluation

    @torch.enable_grad()
    def _evaluate_first(self, inputs: Sequence[Any]) -> None:
        """Find out whether `fn` can be computed in double, and keep its graph."""
        self.mode = watch = InDouble()
        try:
            self._place([watch.wide(x) for x in inputs])
            self._keep_graph()
            self.widened, self.narrow = watch.widened, watch.seen
            if not self.widened:
                self.mode = nullcontext()
            return
        except Exception:  # a kernel of one precision only, an argument check
            pass
        self.mode, self.refused = nullcontext(), watch.widened
        self._place(inputs)
        for dtype in watch.seen:
            self.eps = max(self.eps, torch.finfo(dtype).eps)
        self._keep_graph()

    def _place(self, inputs: Sequence[Any]) -> None:
        """Take a point: views of the inputs `wrt`, copies of what `fn` may change."""
        self.inputs = [
            x.detach().clone() if isinstance(x, Tensor) and i not in self.wrt else x
            for i, x in enumerate(inputs)
        ]
        chosen = [inputs[i] for i in self.wrt]
        self.is_complex = [x.is_complex() for x in chosen]
        self.points = [_as_real(x.detach()).contiguous() for x in chosen]
        self.sizes = [x.numel() for x in self.points]
        self.starts = list(accumulate(self.sizes, initial=0))
        self.n = self.starts[-1]
        self.device = self.points[0].device
        if self.device.type == "mps":  # has no float64
            self.device = torch.device("cpu")
        self.x = self.flattened(self.points)
        self.eps = max(torch.finfo(x.dtype).eps for x in self.points)
        all_finite = math.isfinite(self.x.sum())
        self.movable = None if all_finite else torch.isfinite(self.x)

    def _keep_graph(self) -> None:
        """Evaluate f(x) in grad mode, and note whether that changes the inputs."""
        try:
            leaves, outputs = self.base_graph = self.graph()
            self.first = self.flattened(outputs).clone()
            self.output_shapes = [tuple(y.shape) for y in outputs]
            sizes = map(math.prod, self.output_shapes)
            self.output_starts = list(accumulate(sizes, initial=0))
        except RuntimeError:  # a leaf refuses what is done in place
            leaves, self.base_graph = self.place(self.x.clone()), ([], [])
            self.first = self.value(leaves)
            if self._unchanged(leaves):
                raise
        self.overwritten = not self._unchanged(leaves)
        self.output_size = self.first.numel()

    def _unchanged(self, copies: Sequence[Tensor]) -> bool:
        return all(
            torch.equal(a, b) or torch.allclose(a, b, 0.0, 0.0, equal_nan=True)
            for a, b in zip(copies, self.points, strict=True)
        )

    # ------------------------------------------------------------- evaluation

    def _flat(self, x: Tensor) -> Tensor:
        x = x.detach().reshape(-1)
        return x if x.dtype == torch.float64 else x.to(self.device).to(torch.float64)

    def flattened(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return some outputs as one vector in float64."""
        flat = [self._flat(y) for y in outputs]
        return torch.cat(flat) if len(flat) > 1 else flat[0]

    def _argument(self, k: int, real: Tensor) -> Tensor:
        """Return what `fn` gets for the k-th point."""
        if self.is_complex[k]:
            return torch.view_as_complex(real)
        if self.is_parameter[k] and not isinstance(real, nn.Parameter):
            return nn.Parameter(real, requires_grad=real.requires_grad)
        return real

    def _leaves(self, reals: Sequence[Tensor]) -> list[Tensor]:
        pairs = zip(reals, self.is_parameter, strict=True)
        return [nn.Parameter(x) if p else x.detach().requires_grad_() for x, p in pairs]

    def outputs(self, *reals: Tensor) -> list[Tensor]:
        """Return the floating-point outputs of `fn`, each real."""
        arguments = list(self.inputs)
        for k, (i, real) in enumerate(zip(self.wrt, reals, strict=True)):
            arguments[i] = self._argument(k, real)
        with self.mode:
            result = self.fn(*arguments)
        self.sparse = self.sparse or any(map(_is_sparse, _several(result)))
        return real_outputs(result)

    def value(self, reals: Sequence[Tensor]) -> Tensor:
        """Return f at one point, shape (m,), evaluated plainly."""
        self.evaluations += 1
        with torch.set_grad_enabled(self.needs_grad):
            if self.needs_grad:
                reals = self._leaves(reals)
            return self.flattened(self.outputs(*reals))

    def plain_value(self, reals: Sequence[Tensor]) -> Tensor:
        """Return f at one point, shape (m,); NaN where `fn` refuses the point."""
        try:
            y = self.value(reals)
            if y.shape[0] == self.output_size:
                return y
        except Exception:  # outside the domain: an argument check, a singular matrix
            pass
        if self.needs_grad:
            return self.x.new_full((self.output_size,), math.nan)
        self.needs_grad = True  # does `fn` look at requires_grad?
        y = self.plain_value(reals)
        self.needs_grad = not bool(y.isnan().all())
        return y

    def values(self, batch: Sequence[Tensor], moved: int) -> Tensor:
        """Return f at B points, shape (B, m); only the tensor `moved` has rows."""

        def plain(k: int) -> Tensor:  # each tensor in a storage of its own
            reals = [(x[k] if p == moved else x).clone() for p, x in enumerate(batch)]
            return self.plain_value(reals)

        if self.vectorised is not False:
            try:
                y = self._vmapped(batch, moved)
                self.vectorised = self.vectorised or self._alike(y[-1], plain(-1))
            except Exception:  # whatever vmap cannot do, a loop can
                self.vectorised = False
        if not self.vectorised:
            y = torch.stack([plain(k) for k in range(len(batch[moved]))])
        return y

    def _vmapped(self, batch: Sequence[Tensor], moved: int) -> Tensor:
        def joined(*reals: Tensor) -> Tensor:
            return self.flattened(self.outputs(*reals))

        dims = tuple(0 if p == moved else None for p in range(len(batch)))
        with torch.set_grad_enabled(self.needs_grad), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.needs_grad:
                batch = self._leaves(batch)
            y = torch.func.vmap(joined, in_dims=dims)(*batch)
        self.evaluations += len(y)
        return y.detach().to(self.device)

    def _alike(self, row: Tensor, plain: Tensor) -> bool:
        """Return whether a vmapped row is what `fn` returns; some rules err."""
        bound = BATCH_ROUNDINGS * self.eps * (10 * plain.abs() + largest(plain))
        alike = ((row - plain).abs() <= bound) | (row == plain) | plain.isnan()
        return bool(alike.all())

    def summed(self, weights: Tensor) -> Map:
        """Return the map to weighted sums of all outputs; `weights` is (L, m)."""

        def sums(*arguments: object) -> Tensor:
            y = torch.cat([y.reshape(-1) for y in real_outputs(self.fn(*arguments))])
            return weights.to(y) @ y

        return Map(sums, self.inputs, self.chosen)

    # -------------------------------------------------------------- gradients

    def graph(self, *, strided: bool = False) -> Graph:
        """Evaluate `fn` in grad mode; return the leaves and the outputs."""
        self.evaluations += 1
        copy = not_contiguous if strided else torch.clone
        leaves = self._leaves([copy(x) for x in self.points])
        before = self._generator_state()
        with torch.enable_grad():
            outputs = self.outputs(*leaves)
        self.random = not torch.equal(before, self._generator_state())
        return leaves, outputs

    def _generator_state(self) -> Tensor:
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.get_rng_state()

    def pullback(
        self, cotangents: Tensor, *, graph: Graph | None = None, strided: bool = False
    ) -> Tensor:
        """Return V J for cotangents V of shape (L, m), shape (L, n), by autograd.

        The backward may be given tensors that are not contiguous.
        """
        graph = graph or self.base_graph
        if self.batched_pullback and len(cotangents) > FEW:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return self._pulled(graph, cotangents)
            except Exception:  # a backward that cannot be batched
                self.batched_pullback = False
        copy = not_contiguous if strided else torch.clone
        try:
            rows = [self._pulled(graph, v, copy) for v in cotangents.split(1)]
        except Exception as error:
            raise _backward_failed(error) from error
        return torch.cat(rows) if len(rows) > 1 else rows[0]

    def _pulled(
        self,
        graph: Graph,
        cotangents: Tensor,
        copy: Callable[[Tensor], Tensor] = torch.clone,
    ) -> Tensor:
        leaves, outputs = graph
        rows = len(cotangents)
        lead = (rows,) if rows > 1 else ()
        self.pullbacks += rows
        pieces = cotangents.split_with_sizes([y.numel() for y in outputs], 1)
        pairs = [
            (y, copy(v.reshape(lead + y.shape).to(y)))
            for y, v in zip(outputs, pieces, strict=True)
            if y.requires_grad
        ]
        if not pairs:
            return self.x.new_zeros(rows, self.n)
        # A backward runs in double too, in this thread, where modes are seen.
        mode = InDouble(strict=False, casts=not self.narrow_inputs)
        with (
            torch.autograd.set_multithreading_enabled(False),
            mode if self.widened else nullcontext(),
        ):
            gradients = torch.autograd.grad(
                [y for y, _ in pairs],
                leaves,
                [v for _, v in pairs],
                retain_graph=True,
                materialize_grads=True,
                is_grads_batched=bool(lead),
            )
        flat = [
            self._flat(_dense(g)).view(-1, size).expand(rows, size)
            for g, size in zip(gradients, self.sizes, strict=True)
        ]
        return torch.cat(flat, 1) if len(flat) > 1 else flat[0]

    # ----------------------------------------------------------------- points

    def rows_at_once(self, size: int) -> int:
        """Return how many rows of `size` numbers, and their values, fit in a batch."""
        return max(1, min(BATCH, BATCH_NUMBERS // (size + self.output_size)))

    def place(self, flat: Tensor) -> list[Tensor]:
        """Return a new vector of n elements as tensors like the points."""
        if len(self.sizes) == 1:
            return [flat.view(self.points[0].shape).to(self.points[0])]
        pairs = zip(flat.split_with_sizes(self.sizes), self.points, strict=True)
        return [piece.view(x.shape).to(x, copy=True) for piece, x in pairs]

    def locate(self, element: int) -> tuple[str, tuple[int, ...]]:
        """Return the name of the input that holds a flat element, and its index."""
        k, index = _located(element, [x.shape for x in self.points])
        return self.names[k], index[:-1] if self.is_complex[k] else index

    def locate_output(self, element: int) -> tuple[int, tuple[int, ...]]:
        """Return which output, and where in it, flat output `element` is."""
        return _located(element, self.output_shapes)


def largest(x: Tensor) -> float:
    """Return the largest finite size of any element, or 0."""
    return float(x.abs().nan_to_num(0, 0, 0).amax()) if x.numel() else 0.0


def not_contiguous(x: Tensor) -> Tensor:
    """Return a copy of `x` whose elements do not lie side by side."""
    return torch.stack([x, torch.zeros_like(x)], -1)[..., 0]


def _located(
    element: int, shapes: Sequence[Sequence[int]]
) -> tuple[int, tuple[int, ...]]:
    """Return in which of some tensors, side by side, an element is, and its index."""
    starts = list(accumulate(map(math.prod, shapes), initial=0))
    k = bisect_right(starts, element) - 1
    index = torch.unravel_index(torch.tensor(element - starts[k]), shapes[k])
    return k, tuple(map(int, index))


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
    kept = [y for y in _several(result) if has_derivative(y)]
    if not kept:
        raise UnusableOutputError(_explain_output(result))
    return [_as_real(_dense(y)) for y in kept]


def _several(result: object) -> Sequence[object]:
    return result if isinstance(result, tuple | list) else (result,)


def _is_sparse(x: object) -> bool:
    return isinstance(x, Tensor) and x.layout != torch.strided


def _dense(x: Tensor) -> Tensor:
    return x if x.layout == torch.strided else x.to_dense()


def _as_real(x: Tensor) -> Tensor:
    return torch.view_as_real(x.resolve_conj().resolve_neg()) if x.is_complex() else x


def _explain_output(result: object) -> str:
    got = type(result).__name__
    if isinstance(result, Tensor):
        got = f"a tensor of {result.dtype}"
    elif isinstance(result, tuple | list):
        got = f"{got} of {[type(y).__name__ for y in result]}"
    return f"fn: expected a floating-point tensor, or a tuple of them, back; got {got}"
