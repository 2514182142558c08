"""The one loop that every descent runs in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import torch
from torch import Tensor

from autodiff_guide.descent.blocks import (
    Advance,
    RateAt,
    compiled_blocks,
    in_blocks,
    rate_at,
    stack,
)
from autodiff_guide.descent.problem import At, Function, Problem, require_start
from autodiff_guide.descent.recorder import Recorder, Stops
from autodiff_guide.descent.rules import GradientRule, State
from autodiff_guide.descent.searches import SearchRule
from autodiff_guide.descent.torch_rules import FromTorch
from autodiff_guide.descent.trajectory import Trajectory


def minimize(
    fn: Function,
    start: Tensor,
    rule: GradientRule | SearchRule,
    *,
    gradient: Function | None = None,
    steps: int = 1000,
    value_below: float | None = None,
    step_below: float | None = None,
    gradient_below: float | None = None,
    record: bool = True,
    batched: bool = False,
    compile: bool = False,  # noqa: A002 # torch's name for it
    progress: bool = False,
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
    start : Tensor
        Floating-point, shape ``(n,)``, or ``(B, n)`` for many starts.
    rule : Rule
        How to step, for example ``GradientDescent(0.1)``.
    gradient : callable, optional
        Derivative by hand, in place of autograd's: maps a point to a tensor of its
        shape.
    steps : int
        Largest number of steps.
    value_below, step_below, gradient_below : float, optional
        Stopping rules, all off by default.
    record : bool
        Keep every point; False keeps each start's last. Recording sets memory aside
        for ``steps + 1`` rows.
    batched : bool
        `fn` takes the whole batch as it is, so `vmap` is not needed.
    compile : bool
        Compile runs of 32 steps by ``torch.compile``, anew for each call: it takes
        seconds, and pays for long runs. The last digits may differ.
    progress : bool
        Show a bar, if tqdm is installed.

    Returns
    -------
    Trajectory
        Ctrl-C returns what there is so far, with the status ``INTERRUPTED``.

    Raises
    ------
    TypeError
        If `fn`, `start`, `rule` or a setting is not of the kind asked for.
    ValueError
        If `start` has the wrong shape or is not finite, `fn` is not scalar, does not
        depend on its argument or writes into it, or a number is out of range.

    Warns
    -----
    UserWarning
        If `vmap` cannot run `fn`, for example for an ``if`` on its values; it is then
        called start by start.

    Examples
    --------
    Forty-one learning rates in one call:

    >>> import torch
    >>> from autodiff_guide.descent import GradientDescent, minimize
    >>> rates = torch.linspace(0.1, 1.1, 41)
    >>> starts = torch.ones(41, 2)
    >>> found = minimize(lambda x: (x**2).sum(), starts, GradientDescent(rates))
    >>> bool((found.values[-1] < 1e-9).eq(rates < 0.995).all())
    True
    """
    point = require_start(start, batched=batched)
    _require_rule(rule, compiled=compile)
    limit = _require_steps(steps)
    stops = Stops(value_below, step_below, gradient_below)
    with torch.inference_mode(False), torch.enable_grad():
        problem = Problem(fn, point.clone(), gradient=gradient, batched=batched)
        recorder = Recorder(problem.start, stops, limit, record=record)
        blocks = _blocks(problem, rule, recorder, limit, compiled=compile)
        tick = _bar(limit) if progress else None
        interrupted = _follow(blocks, recorder, tick)
        return recorder.finish(repr(rule), interrupted=interrupted)


def _blocks(
    problem: Problem,
    rule: GradientRule | SearchRule,
    recorder: Recorder,
    limit: int,
    *,
    compiled: bool,
) -> Iterator[At]:
    """Yield the rows of the descent, the start first, some at a time."""
    at = problem.start
    if isinstance(rule, SearchRule):
        yield stack([at])
        state, advance = rule.init(at.point), _searching(problem, rule, recorder)
        yield from in_blocks(advance, at, state, range(limit), 1)
        return
    lr = rate_at(rule.lr, at.point)
    yield stack([at])
    advance, size = _stepping(problem, rule, lr), _size(at.point)
    if compiled:
        yield from compiled_blocks(problem, rule, lr, limit, size, advance)
    else:
        state = rule.init(at.point)
        yield from in_blocks(advance, at, state, range(limit), size)


def _stepping(problem: Problem, rule: GradientRule, lr: RateAt) -> Advance:
    evaluate, step = problem.at, rule.step

    def advance(t: int, at: At, state: State) -> tuple[At, State]:
        point, state = step(t, lr(t), at.point, at.gradient, state)
        return evaluate(point), state

    return advance


def _searching(problem: Problem, rule: SearchRule, recorder: Recorder) -> Advance:
    def advance(t: int, at: At, state: State) -> tuple[At, State]:
        new, state, stalled = rule.step(problem, at, state, recorder.running)
        recorder.stall(stalled)
        return new, state

    return advance


def _size(point: Tensor) -> int:
    """Return how many steps to take between looks: rows that fit the cache of a CPU."""
    if point.device.type != "cpu":
        return 64
    return max(4, min(256, 2**18 // point.numel()))


def _follow(
    blocks: Iterator[At], recorder: Recorder, tick: Callable[[int], object] | None
) -> bool:
    """Record until all have stopped; return whether Ctrl-C was pressed."""
    try:
        for block in blocks:
            done = recorder.add(*block)
            if tick is not None:
                tick(len(block.point))
            if done:
                break
    except KeyboardInterrupt:
        return True
    return False


def _bar(limit: int) -> Callable[[int], object] | None:
    """Return what moves a progress bar, or None without tqdm."""
    if find_spec("tqdm") is None:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=limit + 1, desc="minimize", unit="row").update


def _require_steps(steps: object) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise TypeError(
            f"steps: expected an integer, got {type(steps).__name__}; try steps=1000"
        )
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}; try steps=1000")
    return steps


def _require_rule(rule: object, *, compiled: bool) -> None:
    if not isinstance(rule, GradientRule | SearchRule):
        raise TypeError(
            f"rule: expected a rule of descent, got {rule!r}; "
            "try GradientDescent(lr=0.1) or BFGS()"
        )
    if compiled and isinstance(rule, SearchRule | FromTorch):
        raise ValueError(
            f"compile: expected a rule of tensor operations alone, got {rule!r}; "
            "leave compile=False, or try Adam()"
        )
