"""The verbs: check a function, a loss, a module; or assert it in a test."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from autodiff_guide._validate import require_floating, require_tensor
from autodiff_guide.gradcheck._base import Tolerance
from autodiff_guide.gradcheck._check import Check, Settings
from autodiff_guide.gradcheck._map import Function, Map
from autodiff_guide.gradcheck._modes import (
    GivenMap,
    add_forward_mode,
    second_derivative,
)
from autodiff_guide.gradcheck._report import GradientReport

# Directions, and cotangents, of a check.
PROBES = 2
# Slopes that differ by less than this of their value are taken for equal.
RTOL = 1e-7
POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def check_gradient(
    fn: Function,
    *inputs: object,
    gradient: Function | None = None,
    wrt: int | Sequence[int] | None = None,
    probes: int = PROBES,
    seed: int = 0,
    full: bool = False,
    strict: bool = False,
    rtol: float = RTOL,
    atol: float = 0.0,
    order: int = 1,
    forward: bool = False,
) -> GradientReport:
    r"""Compare the gradient of a function with central differences.

    Random directions :math:`u` and cotangents :math:`v` compare two ways to one number,

    .. math:: (J^T v)^T u \;=\; v^T (J u)
        \;\approx\; v^T \, \frac{f(x + h u) - f(x - h u)}{2 h},

    autograd on the left, differences on the right. Signs and lengths of both are
    random. The error bar b is measured: truncation from a third point, rounding from
    the size of the values. What disagrees is looked at on a ladder of steps, then
    column by column, and named. All is computed in double, in about 7 evaluations
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
    probes : int
        Directions of the screen. There are as many cotangents, and no more than two.
    seed : int
        Seed of the random directions and cotangents. The global generators are left
        alone.
    full : bool
        Compare every column of the Jacobian, even if the screen finds nothing.
    strict : bool
        Fail where nothing was tested (all derivatives zero) and on a kink.
    rtol, atol : float
        Elements that differ by at most ``atol + rtol * slope`` are accepted, and the
        report says so.
    order : {1, 2}
        2 checks the gradient of the gradient: of :math:`J^T v` for a random v, by the
        inputs and by v.
    forward : bool
        Also compare forward mode (``jvp``) with backward mode (``vjp``), to rounding.

    Returns
    -------
    GradientReport
        True if the gradient passed. Prints as a table.

    Raises
    ------
    TypeError
        If `fn` is not callable or returns no floating-point tensor, or no input is one.
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
    if not callable(fn):
        raise TypeError(
            f"fn: expected a function of tensors, got {type(fn).__name__}; pass the "
            "function itself, for example check_gradient(torch.sin, x)"
        )
    choice = choose(probes, seed, full, strict, rtol, atol, order, forward)
    chosen = _chosen(inputs, wrt)
    names = input_names(fn, len(inputs))
    return run_check(fn, inputs, chosen, [names[i] for i in chosen], choice, gradient)


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
        `probes`, `seed`, `full`, `strict`, `rtol`, `atol`, `order`, `forward`, as in
        `check_gradient`.

    Returns
    -------
    GradientReport
        True if the gradient passed.

    Raises
    ------
    TypeError
        If `prediction` is not a floating-point or complex tensor.
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
    if not callable(loss):
        raise TypeError(
            f"loss: expected a function loss(prediction, target), got "
            f"{type(loss).__name__}"
        )
    if not require_tensor("prediction", prediction).is_complex():
        require_floating("prediction", prediction)
    point = (prediction, target)
    return run_check(loss, point, [0], ["prediction"], choose(**options), gradient)


def assert_gradient(fn: Function, *inputs: object, **settings: Any) -> None:
    """Raise ``AssertionError`` with the report unless `check_gradient` passes.

    Parameters
    ----------
    fn : callable
        As in `check_gradient`.
    *inputs : Tensor or object
        As in `check_gradient`.
    **settings
        As in `check_gradient`.

    Raises
    ------
    AssertionError
        If the verdict is not ``"pass"``.

    Examples
    --------
    >>> assert_gradient(torch.sin, torch.linspace(0, 1, 5, dtype=torch.float64))
    """
    report = check_gradient(fn, *inputs, **settings)
    if not report:
        raise AssertionError(str(report))


def choose(
    probes: int = PROBES,
    seed: int = 0,
    full: bool = False,
    strict: bool = False,
    rtol: float = RTOL,
    atol: float = 0.0,
    order: int = 1,
    forward: bool = False,
) -> tuple[Settings, int, bool]:
    """Return what the user chose, `order` and `forward` apart, if it is in range."""
    if probes < 1:
        raise ValueError(f"probes: expected at least 1, got {probes}; 2 is usual")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}: expected a number from 0 on, got {value}")
    if order not in (1, 2):
        raise ValueError(
            f"order: expected 1 or 2, got {order}; 2 checks the gradient of the "
            "gradient"
        )
    accepted = Tolerance(rtol, atol)
    return Settings(probes, seed, full, strict, accepted), order, forward


def run_check(
    fn: Function,
    inputs: Sequence[object],
    wrt: Sequence[int],
    names: Sequence[str],
    choice: tuple[Settings, int, bool],
    gradient: Function | None = None,
) -> GradientReport:
    """Run the check, and the one of a gradient by hand."""
    settings, order, forward = choice
    with undisturbed(inputs):
        if order == 2:
            if gradient is not None:
                raise ValueError(
                    "gradient: expected None with order=2, which checks that of "
                    "autograd's gradient; check yours with order=1"
                )
            fn, inputs, wrt, names = second_derivative(
                fn, inputs, wrt, names, settings.seed
            )
        problem = Map(fn, inputs, wrt)
        autograd = Check(problem, names, settings).run()
        if order == 2:
            sentence = f"of the second derivative: {autograd.sentence}"
            autograd = replace(autograd, sentence=sentence)
        if forward and autograd:
            autograd = add_forward_mode(autograd, problem, names, settings)
        if gradient is None:
            return autograd
        by_hand = with_gradient(fn, gradient, inputs, wrt)
        report = Check(by_hand, names, settings).run()
    unusable = (
        autograd.verdict in ("fail", "error") and "detached" not in autograd.kinds
    )
    if report and unusable:
        return replace(
            autograd,
            sentence="the gradient by hand agrees, autograd's does not: "
            + autograd.sentence,
            autograd=autograd,
        )
    return replace(report, autograd=autograd)


@contextmanager
def undisturbed(inputs: Sequence[object]) -> Iterator[None]:
    """Leave the global generators alone, and inference mode."""
    cuda = {x.device.index for x in inputs if isinstance(x, Tensor) and x.is_cuda}
    with (
        torch.random.fork_rng(devices=sorted(cuda)),
        torch.inference_mode(mode=False),
    ):
        yield


def with_gradient(
    fn: Function, gradient: Function, inputs: Sequence[object], wrt: Sequence[int]
) -> Map:
    """Return the map ``fn(*inputs).sum()`` whose derivative is `gradient`."""

    def gradients(*point: Any) -> Sequence[Tensor]:
        found = gradient(*point)
        given = found if isinstance(found, tuple | list) else (found,)
        shapes = [
            tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__ for g in given
        ]
        expected = [tuple(point[i].shape) for i in wrt]
        if shapes != expected:
            raise ValueError(
                f"gradient: expected tensors of shapes {expected}, got {shapes}; "
                "return the gradient of fn(*inputs).sum() for each input"
            )
        return [g.to(point[i].dtype) for g, i in zip(given, wrt, strict=True)]

    by_hand = Map(gradients, inputs, wrt)
    return GivenMap(
        lambda *point: _sum(fn(*point)),
        inputs,
        wrt,
        lambda problem: by_hand.value([x.clone() for x in by_hand.points])[None],
    )


def _sum(value: object) -> Tensor:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        got = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(
            f"fn: expected a real tensor, got {got}; a gradient by hand is the "
            "gradient of fn(*inputs).sum()"
        )
    return value.sum()


def input_names(fn: Function, count: int) -> list[str]:
    """Return what `fn` calls its arguments; "input 0" where it has no name."""
    names = [f"input {k}" for k in range(count)]
    target = fn.forward if isinstance(fn, nn.Module) else fn
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # written in C
        return names
    for k, parameter in zip(range(count), parameters, strict=False):
        if parameter.kind in POSITIONAL:
            names[k] = parameter.name
    return names


def _chosen(inputs: Sequence[object], wrt: int | Sequence[int] | None) -> list[int]:
    """Return the positions of the inputs to differentiate."""
    able = [
        i
        for i, x in enumerate(inputs)
        if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())
    ]
    if wrt is None:
        asked = [i for i in able if _requires_grad(inputs[i])]
        if not able:
            got = ", ".join(_describe(x) for x in inputs) or "no input"
            raise TypeError(
                "inputs: expected at least one floating-point or complex tensor, got "
                f"{got}; pass tensors one by one, for example x.double()"
            )
        return asked or able
    positions = [wrt] if isinstance(wrt, int) else list(wrt)
    if not positions:
        raise ValueError("wrt: expected at least one position, got none")
    for i in positions:
        if not isinstance(i, int) or not -len(inputs) <= i < len(inputs):
            raise ValueError(
                f"wrt: expected positions below {len(inputs)}, got {i!r}; wrt=0 is the "
                "first input"
            )
    positions = list(dict.fromkeys(i % len(inputs) for i in positions))
    for i in positions:
        if i not in able:
            raise TypeError(
                f"wrt: expected input {i} to be a floating-point or complex tensor, "
                f"got {_describe(inputs[i])}"
            )
    return positions


def _requires_grad(x: object) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _describe(x: object) -> str:
    return f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
