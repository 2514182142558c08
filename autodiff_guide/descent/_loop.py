"""The one loop that every descent runs in.

Change here what happens in which order: step, look, stop.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from autodiff_guide._validate import require_count
from autodiff_guide.descent._log import Limits, Log
from autodiff_guide.descent._problem import At, Function, Problem, stacked
from autodiff_guide.descent._rules import FromTorch, GradientRule, Now, Rule, State
from autodiff_guide.descent._searches import SearchRule
from autodiff_guide.descent._trajectory import Status, Trajectory

Advance: TypeAlias = Callable[[int, At, State], tuple[At, State]]

_FIRST = 8  # steps before the first look at them
_RUN = 32  # steps in one compiled call


def minimize(
    fn: Function,
    start: Any,
    rule: GradientRule | SearchRule | Callable[..., Optimizer],
    *,
    gradient: Function | None = None,
    steps: int = 1000,
    value_below: float | None = None,
    step_below: float | None = None,
    gradient_below: float | Literal["auto"] | None = "auto",
    batched: bool = False,
    compile: bool = False,  # noqa: A002 # torch's name for it
) -> Trajectory:
    r"""Descend `fn` from one start, or from many at once.

    From :math:`x_0 =` `start`, the rule makes :math:`x_{t+1}` of :math:`x_t` and
    :math:`g_t = \nabla f(x_t)`, until a stopping rule fires:

    .. math::
       f(x_t) < \text{value\_below}, \qquad
       \max_i \lvert x_{t,i} - x_{t-1,i} \rvert < \text{step\_below}, \qquad
       \lVert g_t \rVert_2 < \text{gradient\_below}

    Each of many starts stops by itself. It also stops at the first row in which the
    point, the value or the gradient norm has overflowed or is NaN.

    Parameters
    ----------
    fn : callable
        Maps a point, shape ``(n,)``, to its value, shape ``()``. With `batched`, maps
        points ``(B, n)`` to values ``(B,)``, each from its own row alone.
    start : Tensor or structure of tensors
        Floating-point, shape ``(n,)`` or ``()``, or ``(B, n)`` for many starts. A list,
        tuple or dict of tensors of any shapes is one start, and `fn` takes its like:
        ``dict(module.named_parameters())`` with ``torch.func.functional_call``. Nothing
        of it is changed; `Trajectory.end` has the same structure.
    rule : Rule or callable
        How to step, for example ``GradientDescent(0.1)`` or, by its defaults, ``Adam``;
        or what makes an optimizer of torch's, such as ``torch.optim.Adam`` and its
        ``functools.partial``.
    gradient : callable, optional
        Derivative by hand, in place of autograd's: maps a point to its like.
    steps : int
        Largest number of steps; memory is set aside for ``steps + 1`` rows.
    value_below, step_below : float, optional
        Stopping rules, off by default.
    gradient_below : float or "auto" or None
        By default :math:`\epsilon^{3/4} \min(1, \lVert g_0 \rVert)`, with the rounding
        :math:`\epsilon` of the start's type: nearer, rounding leaves little to gain.
        None switches it off, and all steps are taken.
    batched : bool
        `fn` takes the whole batch as it is, so `vmap` is not needed: the way out for a
        function that `vmap` refuses, for example for an ``if`` on its values.
    compile : bool
        Compile runs of 32 steps by ``torch.compile``, anew for each call: it takes
        seconds, and pays for long runs. The last digits may differ.

    Returns
    -------
    Trajectory
        Ctrl-C returns what there is so far, with the status ``INTERRUPTED``.

    Raises
    ------
    TypeError
        If `fn`, `start`, `rule` or a setting is not of the kind asked for. What `vmap`
        raises of a function that it refuses passes through.
    ValueError
        If `start` has the wrong shape or is not finite, the optimizer is none of those
        that `FromTorch` takes, `compile` is asked of one or of a search rule, `fn` is
        not scalar, does not depend on its argument or writes into it, or a number is
        out of range.

    Examples
    --------
    Forty-one learning rates in one call:

    >>> import functools
    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> rates = torch.linspace(0.1, 1.1, 41)
    >>> starts = torch.ones(41, 2)
    >>> found = minimize(lambda x: (x**2).sum(), starts, GradientDescent(rates))
    >>> bool((found.values[-1] < 1e-9).eq(rates < 0.995).all())
    True

    A layer, trained by Adam; the layer itself stays as it was:

    >>> layer, x = torch.nn.Linear(1, 1), torch.tensor([[1.0], [2.0]])
    >>> def loss(parameters):
    ...     output = torch.func.functional_call(layer, parameters, x)
    ...     return (output - 2 * x - 3).square().mean()
    >>> adam = functools.partial(torch.optim.Adam, lr=0.1)
    >>> found = minimize(loss, dict(layer.named_parameters()), adam)
    >>> [f"{name} {part.item():.2f}" for name, part in found.end.items()]
    ['weight 2.00', 'bias 3.00']
    """
    require_count(steps, "steps")
    with torch.inference_mode(False), torch.enable_grad():
        rule = _as_rule(rule, compiled=compile)
        problem = Problem(fn, start, gradient=gradient, batched=batched)
        point = problem.start.point
        tiny = torch.finfo(point.dtype).tiny
        limits: Limits = {
            Status.GRADIENT_BELOW: gradient_below,
            Status.STEP_BELOW: step_below,
            Status.VALUE_BELOW: value_below,
            Status.STALLED: tiny if isinstance(rule, SearchRule) else None,
        }
        log = Log(problem.start, steps, limits)
        stride, most = 1, _together(point)
        if isinstance(rule, SearchRule):
            advance, most = _searching(problem, rule, log), 1
        elif compile:
            advance, stride = _compiled(problem, rule), _RUN
        else:
            advance = _stepping(problem, rule)

        at, state, interrupted = problem.start, rule.init(point), False
        rows, together = [], min(_FIRST, most)
        try:
            for t in range(0, 0 if log.done else steps, stride):
                at, state = advance(t, at, state)
                rows.append(at)
                if len(rows) * stride >= together:
                    log.add(rows)
                    if log.done:
                        break
                    together = min(2 * together, most)
        except KeyboardInterrupt:
            interrupted = True
        except Exception:
            log.add(rows)
            if not log.done:  # else all had stopped before it failed
                raise
        log.add(rows)
        return log.finish(repr(rule), problem.layout, interrupted=interrupted)


def _stepping(problem: Problem, rule: GradientRule) -> Advance:
    """Return what takes one step of the rule and evaluates the point it leads to."""
    rate, step, evaluate = rule.rate(problem.start.point), rule.step, problem.at

    def advance(t: int, at: At, state: State) -> tuple[At, State]:
        point, state = step(Now(t, rate(t), at.point, at.gradient), state)
        return evaluate(point), state

    return advance


def _searching(problem: Problem, rule: SearchRule, log: Log) -> Advance:
    """Return what lets the rule look for its next point, for starts that still run."""
    return lambda t, at, state: rule.step(problem, at, log.running, state)


def _compiled(problem: Problem, rule: GradientRule) -> Advance:
    """Return what takes a run of steps in one call, from the last row of a block."""
    rate = rule.rate(problem.start.point)
    fixed = None if callable(rule.lr) else rate(0)

    def run(at: At, state: State, times: Tensor, rates: Tensor) -> tuple[At, State]:
        rows = []
        for i in range(_RUN):
            lr = rates[i] if fixed is None else fixed
            point, state = rule.step(Now(times[i], lr, at.point, at.gradient), state)
            at = problem.traced_at(point)
            rows.append(at)
        return stacked(rows), state

    # torch counts recompilations by code object; each descent brings its own.
    code = run.__code__.replace()
    own = FunctionType(code, run.__globals__, "run", None, run.__closure__)
    compiled = torch.compile(own, fullgraph=True, dynamic=False)

    def advance(t: int, at: At, state: State) -> tuple[At, State]:
        if t > 0:
            at = At(*(part[-1] for part in at))
        times = rates = torch.arange(t, t + _RUN, dtype=torch.float64)
        if fixed is None:
            rates = times.new_tensor([rate(i) for i in range(t, t + _RUN)])
        found: tuple[At, State] = compiled(at, state, times, rates)
        return found

    return advance


def _together(point: Tensor) -> int:
    """Return how many steps to take between looks: rows that fit the cache of a CPU."""
    if point.device.type != "cpu":
        return 64
    return max(4, min(256, 2**18 // point.numel()))


def _as_rule(rule: object, *, compiled: bool) -> GradientRule | SearchRule:
    """Return the rule that is meant, be it by a class or by an optimizer of torch's."""
    if isinstance(rule, type) and issubclass(rule, Rule):
        rule = rule()
    elif callable(rule):
        rule = FromTorch(rule)
    if not isinstance(rule, GradientRule | SearchRule):
        raise TypeError(
            f"rule: expected a rule of descent, got {rule!r}; "
            "try GradientDescent(lr=0.1), BFGS() or torch.optim.Adam"
        )
    if compiled and isinstance(rule, SearchRule | FromTorch):
        raise ValueError(
            f"compile: expected a rule of tensor operations alone, got {rule!r}; "
            "leave compile=False, or try Adam()"
        )
    return rule
