"""What is descended, as the loop sees it: a vector in, its value and slope out.

Change here what a start may be, how a function is called, and how it is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from autodiff_guide._validate import require_floating

Function: TypeAlias = Callable[[Any], Any]


class At(NamedTuple):
    """A point with the value and the gradient there: ``(*B, n)``, ``(*B)``."""

    point: Tensor
    value: Tensor
    gradient: Tensor


def stacked(rows: Sequence[At]) -> At:
    """Return k rows as one block: each field gets a leading dimension of k."""

    def side_by_side(parts: tuple[Tensor, ...]) -> Tensor:  # starts, in memory
        if parts[0].dim() == 1:
            return torch.stack(parts)
        return torch.stack([part.mT for part in parts]).mT

    points, values, gradients = zip(*rows, strict=True)
    return At(side_by_side(points), torch.stack(values), side_by_side(gradients))


@dataclass(frozen=True)
class Layout:
    """Where the tensors of a structure lie in the one vector that is descended."""

    spec: TreeSpec
    shapes: list[torch.Size]

    def pack(self, structure: Any) -> Tensor:
        """Return the tensors end to end, shape ``(n,)``."""
        return torch.cat([part.reshape(-1) for part in tree_leaves(structure)])

    def unpack(self, vector: Tensor) -> Any:
        """Return the structure again; its tensors are views of the vector."""
        parts = vector.split([shape.numel() for shape in self.shapes])
        views = [
            part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return tree_unflatten(views, self.spec)


def _read_start(start: object, *, batched: bool) -> tuple[Tensor, Layout | None]:
    """Return a copy of the start, ``(n,)`` or ``(B, n)``, and a structure's layout.

    A tensor of one or two dimensions is its own points, and has no layout.
    """
    parts, spec = tree_flatten(start)
    for part in parts:
        require_floating("start", part)
    kinds = {(part.dtype, part.device) for part in parts}
    if len(kinds) != 1 or not all(part.numel() for part in parts):
        raise ValueError(
            "start: expected tensors of at least one component each, of one type on "
            f"one device, got {[(*part.shape, part.dtype) for part in parts]}; "
            "convert them, for example with .to(first)"
        )
    layout = None
    if isinstance(start, Tensor) and start.dim() > 0:
        points = start.detach()
    else:
        layout = Layout(spec, [part.shape for part in parts])
        points = layout.pack(start).detach()
    if points.dim() > 2 or (batched and points.dim() == 1):
        wanted = "(B, n) with batched=True" if batched else "(n,), (B, n) or ()"
        raise ValueError(
            f"start: expected shape {wanted}, got {tuple(parts[0].shape)}; "
            "flatten each start, for example start.flatten(1)"
        )
    if not bool(points.isfinite().all()):
        raise ValueError(
            "start: expected finite numbers, got nan or inf; "
            "check how the start was made"
        )
    # Components apart, starts side by side: what is done to one is done to all at once.
    aside = points.movedim(-1, 0).clone(memory_format=torch.contiguous_format)
    return aside.movedim(0, -1), layout


class Problem:
    """A checked function, evaluated at one point or at a batch of them.

    Parameters
    ----------
    fn : callable
        The user's function.
    start : Tensor or structure of tensors
        Where the function is tried once; the attribute `start` is what it gives there.
    gradient : callable or None
        A derivative by hand; None asks autograd.
    batched : bool
        Whether `fn` takes the whole batch.
    """

    def __init__(
        self,
        fn: Function,
        start: object,
        *,
        gradient: Function | None = None,
        batched: bool = False,
    ) -> None:
        point, self.layout = _read_start(start, batched=batched)
        leaf = point.clone().requires_grad_(gradient is None)
        self.values, value = _over_starts("fn", fn, self.layout, leaf, batched)
        self._ones = torch.ones_like(value) if point.dim() == 2 else None
        self.gradient, slope = None, None
        if gradient is not None:
            self.gradient, slope = _over_starts(
                "gradient", gradient, self.layout, leaf, batched
            )
        elif value.requires_grad:
            (slope,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
        if slope is None:
            raise ValueError(
                "fn: expected a value that depends on the point, got one without a "
                "gradient; does fn ignore its argument, or cut the graph by detach(), "
                "item(), NumPy or no_grad()?"
            )
        self.start = At(point, value.detach(), slope.detach())

    def at(self, point: Tensor) -> At:
        """Return `point` with its value and gradient."""
        if self.gradient is not None:
            with torch.no_grad():
                return At(point, self.values(point), self.gradient(point))
        leaf = point.detach().requires_grad_()
        value = self.values(leaf)
        (gradient,) = torch.autograd.grad((value,), (leaf,), self._ones)
        return At(point, value.detach(), gradient)

    def traced_at(self, point: Tensor) -> At:
        """Return the same, by operations that ``torch.compile`` can follow."""
        if self.gradient is not None:
            return At(point, self.values(point), self.gradient(point))

        def total(point: Tensor) -> tuple[Tensor, Tensor]:
            values = self.values(point)
            return values.sum(), values

        gradient, (_, values) = grad_and_value(total, has_aux=True)(point)
        return At(point, values, gradient)

    def hessian(self, point: Tensor) -> Tensor:
        """Return the second derivatives, ``(*B, n, n)``."""

        def slopes(leaf: Tensor) -> Tensor:
            if self.gradient is not None:
                slope = self.gradient(leaf)
            else:
                value = self.values(leaf).sum()
                (slope,) = torch.autograd.grad(value, leaf, create_graph=True)
            total: Tensor = slope.view(-1, slope.shape[-1]).sum(0)
            return total  # of all starts, which keep to themselves

        rows = torch.autograd.functional.jacobian(slopes, point)
        return torch.movedim(rows, 0, -2)


def _over_starts(
    name: str, fn: Function, layout: Layout | None, leaf: Tensor, batched: bool
) -> tuple[Function, Tensor]:
    """Return the user's function over all starts, and its result at them."""
    if not callable(fn):
        raise TypeError(
            f"{name}: expected a function of a tensor, got {type(fn).__name__}; "
            "fn comes first, then start, then rule"
        )
    by_hand = name == "gradient"
    shape = leaf.shape if by_hand else leaf.shape[:-1]
    over = fn
    if layout is not None:

        def over(vector: Tensor) -> Any:
            result = fn(layout.unpack(vector))
            return layout.pack(result) if by_hand else result

    elif leaf.dim() == 2 and not batched:
        over = vmap(fn, randomness="different")
    argument = leaf.clone()
    result = over(argument)
    if not torch.equal(argument, leaf):
        raise ValueError(
            f"{name}: expected a function that leaves its argument alone, got one that "
            "writes into it; use x = x + 1 instead of x += 1"
        )
    if not isinstance(result, Tensor):
        raise TypeError(
            f"{name}: expected a function that returns a tensor, got "
            f"{type(result).__name__}; compute with torch, without .item()"
        )
    if result.shape != shape:
        raise ValueError(
            f"{name}: expected a result of shape {tuple(shape)}, got "
            f"{tuple(result.shape)}; fn returns one number for each point, for example "
            "by .sum(-1), and gradient one for each component"
        )
    return over, result
