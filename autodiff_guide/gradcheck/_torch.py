"""`torch.autograd.gradcheck` and `gradgradcheck`, with this package's check inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError
from torch.overrides import is_tensor_like

from autodiff_guide.gradcheck._api import undisturbed
from autodiff_guide.gradcheck._check import Check
from autodiff_guide.gradcheck._map import Map, UnusableOutputError, not_contiguous
from autodiff_guide.gradcheck._modes import (
    check_forward,
    cotangents_of,
    differentiable,
    gradient_of,
    modes_agree,
)
from autodiff_guide.gradcheck._report import GradientReport
from autodiff_guide.gradcheck._settings import Settings

# The module, which the function of its name hides.
TORCHS: Any = import_module("torch.autograd.gradcheck")
torchs_gradcheck, torchs_gradgradcheck = TORCHS.gradcheck, TORCHS.gradgradcheck
# Kinds and verdicts that leave the decision to torch.
NOT_DETERMINISTIC = {"nondeterministic", "backward-nondeterministic"}
NOT_JUDGED = ("inconclusive", "error")
# Kinds of inputs that may have been read from elsewhere.
NOTHING_SEEN = {"no-dependence", "vacuous"}
UNDEFINED = (
    "the backward does not handle outputs without a gradient (None for grad_output): "
    "it must count as zeros; check_undefined_grad=False leaves this out"
)


class _UndecidedError(Exception):
    """A call that torch's own check is to decide."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Check gradients as ``torch.autograd.gradcheck`` does, in a few evaluations.

    Signature, meaning and exceptions are torch's; a suite switches by one import. The
    numbers are compared as in `check_gradient`, and its report is in the message.
    A gradient passes within ``atol + rtol * slope``, beyond the error bars of the
    differences; so it passes on kinks and near poles, where torch's fixed step fails.

    Torch's own check decides where this one does not: on sparse inputs and subclasses
    of tensors; if a function reads its inputs from elsewhere; if values are not finite
    or a backward raises; if differences tell nothing; on what is random, if
    `nondet_tol` allows it. The report is then a note of the exception.

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
        Whether forward mode is checked: against backward mode, or differences.
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
    asked = dict(locals())
    del asked["func"], asked["inputs"]
    given = _as_tuple(inputs)
    wrt = _positions(given)
    # What is not known here is left to torch.
    known = check_forward_ad or check_backward_ad
    known &= check_backward_ad or not check_batched_grad
    known &= check_forward_ad or not check_batched_forward_grad
    if not (known and wrt):
        return bool(torchs_gradcheck(func, inputs, **asked))
    settings = Settings(rtol=rtol, atol=atol)
    names = [f"input {i}" for i in wrt]
    by_forward = check_forward_ad
    try:
        with undisturbed(given), torch.enable_grad():
            if check_backward_ad:
                problem = Map(func, given, wrt)
                problem.needs_grad = True  # as torch evaluates it
                report = Check(problem, names, settings).run()
                _require(report, nondet_tol)
                if problem.sparse:
                    raise _UndecidedError("an output is sparse")
                if not NOTHING_SEEN.isdisjoint(report.kinds):
                    outputs = differentiable(func(*given))
                    _require_arrival(outputs, [given[i] for i in wrt])
                leaves, found = problem.base_graph
                outputs = differentiable(found)
                if check_batched_grad:
                    for k, y in enumerate(outputs):
                        TORCHS._test_batched_grad(tuple(leaves), y, k)
                if check_undefined_grad:
                    _check_undefined(leaves, outputs)
                by_forward = by_forward and not modes_agree(problem, settings)
            if by_forward:
                report = check_forward(Map(func, given, wrt), names, settings)
                _require(report, nondet_tol)
            if check_forward_ad and check_undefined_grad:
                _check_missing_tangents(func, given)
            if check_batched_forward_grad:
                TORCHS._test_batched_grad_forward_ad(func, given)
    except (_UndecidedError, UnusableOutputError) as undecided:
        try:
            return bool(torchs_gradcheck(func, inputs, **asked))
        except Exception as error:
            error.add_note(str(undecided))
            raise
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Any] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
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
    asked = dict(locals())
    del asked["func"], asked["inputs"], asked["grad_outputs"]
    given, v = _as_tuple(inputs), _as_tuple(grad_outputs)
    wrt = _positions(given)
    needs_reverse = check_undefined_grad or check_batched_grad
    known = check_rev_over_rev or (check_fwd_over_rev and not needs_reverse)
    if known and wrt:
        if grad_outputs is None:
            with undisturbed(given), torch.enable_grad():
                v = tuple(cotangents_of(differentiable(func(*given)), 0))
            if gen_non_contig_grad_outputs:
                v = tuple(not_contiguous(x) for x in v)
            v = tuple(x.requires_grad_() for x in v)
        if v:
            del asked["gen_non_contig_grad_outputs"]
            asked["check_forward_ad"] = asked.pop("check_fwd_over_rev")
            asked["check_backward_ad"] = asked.pop("check_rev_over_rev")
            gradient = gradient_of(func, wrt, len(given))
            return gradcheck(gradient, given + v, **asked)
    return bool(torchs_gradgradcheck(func, inputs, grad_outputs, **asked))


def _require(report: GradientReport, nondet_tol: float) -> None:
    """Raise for a report that did not pass, or that torch's own check should make."""
    noisy = nondet_tol > 0 and not NOT_DETERMINISTIC.isdisjoint(report.kinds)
    if noisy or "nonfinite" in report.kinds or report.verdict in NOT_JUDGED:
        raise _UndecidedError(str(report))
    if not report:
        raise GradcheckError(str(report))


def _check_undefined(leaves: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Require that outputs without a gradient count as ones whose gradient is zero.

    That some have none is a part of `Check`; here all have none.
    """
    undefined: Any = torch._C._functions.UndefinedGrad()
    bare = [undefined(y) for y in outputs]
    zeros = [torch.zeros_like(y) for y in outputs]
    try:
        reached = _reach(bare, leaves, zeros)
    except RuntimeError as error:
        raise GradcheckError(UNDEFINED) from error
    if reached:
        raise GradcheckError(UNDEFINED)


def _check_missing_tangents(func: Callable[..., Any], given: Sequence[Any]) -> None:
    """Require that an input without a tangent counts as one whose tangent is zero."""
    wide = [i for i, x in enumerate(given) if is_tensor_like(x) and x.is_complex()]
    if not wide:
        TORCHS._test_undefined_forward_mode(func, (), given)
        return
    real, imaginary = TORCHS._real_and_imag_input(func, wide, given)
    for fn, part in ((real, "real"), (imaginary, "imag")):
        point = [getattr(x, part) if i in wide else x for i, x in enumerate(given)]
        TORCHS._test_undefined_forward_mode(fn, (), point)


def _require_arrival(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> None:
    """Leave to torch a function that reads its inputs from elsewhere.

    Torch moves them where they lie; our copies do not arrive.
    """
    if outputs and _reach(outputs, leaves, cotangents_of(outputs, 1)):
        raise _UndecidedError("the function reads its inputs from elsewhere")


def _reach(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], v: Sequence[Tensor]
) -> bool:
    """Return whether any gradient of the leaves is not zero."""
    found = torch.autograd.grad(
        outputs, leaves, v, retain_graph=True, allow_unused=True
    )
    return any(g is not None and bool(g.any()) for g in found)


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
