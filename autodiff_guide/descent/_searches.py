"""Rules of descent that look before they step: Backtracking, BFGS and Newton.

To add one, write a dataclass with a method `step` that never returns a higher point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import torch
from torch import Tensor

from autodiff_guide._validate import require_number
from autodiff_guide.descent._problem import At, Problem
from autodiff_guide.descent._rules import Rule, State

Found: TypeAlias = tuple[At, State]

_TRIALS = 60  # halvings or doublings before a search gives up


class SearchRule(Rule, ABC):
    """A rule that evaluates the function on its way, and never steps uphill."""

    @abstractmethod
    def step(self, problem: Problem, at: At, running: Tensor, state: State) -> Found:
        """Return where it stands next, with value and gradient there, and the state.

        Only starts where `running`, shape ``(*B)``, need to move. One that finds no
        lower point stays: it has stalled, and trying again would change nothing.
        """


@dataclass(frozen=True, eq=False, repr=False)
class Backtracking(SearchRule):
    r"""Gradient descent that shortens each step until it lowers the value enough.

    From :math:`\eta =` `lr` at every step, :math:`\eta` is halved until Armijo's
    condition holds:

    .. math::
       f(x_t - \eta\, g_t) \le f(x_t) - 10^{-4}\, \eta\, \lVert g_t \rVert^2

    Parameters
    ----------
    lr : float
        First step size tried, :math:`\eta \ge 0`.

    Raises
    ------
    TypeError, ValueError
        If `lr` is not a number, or is negative.

    References
    ----------
    .. [1] L. Armijo, "Minimization of functions having Lipschitz continuous first
       partial derivatives", Pacific Journal of Mathematics 16, 1966.

    Examples
    --------
    >>> Backtracking()
    Backtracking()
    >>> Backtracking(lr=10.0)
    Backtracking(lr=10)
    """

    lr: float = 1.0

    def __post_init__(self) -> None:
        """Check that `lr` is one number, for all starts and steps."""
        require_number("lr", self.lr, 0)

    def step(self, problem: Problem, at: At, running: Tensor, state: State) -> Found:
        """Return the next point with its value and gradient, and the state."""
        direction = -self.lr * at.gradient
        return _line_search(problem, at, direction, running, share=inf), state


@dataclass(frozen=True, eq=False, repr=False)
class BFGS(SearchRule):
    r"""Quasi-Newton: learn the inverse Hessian from the gradients met on the way.

    With :math:`s = x_{t+1} - x_t` and :math:`y = g_{t+1} - g_t`,

    .. math::
       x_{t+1} = x_t - \eta_t H_t g_t, \qquad
       H_{t+1} = \Bigl(I - \frac{s y^\top}{y^\top s}\Bigr) H_t
                 \Bigl(I - \frac{y s^\top}{y^\top s}\Bigr) + \frac{s s^\top}{y^\top s}

    where :math:`\eta_t` meets the weak Wolfe conditions: the value has fallen enough
    and the slope has risen enough. The search doubles, then bisects.

    Examples
    --------
    >>> BFGS()
    BFGS()

    References
    ----------
    .. [1] J. Nocedal and S. J. Wright, "Numerical optimization", 2nd edition, 2006,
       chapter 6.
    .. [2] A. S. Lewis and M. L. Overton, "Nonsmooth optimization via quasi-Newton
       methods", Mathematical Programming 141, 2013, algorithm 2.6.
    """

    def init(self, point: Tensor) -> State:
        """Return the identity as inverse Hessian, and that nothing is learnt yet."""
        n = point.shape[-1]
        inverse = torch.eye(n, dtype=point.dtype, device=point.device)
        fresh = torch.ones(point.shape[:-1], dtype=torch.bool, device=point.device)
        return inverse.expand(*point.shape, n), fresh

    def step(self, problem: Problem, at: At, running: Tensor, state: State) -> Found:
        """Return the next point with its value and gradient, and the state."""
        inverse, fresh = state
        direction = -_times(inverse, at.gradient)
        slope = _dot(at.gradient, direction)
        fresh = fresh | ~(slope < 0) | ~slope.isfinite()
        new = _line_search(problem, at, direction, running & ~fresh, share=0.9)
        stuck = running & _still(at, new)
        if bool(stuck.any()):  # forget what was learnt: go against the gradient
            length = torch.linalg.vector_norm(at.gradient, dim=-1, keepdim=True)
            downhill = -at.gradient / length.clamp_min(1)
            again = _line_search(problem, at, downhill, stuck, share=0.9)
            new = _choose(stuck, again, new)
            fresh = fresh | stuck
        inverse, learnt = _update(inverse, fresh, at, new)
        return new, (inverse, fresh & ~learnt)


def _line_search(
    problem: Problem, at: At, direction: Tensor, searching: Tensor, *, share: float
) -> At:
    """Return the first point along `direction` that meets the weak Wolfe conditions.

    Its value has fallen enough, and no more than `share` of the downward slope is left;
    any may be if that is infinite, and what remains is Armijo's condition. Where none
    is found in time, the lowest point that has fallen enough, else `at`.
    """
    slope = _dot(at.gradient, direction)
    length = torch.ones_like(at.value)
    low, high = torch.zeros_like(length), torch.full_like(length, torch.inf)
    best = at
    for _ in range(_TRIALS):
        if not bool(searching.any()):
            break
        trial = problem.at(at.point + length.unsqueeze(-1) * direction)
        enough = trial.value <= at.value + 1e-4 * length * slope
        fallen = enough & _lower(trial, at)
        risen = _dot(trial.gradient, direction) >= share * slope
        met = searching & fallen & risen
        best = _choose(
            met | (searching & fallen & (trial.value < best.value)), trial, best
        )
        searching = searching & ~met
        high = torch.where(fallen, high, length)
        low = torch.where(fallen & ~risen, length, low)
        middle = torch.where(high.isinf(), 2 * length, (low + high) / 2)
        length = torch.where(searching, middle, length)
    return best


def _update(inverse: Tensor, fresh: Tensor, at: At, new: At) -> tuple[Tensor, Tensor]:
    """Return the inverse Hessian after the step from `at` to `new`, and who learnt."""
    s, y = new.point - at.point, new.gradient - at.gradient
    sy, yy = _dot(s, y), _dot(y, y)
    learnt = (sy > 0) & (sy.isfinite()) & yy.isfinite() & (yy > 0)
    eye = torch.eye(s.shape[-1], dtype=s.dtype, device=s.device)
    scale = torch.where(learnt, sy / yy, 1)[..., None, None]
    inverse = torch.where(fresh[..., None, None], eye * scale, inverse)
    sy = torch.where(learnt, sy, 1)[..., None, None]
    left = eye - s.unsqueeze(-1) * y.unsqueeze(-2) / sy
    after = left @ inverse @ left.mT + s.unsqueeze(-1) * s.unsqueeze(-2) / sy
    return torch.where(learnt[..., None, None], after, inverse), learnt


@dataclass(frozen=True, eq=False, repr=False)
class Newton(SearchRule):
    r"""Newton's method that turns away from saddles.

    With :math:`Q \Lambda Q^\top` the Hessian at :math:`x_t`,

    .. math:: x_{t+1} = x_t - \eta_t\, Q\, |\Lambda|^{-1}\, Q^\top g_t

    The absolute values make every curvature push downhill; one that is lost in the
    rounding of the largest counts as that rounding. The search for :math:`\eta_t` is
    that of `BFGS`. Only a start without any slope along the downward curvature, such as
    the saddle itself, stays at a saddle.

    Examples
    --------
    >>> Newton()
    Newton()

    References
    ----------
    .. [1] Y. Dauphin and others, "Identifying and attacking the saddle point problem in
       high-dimensional non-convex optimization", NeurIPS 2014, arXiv:1406.2572.
    """

    def step(self, problem: Problem, at: At, running: Tensor, state: State) -> Found:
        """Return the next point with its value and gradient, and the state."""
        hessian = torch.nan_to_num(problem.hessian(at.point))
        curvatures, axes = torch.linalg.eigh(hessian)
        slopes = _times(axes.mT, torch.nan_to_num(at.gradient))
        kind, sizes = torch.finfo(slopes.dtype), curvatures.abs()
        least = (kind.eps * sizes.amax(-1, keepdim=True)).clamp_min(kind.tiny)
        direction = -_times(axes, slopes / sizes.maximum(least))
        return _line_search(problem, at, direction, running, share=0.9), state


def _choose(mask: Tensor, new: At, old: At) -> At:
    """Return `new` where `mask`, shape ``(*B)``, else `old`."""
    wide = mask.unsqueeze(-1)
    return At(
        torch.where(wide, new.point, old.point),
        torch.where(mask, new.value, old.value),
        torch.where(wide, new.gradient, old.gradient),
    )


def _still(at: At, new: At) -> Tensor:
    return (at.point == new.point).all(-1)


def _lower(new: At, old: At) -> Tensor:
    """Return where the value fell; where rounding hides that, the gradient must."""
    flatter = _dot(new.gradient, new.gradient) < _dot(old.gradient, old.gradient)
    lower = (new.value < old.value) | ((new.value == old.value) & flatter)
    return lower & new.value.isfinite() & new.gradient.isfinite().all(-1)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
