"""The checks of functions and losses: change here what a user passes and gets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from autodiff_guide.gradcheck._check import Check
from autodiff_guide.gradcheck._double import has_derivative
from autodiff_guide.gradcheck._map import Function, Map
from autodiff_guide.gradcheck._modes import (
    check_both_modes,
    second_derivative,
    with_gradient,
)
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._settings import Settings


def check_gradient(
    fn: Function,
    *inputs: object,
    gradient: Function | None = None,
    wrt: int | Sequence[int] | None = None,
    **options: Any,
) -> GradientReport:
    r"""Compare the gradient of a function with central differences.

    Random directions :math:`u` and cotangents :math:`v` compare two ways to one number,

    .. math:: (J^T v)^T u \;=\; v^T (J u)
        \;\approx\; v^T \, \frac{f(x + h u) - f(x - h u)}{2 h},

    autograd on the left, differences on the right. Signs and lengths of both are
    random. The error bar b is measured: truncation from a third point, rounding from
    the size of the values. What disagrees is looked at on a ladder of steps, then
    column by column, and named. All is computed in double, in about 6 evaluations
    and 3 vector-Jacobian products if it passes.

    Let e be the largest that one wrong element changes in a probe. With one output, K
    directions all miss with probability at most :math:`(b/e)^K`, for the density of
    every element of u is at most 1/2. With several, two directions and two cotangents
    all miss with probability at most :math:`2b/e`. Errors below b are not seen.

    Parameters
    ----------
    fn : callable
        Takes `inputs`, returns a floating-point or complex tensor, or a tuple of them.
    *inputs : Tensor or object
        The point. Integers, and all that is no floating-point tensor, are passed on.
    gradient : callable, optional
        A gradient derived by hand: ``gradient(*inputs)`` returns the gradient of
        ``fn(*inputs).sum()``, a tensor for each input of `wrt`. By hand, autograd and
        differences are then compared three ways.
    wrt : int or sequence of int, optional
        Positions of the inputs to differentiate. Default: those that require a
        gradient; if none does, all floating-point and complex tensors.
    **options
        As below; the other checks take them too.

    Returns
    -------
    GradientReport
        True if the gradient passed. Prints as a table.

    Other Parameters
    ----------------
    probes : int, default 2
        Directions of the screen. There are as many cotangents, and no more than two.
    seed : int, default 0
        Seed of the random directions and cotangents. The global generators are left
        alone.
    full : bool, default False
        Compare every column of the Jacobian, even if the screen finds nothing.
    strict : bool, default False
        Fail where nothing was tested (all derivatives zero) and on a kink.
    rtol, atol : float, default 1e-7 and 0
        Elements that differ by at most ``atol + rtol * slope`` are accepted. If columns
        were compared, the report says so of more than 1e-7 of the slope.
    order : {1, 2}, default 1
        2 checks the gradient of the gradient: of :math:`J^T v` for a random v, by the
        inputs and by v.
    forward : bool, default False
        Also compare forward mode (``jvp``) with backward mode (``vjp``), to rounding.

    Raises
    ------
    TypeError
        If `fn` is not callable or returns no floating-point tensor, no input is one, or
        an option is unknown.
    ValueError
        If `wrt`, `probes`, `rtol`, `atol` or `order` is out of range.

    References
    ----------
    .. [1] R. Freivalds, "Probabilistic machines can use less running time",
       IFIP Congress 1977, pp. 839-842.
    .. [2] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)",
       Advances in Engineering Software 4(2), 1982, doi:10.1016/S0141-1195(82)80057-0.

    Examples
    --------
    >>> x = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    >>> report = check_gradient(lambda x: (x**3).sum(), x)
    >>> report.verdict, report.kind
    ('pass', 'agree')
    >>> report = check_gradient(lambda x: x**3, x, gradient=lambda x: x**2)
    >>> print(report.sentence)
    your gradient is 1/3 times the numeric one everywhere...
    """
    require_function("fn", fn, "itself, for example check_gradient(torch.sin, x)")
    names = input_names(fn, len(inputs))
    chosen = {i: names[i] for i in _positions(inputs, wrt)}
    return run_check(fn, inputs, chosen, Settings.of(options), gradient)


def check_loss(
    loss: Function,
    prediction: Tensor,
    target: object,
    *,
    gradient: Function | None = None,
    **options: Any,
) -> GradientReport:
    r"""Compare the gradient of a loss with respect to its prediction with differences.

    Parameters
    ----------
    loss : callable
        ``loss(prediction, target)``, of any shape.
    prediction : Tensor
        The point, floating-point or complex.
    target : Tensor or object
        Passed on; it is not differentiated.
    gradient : callable, optional
        ``gradient(prediction, target)``, the gradient of
        ``loss(prediction, target).sum()`` with respect to the prediction, by hand.
    **options
        As in `check_gradient`.

    Returns
    -------
    GradientReport
        True if the gradient passed.

    Raises
    ------
    TypeError
        If `prediction` is not a floating-point or complex tensor, or an option has
        another name.
    ValueError
        If `probes`, `rtol`, `atol` or `order` is out of range.

    Examples
    --------
    >>> prediction = torch.tensor([0.2, 0.9], dtype=torch.float64)
    >>> target = torch.tensor([0.0, 1.0], dtype=torch.float64)
    >>> report = check_loss(
    ...     torch.nn.functional.mse_loss,
    ...     prediction,
    ...     target,
    ...     gradient=lambda p, t: 2 * (p - t),
    ... )
    >>> report.kind, report.autograd.kind
    ('factor', 'agree')
    """
    require_function("loss", loss, "loss(prediction, target)")
    point, chosen = (prediction, target), {0: "prediction"}
    return run_check(loss, point, chosen, Settings.of(options), gradient)


def assert_gradient(fn: Function, *inputs: object, **options: Any) -> None:
    """Raise ``AssertionError`` with the report unless `check_gradient` passes.

    Parameters
    ----------
    fn : callable
        As in `check_gradient`.
    *inputs : Tensor or object
        As in `check_gradient`.
    **options
        As in `check_gradient`; `gradient` and `wrt` too.

    Raises
    ------
    AssertionError
        If the verdict is not ``"pass"``.

    Examples
    --------
    >>> assert_gradient(torch.sin, torch.linspace(0, 1, 5, dtype=torch.float64))
    """
    report = check_gradient(fn, *inputs, **options)
    if not report:
        raise AssertionError(str(report))


def run_check(
    fn: Function,
    inputs: Sequence[object],
    chosen: dict[int, str],
    settings: Settings,
    gradient: Function | None = None,
) -> GradientReport:
    """Check autograd's gradient by the inputs `chosen`, named, then the one by hand."""
    moved = [inputs[i] for i in chosen]
    if not moved or not all(map(has_derivative, moved)):
        got = [getattr(x, "dtype", type(x).__name__) for x in moved or inputs]
        raise TypeError(
            f"{', '.join(chosen.values()) or 'inputs'}: expected floating-point or "
            f"complex tensors, got {', '.join(map(str, got)) or 'no input'}; pass "
            "tensors one by one, for example x.double()"
        )
    if settings.order == 2 and gradient is not None:
        raise ValueError("gradient: expected None with order=2; order=1 checks yours")
    with undisturbed(inputs):
        if settings.order == 2:
            fn, inputs, chosen = second_derivative(fn, inputs, chosen, settings.seed)
        autograd = check_both_modes(Map(fn, inputs, chosen), settings)
        if settings.order == 2:
            sentence = f"of the second derivative: {autograd.sentence}"
            autograd = replace(autograd, sentence=sentence)
        if gradient is None:
            return autograd
        by_hand = with_gradient(fn, gradient, inputs, chosen)
        report = Check(by_hand, settings).run()
    wrong = autograd.verdict in ("fail", "error") and "detached" not in autograd.kinds
    if report and wrong:
        sentence = "the gradient by hand agrees, autograd's does not: "
        report = replace(autograd, sentence=sentence + autograd.sentence)
    return replace(report, autograd=autograd)


@contextmanager
def undisturbed(inputs: Sequence[object]) -> Iterator[None]:
    """Leave the global generators alone, and inference mode."""
    cuda = {x.device.index for x in inputs if isinstance(x, Tensor) and x.is_cuda}
    with torch.random.fork_rng(devices=cuda), torch.inference_mode(mode=False):
        yield


def input_names(fn: Function, count: int) -> list[str]:
    """Return what `fn` calls its arguments; "input 0" where it has no name."""
    try:
        signature = inspect.signature(fn.forward if isinstance(fn, nn.Module) else fn)
    except (TypeError, ValueError):  # written in C
        signature = inspect.Signature()
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in signature.parameters.values() if p.kind in named]
    return names[:count] + [f"input {k}" for k in range(len(names), count)]


def require_function(name: str, value: object, how: str) -> None:
    """Raise ``TypeError`` unless `value` can be called."""
    if not callable(value):
        got = type(value).__name__
        raise TypeError(f"{name}: expected a function, got {got}; pass {how}")


def _positions(inputs: Sequence[Any], wrt: int | Sequence[int] | None) -> list[int]:
    """Return the positions of the inputs to differentiate."""
    if wrt is None:
        able = [i for i, x in enumerate(inputs) if has_derivative(x)]
        return [i for i in able if inputs[i].requires_grad] or able
    asked = (wrt,) if isinstance(wrt, int) else wrt
    try:
        positions = list(dict.fromkeys(range(len(inputs))[i] for i in asked))
    except (IndexError, TypeError):
        positions = []
    if not positions:
        raise ValueError(
            f"wrt: expected positions below {len(inputs)}, and at least one position, "
            f"got {wrt!r}; wrt=0 is the first input"
        )
    return positions
