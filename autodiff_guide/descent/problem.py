"""The function to descend, as the loop sees it: points in, values and slopes out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.func import vmap

from autodiff_guide._validate import require_floating

Function: TypeAlias = Callable[[Tensor], Tensor]


class At(NamedTuple):
    """A point with the value and the gradient there: ``(*B, n)``, ``(*B)``."""

    point: Tensor
    value: Tensor
    gradient: Tensor


class Problem:
    """A checked function, evaluated at one point or at a batch of them.

    Parameters
    ----------
    fn : callable
        The user's function.
    gradient : callable or None
        A derivative by hand; None asks autograd.
    start : Tensor
        Where the function is tried once: shape ``(n,)`` or ``(B, n)``.
    batched : bool
        Whether `fn` takes the whole batch.
    """

    def __init__(
        self,
        fn: Function,
        start: Tensor,
        *,
        gradient: Function | None = None,
        batched: bool = False,
    ) -> None:
        leaf = start.clone().requires_grad_(gradient is None)
        self.values, value = _try("fn", fn, leaf, batched, ())
        self._ones = torch.ones_like(value) if start.dim() == 2 else None
        self.gradient = gradient
        if gradient is None:
            slope = _slope(value, leaf)
        else:
            shape = tuple(start.shape[-1:])
            self.gradient, slope = _try("gradient", gradient, leaf, batched, shape)
        self.start = At(start, value.detach(), slope.detach())

    def at(self, point: Tensor) -> At:
        """Return `point` with its value and gradient."""
        if self.gradient is not None:
            with torch.no_grad():
                return At(point, self.values(point), self.gradient(point))
        leaf = point.detach().requires_grad_()
        value = self.values(leaf)
        (gradient,) = torch.autograd.grad((value,), (leaf,), self._ones)
        return At(point, value.detach(), gradient)

    def hessian(self, point: Tensor) -> Tensor:
        """Return the second derivatives, ``(*B, n, n)``, row by row."""
        product = self.hessian_product(point)
        axes = torch.eye(point.shape[-1], dtype=point.dtype, device=point.device)
        return torch.stack([product(axis.expand_as(point)) for axis in axes], -2)

    def hessian_product(self, point: Tensor) -> Function:
        """Return the map from a direction to the Hessian at `point` times it."""
        leaf = point.detach().requires_grad_()
        if self.gradient is not None:
            slope = self.gradient(leaf)
        else:
            value = self.values(leaf)
            (slope,) = torch.autograd.grad(value, leaf, self._ones, create_graph=True)
        if not slope.requires_grad:
            return torch.zeros_like

        def product(direction: Tensor) -> Tensor:
            (image,) = torch.autograd.grad(
                slope, leaf, direction, retain_graph=True, materialize_grads=True
            )
            return image

        return product


def require_start(start: object, *, batched: bool) -> Tensor:
    """Return a copy of `start`, checked; no graph and no storage is shared."""
    tensor = require_floating("start", start)
    if tensor.dim() not in (1, 2):
        hint = "start[None]" if tensor.dim() == 0 else "start.flatten(1)"
        raise ValueError(
            f"start: expected shape (n,) or (B, n), got {tuple(tensor.shape)}; "
            f"flatten each start, for example {hint}"
        )
    if tensor.numel() == 0:
        raise ValueError(
            f"start: expected at least one start of one component, got shape "
            f"{tuple(tensor.shape)}; give a number to begin from"
        )
    if batched and tensor.dim() == 1:
        raise ValueError(
            f"start: expected shape (B, n) with batched=True, got "
            f"{tuple(tensor.shape)}; drop batched=True or pass start[None]"
        )
    if not bool(tensor.isfinite().all()):
        raise ValueError(
            "start: expected finite numbers, got nan or inf; "
            "check how the start was made"
        )
    # Components apart, starts side by side: what is done to one is done to all at once.
    return tensor.detach().mT.contiguous().mT if tensor.dim() == 2 else tensor.detach()


def _try(
    name: str, fn: Function, leaf: Tensor, batched: bool, shape: tuple[int, ...]
) -> tuple[Function, Tensor]:
    """Return `fn` over all starts (as it is, by vmap, or by a loop) and its result."""
    if not callable(fn):
        raise TypeError(
            f"{name}: expected a function of a tensor, got {type(fn).__name__}; "
            "fn comes first, then start, then rule"
        )
    before = leaf.detach().clone()
    try:
        over, result = _apply(name, fn, leaf, batched)
    except RuntimeError as error:
        if "leaf Variable that requires grad" in str(error):
            raise _written(name) from error
        raise
    if not torch.equal(leaf, before):
        raise _written(name)
    if not isinstance(result, Tensor):
        raise TypeError(
            f"{name}: expected a function that returns a tensor, got "
            f"{type(result).__name__}; compute with torch, without .item()"
        )
    expected = (*leaf.shape[:-1], *shape)
    if tuple(result.shape) != expected:
        hint = "one number for each point, for example .sum(-1)"
        if shape:
            hint = "one derivative for each component"
        raise ValueError(
            f"{name}: expected a result of shape {expected}, got "
            f"{tuple(result.shape)}; return {hint}"
        )
    return over, result


def _apply(
    name: str, fn: Function, leaf: Tensor, batched: bool
) -> tuple[Function, Tensor]:
    if leaf.dim() == 1 or batched:
        return fn, fn(leaf)
    together: Function = vmap(fn, randomness="different")
    try:
        return together, together(leaf)
    except Exception as refusal:
        alone = fn(leaf[0])  # if this fails too, the fault is not vmap's
        if not isinstance(alone, Tensor):
            return fn, alone
        reason = str(refusal).strip().splitlines()[0].split(". ")[0].rstrip(".")
        warnings.warn(
            f"{name}: evaluated start by start, which is slower, because vmap refused "
            f"it ({reason}); torch.where can replace an `if` on values",
            UserWarning,
            stacklevel=5,
        )

    def one_by_one(points: Tensor) -> Tensor:
        return torch.stack([fn(point) for point in points.unbind()])

    return one_by_one, one_by_one(leaf)


def _slope(value: Tensor, leaf: Tensor) -> Tensor:
    slope: Tensor | None = None
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    if slope is None:
        raise ValueError(
            "fn: expected a value that depends on the point, got one without a "
            "gradient; does fn ignore its argument, or cut the graph by detach(), "
            "item(), NumPy or no_grad()?"
        )
    return slope


def _written(name: str) -> ValueError:
    return ValueError(
        f"{name}: expected a function that leaves its argument alone, got one that "
        "writes into it; use x = x + 1 instead of x += 1"
    )
