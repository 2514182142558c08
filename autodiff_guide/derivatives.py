"""Derivatives: exact ones by torch, and numeric ones that carry their own error bar.

Functions in, functions out: ``grad(fn)`` is the function whose value is the gradient of
`fn`. The results may be differentiated again, or vectorised with `torch.vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast, overload

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from autodiff_guide._numeric import (
    NumericDerivative,
    OneSided,
    numeric_derivative,
    one_sided_derivatives,
)
from autodiff_guide._validate import require_floating, require_like, require_tuple

__all__ = [
    "NumericDerivative",
    "OneSided",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "numeric_derivative",
    "one_sided_derivatives",
    "value_and_grad",
    "vjp",
]

_unpack_dual: Callable[[Tensor], tuple[Tensor, Tensor | None]] = unpack_dual


@overload
def grad(fn: Callable[..., Tensor], argnums: int = 0) -> Callable[..., Tensor]: ...
@overload
def grad(
    fn: Callable[..., Tensor], argnums: tuple[int, ...]
) -> Callable[..., tuple[Tensor, ...]]: ...
def grad(
    fn: Callable[..., Tensor], argnums: int | tuple[int, ...] = 0
) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    r"""Return the function that maps inputs to the gradient of `fn`.

    .. math:: \nabla f(x) = \Big(\frac{\partial f}{\partial x_1}, \dots,
              \frac{\partial f}{\partial x_n}\Big)

    Parameters
    ----------
    fn : callable
        Maps tensors to one tensor of shape ``()``.
    argnums : int or tuple of int
        Which inputs to differentiate with respect to.

    Returns
    -------
    callable
        Takes the inputs of `fn`; returns a tensor of the input's shape, or for a tuple
        `argnums` a tuple of them.

    Raises
    ------
    TypeError
        When called, if an input or the result is not a floating-point tensor, or `fn`
        calls a ``torch.autograd.Function`` without ``setup_context``.
    ValueError
        When called, if the result is not a scalar, or is detached from the inputs.

    References
    ----------
    .. [1] `torch.func.grad`, which does the work.

    Examples
    --------
    >>> import torch
    >>> square = lambda x: (x**2).sum()
    >>> grad(square)(torch.tensor([1.0, 3.0]))
    tensor([2., 6.])
    >>> torch.vmap(grad(grad(lambda x: x**3)))(torch.tensor([1.0, 2.0]))
    tensor([ 6., 12.])
    """
    both = value_and_grad(fn, argnums)

    def gradient(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return both(*inputs)[1]

    return gradient


@overload
def value_and_grad(
    fn: Callable[..., Tensor], argnums: int = 0
) -> Callable[..., tuple[Tensor, Tensor]]: ...
@overload
def value_and_grad(
    fn: Callable[..., Tensor], argnums: tuple[int, ...]
) -> Callable[..., tuple[Tensor, tuple[Tensor, ...]]]: ...
def value_and_grad(
    fn: Callable[..., Tensor], argnums: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Tensor, Tensor | tuple[Tensor, ...]]]:
    """Return the function that maps inputs to the value of `fn` and its gradient.

    Parameters
    ----------
    fn : callable
        Maps tensors to one tensor of shape ``()``.
    argnums : int or tuple of int
        Which inputs to differentiate with respect to.

    Returns
    -------
    callable
        Takes the inputs of `fn`; returns ``(value, gradient)``.

    Raises
    ------
    TypeError, ValueError
        When called, as `grad`.

    Examples
    --------
    >>> import torch
    >>> value_and_grad(lambda x: x**3)(torch.tensor(2.0))
    (tensor(8.), tensor(12.))
    """

    def scalar(*inputs: Tensor) -> Tensor:
        value = _attached(fn(*inputs))
        if value.dim():
            raise ValueError(
                f"fn's result: expected a scalar, got shape {tuple(value.shape)}; "
                "reduce it, for example with .sum(), or use jacobian"
            )
        return value

    both = torch.func.grad_and_value(scalar, argnums)

    def value_and_gradient(
        *inputs: Tensor,
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        _require_inputs(inputs, argnums)
        with _advice():
            gradient, value = both(*inputs)
        return value, _follow_all(gradient, inputs, argnums)

    return value_and_gradient


def jvp(
    fn: Callable[..., Tensor],
    primals: tuple[Tensor, ...],
    tangents: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor]:
    r"""Value of `fn` and its rate of change along a direction, in forward mode.

    .. math:: (f(x),\; J v)

    Parameters
    ----------
    fn : callable
        Maps tensors to one tensor.
    primals : tuple of Tensor
        The inputs :math:`x`.
    tangents : tuple of Tensor
        The direction :math:`v`: one tensor for each input, of its shape and dtype.

    Returns
    -------
    tuple of Tensor
        Value and Jacobian–vector product, both of the output's shape.

    Raises
    ------
    TypeError
        If an input, a tangent or the result is not a floating-point tensor.
    ValueError
        If tangents and inputs do not match, or the result is detached from the inputs.

    References
    ----------
    .. [1] `torch.func.jvp`, which does the work.

    Examples
    --------
    >>> import torch
    >>> jvp(torch.square, (torch.tensor([1.0, 2.0]),), (torch.tensor([1.0, 10.0]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    require_tuple("primals", primals)
    require_tuple("tangents", tangents)
    _require_inputs(primals, tuple(range(len(primals))))
    if len(tangents) != len(primals):
        raise ValueError(
            f"tangents: expected {len(primals)}, one an input, got {len(tangents)}"
        )
    for place, (primal, tangent) in enumerate(zip(primals, tangents, strict=True)):
        require_like(f"tangent {place}", tangent, primal, "input")

    def followed(*inputs: Tensor) -> Tensor:
        value = require_floating("fn's result", fn(*inputs))
        if _unpack_dual(value)[1] is None:
            raise _detached()
        return value

    with _advice():
        value, tangent = torch.func.jvp(followed, primals, tangents)[:2]
    return value, _follow(tangent, *primals)


def vjp(
    fn: Callable[..., Tensor], *primals: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
    r"""Value of `fn`, and the function that pulls a cotangent back to the inputs.

    .. math:: f(x), \qquad v \mapsto v^\top J

    Parameters
    ----------
    fn : callable
        Maps tensors to one tensor.
    *primals : Tensor
        The inputs :math:`x`.

    Returns
    -------
    value : Tensor
        :math:`f(x)`.
    pullback : callable
        Takes :math:`v`, of the shape and dtype of the value; returns a tuple with one
        tensor for each input, of its shape. It may be called again and again.

    Raises
    ------
    TypeError
        If an input or the result is not a floating-point tensor.
    ValueError
        If the result is detached from the inputs; from the pullback, if :math:`v` has
        another shape or dtype than the value.

    References
    ----------
    .. [1] `torch.func.vjp`, which does the work.

    Examples
    --------
    >>> import torch
    >>> value, pullback = vjp(torch.square, torch.tensor([1.0, 2.0]))
    >>> pullback(torch.tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """
    _require_inputs(primals, tuple(range(len(primals))))
    with _advice():
        result = torch.func.vjp(lambda *inputs: _attached(fn(*inputs)), *primals)
    value, raw = result[:2]

    def pullback(cotangent: Tensor) -> tuple[Tensor, ...]:
        require_like("cotangent", cotangent, value, "value")
        return tuple(_follow(part, *primals) for part in raw(cotangent))

    return value, pullback


@overload
def jacobian(fn: Callable[..., Tensor], argnums: int = 0) -> Callable[..., Tensor]: ...
@overload
def jacobian(
    fn: Callable[..., Tensor], argnums: tuple[int, ...]
) -> Callable[..., tuple[Tensor, ...]]: ...
def jacobian(
    fn: Callable[..., Tensor], argnums: int | tuple[int, ...] = 0
) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    r"""Return the function that maps inputs to the Jacobian of `fn`, in reverse mode.

    .. math:: J_{ij} = \frac{\partial f_i}{\partial x_j}

    Parameters
    ----------
    fn : callable
        Maps tensors to one tensor of shape ``(*output)``.
    argnums : int or tuple of int
        Which inputs, of shape ``(*input)``, to differentiate with respect to.

    Returns
    -------
    callable
        Takes the inputs of `fn`; returns a tensor of shape ``(*output, *input)``, or
        for a tuple `argnums` a tuple of them.

    Raises
    ------
    TypeError, ValueError
        When called, as `grad`; the result may have any shape.

    References
    ----------
    .. [1] `torch.func.jacrev`, which does the work.

    Examples
    --------
    >>> import torch
    >>> jacobian(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    raw = torch.func.jacrev(lambda *inputs: _attached(fn(*inputs)), argnums)

    def matrix(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        _require_inputs(inputs, argnums)
        with _advice():
            derivative = raw(*inputs)
        return _follow_all(derivative, inputs, argnums)

    return matrix


def hessian(fn: Callable[..., Tensor], argnums: int = 0) -> Callable[..., Tensor]:
    r"""Return the function that maps inputs to the Hessian of a scalar `fn`.

    .. math:: H_{ij} = \frac{\partial^2 f}{\partial x_i\, \partial x_j}

    Parameters
    ----------
    fn : callable
        Maps tensors to one tensor of shape ``()``.
    argnums : int
        Which input, of shape ``(*input)``, to differentiate with respect to.

    Returns
    -------
    callable
        Takes the inputs of `fn`; returns a tensor of shape ``(*input, *input)``.

    Raises
    ------
    TypeError, ValueError
        When called, as `grad`.

    References
    ----------
    .. [1] `torch.func.jacrev`, of the gradient here. Forward mode would be no faster,
       and it refuses some functions, such as ``mse_loss``.

    Examples
    --------
    >>> import torch
    >>> hessian(lambda x: x[0] ** 2 * x[1])(torch.tensor([1.0, 3.0]))
    tensor([[6., 2.],
            [2., 0.]])
    """
    return jacobian(grad(fn, argnums), argnums)


@contextmanager
def _advice() -> Iterator[None]:
    """Explain what to do with a Function that torch.func cannot look into."""
    try:
        yield
    except RuntimeError as error:
        if "setup_context" not in str(error):
            raise
        raise TypeError(
            "fn: expected torch operations, got a torch.autograd.Function whose "
            "forward takes ctx; give it forward(*inputs) and setup_context(ctx, "
            "inputs, output), or differentiate by torch.autograd.grad(..., "
            "create_graph=True)"
        ) from error


def _attached(value: object) -> Tensor:
    """Return `value`, made inside a transform, if torch can follow it back."""
    tensor = require_floating("fn's result", value)
    if not tensor.requires_grad:
        raise _detached()
    return tensor


def _detached() -> ValueError:
    return ValueError(
        "fn's result: expected one that depends on the input, got a detached one, "
        "whose derivative would be zero; look for .detach(), .item(), float(), "
        "torch.tensor(...) or no_grad inside fn"
    )


def _follow(derivative: Tensor, *inputs: Tensor) -> Tensor:
    """Return `derivative` linked to `inputs`, even where it happens to be constant.

    A line has a constant gradient, in which torch keeps no trace of the input. The
    link makes the second derivative a plain zero, not a detached result.
    """
    for x in inputs:
        every = torch.ones_like(derivative, dtype=torch.bool)
        derivative = torch.where(every, derivative, x.sum().to(derivative.dtype))
    return derivative


def _follow_all(
    derivative: Tensor | tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    argnums: int | tuple[int, ...],
) -> Tensor | tuple[Tensor, ...]:
    if isinstance(argnums, int):
        return _follow(cast(Tensor, derivative), inputs[argnums])
    followed = [inputs[place] for place in argnums]
    return tuple(_follow(part, *followed) for part in derivative)


def _require_inputs(inputs: tuple[object, ...], argnums: int | tuple[int, ...]) -> None:
    for place in argnums if isinstance(argnums, tuple) else (argnums,):
        if not -len(inputs) <= place < len(inputs):
            raise ValueError(f"argnums: expected 0 to {len(inputs) - 1}, got {place}")
        require_floating(f"input {place}", inputs[place])
