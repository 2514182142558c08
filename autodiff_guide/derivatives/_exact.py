"""Exact derivatives: torch.func's transforms, with their inputs and outputs checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Never

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.utils._pytree import tree_map

from autodiff_guide._validate import require_floating, require_like, require_tuple

Function = Callable[..., Tensor]
Argnums = int | tuple[int, ...]


def grad(fn: Function, argnums: Argnums = 0) -> Callable[..., Any]:
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
    return _checked(torch.func.grad, _scalar(fn), argnums)


def value_and_grad(fn: Function, argnums: Argnums = 0) -> Callable[..., Any]:
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
    both = _checked(torch.func.grad_and_value, _scalar(fn), argnums)
    return lambda *inputs: both(*inputs)[::-1]


def jvp(
    fn: Function,
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
    _require_inputs(primals, range(len(primals)))
    if len(tangents) != len(primals):
        raise ValueError(
            f"tangents: expected {len(primals)}, one an input, got {len(tangents)}"
        )
    for place, (primal, tangent) in enumerate(zip(primals, tangents, strict=True)):
        require_like(f"tangent {place}", tangent, primal, "input")

    def followed(*inputs: Tensor) -> Tensor:
        value = require_floating("fn's result", fn(*inputs))
        dual = unpack_dual(value)
        return value if dual.tangent is not None else _refuse_detached()

    with _advice():
        value, tangent = torch.func.jvp(followed, primals, tangents)[:2]
    return value, _linked(tangent, primals)


def vjp(
    fn: Function, *primals: Tensor
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
    _require_inputs(primals, range(len(primals)))
    with _advice():
        value, pull = torch.func.vjp(_attached(fn), *primals)[:2]

    def pullback(cotangent: Tensor) -> tuple[Tensor, ...]:
        require_like("cotangent", cotangent, value, "value")
        return tuple(_linked(part, primals) for part in pull(cotangent))

    return value, pullback


def jacobian(fn: Function, argnums: Argnums = 0) -> Callable[..., Any]:
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
    return _checked(torch.func.jacrev, _attached(fn), argnums)


def hessian(fn: Function, argnums: int = 0) -> Function:
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


def _checked(
    transform: Callable[..., Any], fn: Function, argnums: Argnums
) -> Callable[..., Any]:
    """Return what torch's `transform` makes of `fn`, with its inputs checked.

    Each derivative is linked to the inputs it was taken by.
    """
    transformed = transform(fn, argnums)
    places = argnums if isinstance(argnums, tuple) else (argnums,)

    def derivative(*inputs: Tensor) -> Any:
        _require_inputs(inputs, places)
        with _advice():
            result = transformed(*inputs)
        by = [inputs[place] for place in places]
        return tree_map(lambda part: _linked(part, by), result)

    return derivative


def _require_inputs(inputs: Sequence[object], places: Iterable[int]) -> None:
    for place in places:
        if not -len(inputs) <= place < len(inputs):
            raise ValueError(f"argnums: expected 0 to {len(inputs) - 1}, got {place}")
        require_floating(f"input {place}", inputs[place])


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


def _attached(fn: Function) -> Function:
    """Return `fn`, made to refuse a result that torch cannot follow to the inputs."""

    def attached(*inputs: Tensor) -> Tensor:
        value = require_floating("fn's result", fn(*inputs))
        return value if value.requires_grad else _refuse_detached()

    return attached


def _scalar(fn: Function) -> Function:
    """Return `fn`, made to refuse also a result with a shape."""

    def scalar(*inputs: Tensor) -> Tensor:
        value = _attached(fn)(*inputs)
        if value.dim():
            raise ValueError(
                f"fn's result: expected a scalar, got shape {tuple(value.shape)}; "
                "reduce it, for example with .sum(), or use jacobian"
            )
        return value

    return scalar


def _refuse_detached() -> Never:
    raise ValueError(
        "fn's result: expected one that depends on the input, got a detached one, "
        "whose derivative would be zero; look for .detach(), .item(), float(), "
        "torch.tensor(...) or no_grad inside fn"
    )


def _linked(derivative: Tensor, inputs: Iterable[Tensor]) -> Tensor:
    """Return `derivative` linked to `inputs`, even where it happens to be constant.

    A line has a constant gradient, in which torch keeps no trace of the input. The
    link makes the second derivative a plain zero, not a detached result.
    """
    for x in inputs:
        every = torch.ones_like(derivative, dtype=torch.bool)
        derivative = torch.where(every, derivative, x.sum().to(derivative.dtype))
    return derivative
