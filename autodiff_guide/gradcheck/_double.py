"""How a function is computed in double: add a cast or a precision here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

WIDER: Mapping[torch.dtype, torch.dtype] = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
CASTS: Mapping[Callable[..., Tensor], torch.dtype] = {
    torch.Tensor.float: torch.float32,
    torch.Tensor.half: torch.float16,
    torch.Tensor.bfloat16: torch.bfloat16,
    torch.Tensor.cfloat: torch.complex64,  # type: ignore[attr-defined]  # no type there
    torch.Tensor.chalf: torch.complex32,
}


class NarrowError(Exception):
    """A function that cannot be computed in double."""


class InDouble(TorchFunctionMode):
    """Computes in double what is given in lower precision, and narrows nothing.

    Parameters
    ----------
    strict : bool
        Raise `NarrowError` where something stays in lower precision all the same.
    casts : bool
        Obey casts to lower precision: a backward that rounds is to be seen.

    Attributes
    ----------
    widened : bool
        Whether anything had a lower precision, or was made in inference mode.
    seen : set of dtype
        The lower precisions that were widened.
    """

    def __init__(self, *, strict: bool = True, casts: bool = False) -> None:
        super().__init__()
        self.strict = strict
        self.casts = casts
        self.widened = False
        self.seen: set[torch.dtype] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in CASTS and not self.casts:
            return args[0].to(self.wide(CASTS[func]))
        if self.strict and _writes(func, args, kwargs):
            raise NarrowError("it writes into a tensor of lower precision")
        result = func(*self.wide(args), **{k: self.wide(v) for k, v in kwargs.items()})
        if not isinstance(result, Tensor) or result.dtype not in WIDER:
            return result
        # Of integers, torch makes numbers of its default precision.
        if self.strict and any(has_derivative(x) for x in args):
            raise NarrowError(f"it computes in {result.dtype} whatever it is given")
        return result if self.casts else self.wide(result)

    def wide(self, x: Any) -> Any:
        """Return a tensor, a dtype, or a list of them, in double."""
        if type(x) in (tuple, list):
            return type(x)(map(self.wide, x))
        if isinstance(x, torch.dtype) and not self.casts:
            return self._wider(x)
        if not isinstance(x, Tensor):
            return x
        if x.is_inference():  # a backward cannot save it
            self.widened, x = True, x.clone()
        return x.to(self._wider(x.dtype))

    def _wider(self, dtype: torch.dtype) -> torch.dtype:
        if dtype in WIDER:
            self.widened = True
            self.seen.add(dtype)
        return WIDER.get(dtype, dtype)


def has_derivative(x: Any) -> TypeGuard[Tensor]:
    """Return whether one can differentiate with respect to `x`."""
    return isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())


def _writes(func: Any, args: Any, kwargs: Any) -> bool:
    """Return whether `func` changes a tensor of lower precision in place."""
    name = getattr(func, "__name__", "")
    target = kwargs.get("out")
    in_place = name == "__setitem__" or (name[-1:] == "_" and name[-2:] != "__")
    if in_place and args:
        target = args[0]
    return isinstance(target, Tensor) and target.dtype in WIDER
