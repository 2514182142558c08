"""`torch.autograd.gradcheck` and `gradgradcheck`, with this package's check inside."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck as torchs_gradcheck
from torch.autograd import gradgradcheck as torchs_gradgradcheck
from torch.autograd.gradcheck import GradcheckError
from torch.overrides import is_tensor_like

from autodiff_guide.gradcheck._api import undisturbed
from autodiff_guide.gradcheck._map import Map, UnusableOutputError
from autodiff_guide.gradcheck._modes import check_both_modes, differentiable
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._settings import Settings

# The module, which the function of its name hides.
TORCHS: Any = import_module("torch.autograd.gradcheck")
# Kinds and verdicts that leave the decision to torch.
NOT_DETERMINISTIC = {"nondeterministic", "backward-nondeterministic"}
NOT_JUDGED = ("inconclusive", "error")
# Kinds of inputs that may have been read from elsewhere.
NOTHING_SEEN = {"no-dependence", "vacuous"}

Checker = TypeVar("Checker", bound=Callable[..., bool])


class _UndecidedError(Exception):
    """A call that torch's own check is to decide."""


def _signed_as(torchs: Checker) -> Callable[[Callable[..., bool]], Checker]:
    """Give a function torch's signature; all arguments then come by their names."""
    signature = inspect.signature(torchs)
    defaults = {name: p.default for name, p in signature.parameters.items()}

    def decorate(ours: Callable[..., bool]) -> Any:
        @functools.wraps(ours)
        def check(*args: Any, **kwargs: Any) -> bool:
            return ours(**defaults | signature.bind(*args, **kwargs).arguments)

        check.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect
        return check

    return decorate


@_signed_as(torchs_gradcheck)
def gradcheck(**asked: Any) -> bool:
    """Check gradients as ``torch.autograd.gradcheck`` does, in a few evaluations.

    Signature, meaning and exceptions are torch's; a suite switches by one import. The
    numbers are compared as in `check_gradient`, and its report is in the message.
    A gradient passes within ``atol + rtol * slope``, beyond the error bars of the
    differences; so it passes on kinks and near poles, where torch's fixed step fails.

    Torch's own check decides where this one does not: on sparse inputs and subclasses
    of tensors; in forward mode alone, or of complex inputs; if a function reads its
    inputs from elsewhere; if values are not finite or a backward raises; if differences
    tell nothing; on what is random, if `nondet_tol` allows it. Where ours began, its
    report is then a note of the exception.

    Parameters
    ----------
    func : callable
        Takes `inputs`; returns a tensor or a tuple of them. Outputs that require no
        gradient are not checked.
    inputs : Tensor or tuple of Tensor
        Those that require a gradient are differentiated, in double.
    eps : float
        Torch's step, which only torch's own check takes; ours finds its steps.
    atol, rtol : float
        How far gradients may be apart.
    raise_exception : bool
        Raise; or else return False.
    nondet_tol : float
        How far two backward passes may be apart; by default, by rounding.
    check_undefined_grad : bool
        Whether outputs without a gradient must count as outputs whose gradient is zero.
    check_grad_dtypes : bool
        Whether gradients must be of the dtype of their input; they are, as autograd
        casts them.
    check_batched_grad : bool
        Whether the backward must agree with itself under vmap.
    check_batched_forward_grad : bool
        Whether forward mode must.
    check_forward_ad : bool
        Whether forward mode is checked: against backward mode.
    check_backward_ad : bool
        Whether backward mode is.
    fast_mode : bool
        For torch's own check; ours is fast.
    masked : bool, optional
        Whether elements that a sparse tensor does not specify are ignored.

    Returns
    -------
    bool
        True if the gradients passed.

    Raises
    ------
    torch.autograd.gradcheck.GradcheckError
        If a gradient is wrong; a ``RuntimeError``.
    ValueError
        If no input requires a gradient, or an output is sparse.

    See Also
    --------
    check_gradient : Returns a report; for new tests.

    References
    ----------
    .. [1] `torch.autograd.gradcheck
       <https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html>`_

    Examples
    --------
    >>> x = torch.linspace(0, 1, 5, dtype=torch.float64, requires_grad=True)
    >>> gradcheck(torch.sin, x)
    True
    >>> gradcheck(lambda x: x * x.detach(), x, raise_exception=False)
    False
    """
    given = _as_tuple(asked["inputs"])
    wrt = _positions(given)
    forward = asked["check_forward_ad"]
    parts = forward and any(is_tensor_like(x) and x.is_complex() for x in given)
    batched_alone = asked["check_batched_forward_grad"] and not forward
    # What is not known here is left to torch.
    if not wrt or not asked["check_backward_ad"] or batched_alone or parts:
        return bool(torchs_gradcheck(**asked))
    try:
        with undisturbed(given), torch.enable_grad():
            _check(given, wrt, asked)
    except (_UndecidedError, UnusableOutputError) as undecided:
        try:
            return bool(torchs_gradcheck(**asked))
        except Exception as error:
            error.add_note(str(undecided))
            raise
    except GradcheckError:
        if asked["raise_exception"]:
            raise
        return False
    return True


@_signed_as(torchs_gradgradcheck)
def gradgradcheck(**asked: Any) -> bool:
    """Check second derivatives as ``torch.autograd.gradgradcheck`` does.

    What `gradcheck` does for a function, for its gradient: the map from `inputs` and
    `grad_outputs` to the gradients of the inputs.

    Parameters
    ----------
    func, inputs
        As in `gradcheck`.
    grad_outputs : Tensor or tuple of Tensor, optional
        The gradients of the outputs; random ones by default.
    gen_non_contig_grad_outputs : bool
        Whether random ones lie in memory with gaps.
    check_fwd_over_rev, check_rev_over_rev : bool
        Whether the gradient is differentiated in forward mode; in backward mode.
    eps, atol, rtol, raise_exception, nondet_tol, check_undefined_grad
        As in `gradcheck`.
    check_grad_dtypes, check_batched_grad, fast_mode, masked
        As in `gradcheck`.

    Returns
    -------
    bool
        True if the second derivatives passed.

    Raises
    ------
    torch.autograd.gradcheck.GradcheckError
        If a second derivative is wrong; a ``RuntimeError``.
    ValueError
        If no input requires a gradient, or an output is sparse.

    See Also
    --------
    check_gradient : With ``order=2``, returns a report.

    References
    ----------
    .. [1] `torch.autograd.gradgradcheck
       <https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html>`_

    Examples
    --------
    >>> x = torch.linspace(0, 1, 5, dtype=torch.float64, requires_grad=True)
    >>> gradgradcheck(torch.sin, x)
    True
    """
    with undisturbed(_as_tuple(asked["inputs"])):
        torch.manual_seed(0)
        return bool(OURS_TWICE(**asked))


# Torch's own code, with our gradcheck in the place of its.
OURS_TWICE = FunctionType(
    torchs_gradgradcheck.__code__, {**vars(TORCHS), "gradcheck": gradcheck}
)


def _check(given: Sequence[Any], wrt: Sequence[int], asked: dict[str, Any]) -> None:
    """Raise unless all that is asked for is right, in the eyes of this package."""
    func = asked["func"]
    problem = Map(func, given, {i: f"input {i}" for i in wrt})
    problem.needs_grad = True  # as torch evaluates it
    settings = Settings(
        rtol=asked["rtol"], atol=asked["atol"], forward=asked["check_forward_ad"]
    )
    report = check_both_modes(problem, settings)
    _require(report, asked["nondet_tol"])
    if problem.sparse:
        raise _UndecidedError("an output is sparse")
    if not NOTHING_SEEN.isdisjoint(report.kinds):
        _require_arrival(differentiable(func(*given)), [given[i] for i in wrt])
    leaves, found = problem.base_graph
    outputs = differentiable(found)
    for k, y in enumerate(outputs):
        if asked["check_batched_grad"]:
            TORCHS._test_batched_grad(tuple(leaves), y, k)
    if asked["check_batched_forward_grad"]:
        TORCHS._test_batched_grad_forward_ad(func, given)
    if asked["check_undefined_grad"]:
        if asked["check_forward_ad"]:
            TORCHS._test_undefined_forward_mode(func, (), given)
        # That some outputs have no gradient is a part of our check; here none has.
        total: Any = sum(y.sum() for y in outputs)
        if outputs:
            TORCHS._test_undefined_backward_mode(lambda *_: total, (total,), leaves)


def _require(report: GradientReport, nondet_tol: float) -> None:
    """Raise for a report that did not pass, or that torch's own check should make."""
    noisy = nondet_tol > 0 and not NOT_DETERMINISTIC.isdisjoint(report.kinds)
    if noisy or "nonfinite" in report.kinds or report.verdict in NOT_JUDGED:
        raise _UndecidedError(str(report))
    if not report:
        raise GradcheckError(str(report))


def _require_arrival(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> None:
    """Leave to torch a function that reads its inputs from elsewhere.

    Torch moves them where they lie; our copies do not arrive.
    """
    v = [torch.rand_like(y) for y in outputs]
    found = outputs and torch.autograd.grad(outputs, leaves, v, allow_unused=True)
    if any(g is not None and bool(g.any()) for g in found):
        raise _UndecidedError("the function reads its inputs from elsewhere")


def _as_tuple(inputs: Any) -> tuple[Any, ...]:
    return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)


def _positions(given: Sequence[Any]) -> list[int]:
    """Return the positions of inputs that require a gradient, if we can move all."""
    wrt = [i for i, x in enumerate(given) if is_tensor_like(x) and x.requires_grad]
    return wrt if all(_is_plain(given[i]) for i in wrt) else []


def _is_plain(x: Tensor) -> bool:
    """Return whether our check can move this input."""
    plain = type(x) in (Tensor, nn.Parameter) and x.layout == torch.strided
    if not plain or x.is_nested:
        return False
    sides = zip(x.stride(), x.shape, strict=True)
    return all(step > 0 or size <= 1 for step, size in sides)
