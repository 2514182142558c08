r"""Rules of descent that need one gradient a step.

To add one, write a dataclass with a field `lr` and a method `step`; it sees the step's
number, the rate, the point and the gradient as one `Now`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from autodiff_guide._validate import require_floating

Rate: TypeAlias = float | Tensor | Callable[[int], float]
RateAt: TypeAlias = Callable[[int], float | Tensor]
State: TypeAlias = Any

_POSITIVE = "a number > 0", lambda x: 0 < x < inf
_SHARE = "a number in [0, 1)", lambda x: 0 <= x < 1
_INSIDE = "a number in (0, 1)", lambda x: 0 < x < 1

_RANGES: dict[str, tuple[str, Callable[[float], bool], str]] = {
    "lr": (*_POSITIVE, "0.01"),
    "eps": (*_POSITIVE, "1e-8"),
    "momentum": (*_SHARE, "0.9"),
    "alpha": (*_SHARE, "0.99"),
    "betas": (*_SHARE, "(0.9, 0.999)"),
    "shrink": (*_INSIDE, "0.5"),
    "c": (*_INSIDE, "1e-4"),
    "steps": ("a whole number >= 1", lambda x: isinstance(x, int) and x >= 1, "1000"),
    "value_below": ("a number", lambda x: x == x, "1e-6, or None"),
    "step_below": (*_POSITIVE, "1e-6, or None"),
    "gradient_below": (*_POSITIVE, "1e-6, or None"),
}


class Rule:
    """What every rule shares: checked settings, a state, a repr that is its label."""

    def __post_init__(self) -> None:
        may_vary = isinstance(self, GradientRule)
        for name, value in vars(self).items():
            if not (may_vary and name == "lr" and callable(value)):
                require_setting(name, value)

    def init(self, point: Tensor) -> State:
        """Return the state with which the first step is taken: nothing, by default."""
        return ()

    def __repr__(self) -> str:
        defaults = getattr(self, "__dataclass_fields__", {})
        settings = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, Tensor) or value != defaults[name].default
        }
        return f"{type(self).__name__}({', '.join(shown(settings))})"


class Now(NamedTuple):
    """What a rule sees when it steps.

    Parameters
    ----------
    t : int
        The number of the step, from 0; a tensor in a compiled run.
    lr : float or Tensor
        The rate of this very step: a number, or a tensor of shape ``(B, 1)``.
    point, gradient : Tensor
        Where it stands, and the gradient there: shape ``(*B, n)``.
    """

    t: int | Tensor
    lr: float | Tensor
    point: Tensor
    gradient: Tensor


class GradientRule(Rule, ABC):
    """A rule that moves by the gradient alone, at a learning rate `lr`.

    Examples
    --------
    Write your own by inheriting from it as a dataclass with a field `lr`:

    >>> from dataclasses import dataclass
    >>> import torch
    >>> from autodiff_guide.descent import minimize
    >>> @dataclass(frozen=True, eq=False, repr=False)
    ... class SignDescent(GradientRule):
    ...     lr: float
    ...     def step(self, now, state):
    ...         return now.point - now.lr * now.gradient.sign(), state
    >>> start = torch.tensor([3.0, -2.0])
    >>> minimize(lambda x: (x**2).sum(), start, SignDescent(0.5), steps=4).end
    tensor([1., 0.])
    """

    lr: Rate

    @abstractmethod
    def step(self, now: Now, state: State) -> tuple[Tensor, State]:
        """Return the next point and state; nothing passed is changed."""

    def rate(self, point: Tensor) -> RateAt:
        """Return the map from a step's number to its rate, for starts like `point`."""
        lr = self.lr
        if callable(lr):
            return lambda t: _scheduled(lr, t)
        if not isinstance(lr, Tensor) or lr.dim() == 0:
            number = float(lr)
            return lambda t: number
        if lr.shape != point.shape[:-1]:
            raise ValueError(
                f"lr: expected one rate for each start, shape "
                f"{tuple(point.shape[:-1])}, got {tuple(lr.shape)}; "
                "repeat the start, for example start.expand(len(lr), -1)"
            )
        column = lr.detach().to(point).unsqueeze(-1)
        return lambda t: column


@dataclass(frozen=True, eq=False, repr=False)
class GradientDescent(GradientRule):
    r"""Step against the gradient.

    .. math:: x_{t+1} = x_t - \eta\, g_t

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta > 0`; a tensor holds one for each start, a callable maps
        the step number, from 0, to it.

    Raises
    ------
    TypeError
        If `lr` is neither a number, nor a floating-point tensor, nor callable.
    ValueError
        If `lr` is not positive.

    References
    ----------
    .. [1] A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations
       simultanées", Comptes rendus 25, 1847, pages 536-538.

    Examples
    --------
    >>> import torch
    >>> GradientDescent(0.1)
    GradientDescent(lr=0.1)
    >>> GradientDescent(torch.linspace(0.1, 0.3, 41))
    GradientDescent(lr=0.1…0.3 (41))
    """

    lr: Rate

    def step(self, now: Now, state: State) -> tuple[Tensor, State]:
        """Return the next point and state."""
        return _move(now, now.gradient), state


@dataclass(frozen=True, eq=False, repr=False)
class Momentum(GradientRule):
    r"""Gradient descent with a velocity: heavy ball, or Nesterov's.

    .. math:: v_{t+1} = \mu v_t + g_t, \qquad x_{t+1} = x_t - \eta\, v_{t+1}

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta > 0`, as in `GradientDescent`.
    momentum : float
        Share :math:`0 \le \mu < 1` of the velocity kept at each step.
    nesterov : bool
        Move by the look-ahead :math:`g_t + \mu v_{t+1}` instead, as torch does.

    Raises
    ------
    ValueError
        If `lr` is not positive or `momentum` is outside [0, 1).

    References
    ----------
    .. [1] B. T. Polyak, "Some methods of speeding up the convergence of iteration
       methods", 1964, doi:10.1016/0041-5553(64)90137-5.
    .. [2] Y. Nesterov, "A method for solving the convex programming problem with
       convergence rate O(1/k²)", 1983.

    Examples
    --------
    >>> Momentum(lr=0.1)
    Momentum(lr=0.1)
    >>> Momentum(lr=0.1, nesterov=True)
    Momentum(lr=0.1, nesterov=True)
    """

    lr: Rate
    momentum: float = 0.9
    nesterov: bool = False

    def init(self, point: Tensor) -> State:
        """Return the velocity with which the first step is taken: none."""
        return torch.zeros_like(point)

    def step(self, now: Now, state: State) -> tuple[Tensor, State]:
        """Return the next point and velocity."""
        velocity = (state * self.momentum).add_(now.gradient)
        direction = velocity
        if self.nesterov:
            direction = now.gradient.add(velocity, alpha=self.momentum)
        return _move(now, direction), velocity


@dataclass(frozen=True, eq=False, repr=False)
class RMSprop(GradientRule):
    r"""Divide each component by a running root mean square of its gradients.

    .. math:: s_{t+1} = \alpha s_t + (1 - \alpha)\, g_t^2, \qquad
              x_{t+1} = x_t - \eta\, \frac{g_t}{\sqrt{s_{t+1}} + \epsilon}

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta > 0`, as in `GradientDescent`.
    alpha : float
        Share :math:`0 \le \alpha < 1` of the mean square kept at each step.
    eps : float
        Positive number that keeps the division defined.

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive or `alpha` is outside [0, 1).

    References
    ----------
    .. [1] T. Tieleman and G. Hinton, "Lecture 6.5: RMSProp", Neural Networks for
       Machine Learning, 2012.

    Examples
    --------
    >>> RMSprop(alpha=0.9)
    RMSprop(alpha=0.9)
    """

    lr: Rate = 0.01
    alpha: float = 0.99
    eps: float = 1e-8

    def init(self, point: Tensor) -> State:
        """Return the mean square before the first step: zero."""
        return torch.zeros_like(point)

    def step(self, now: Now, state: State) -> tuple[Tensor, State]:
        """Return the next point and mean square."""
        squares = (state * self.alpha).addcmul_(
            now.gradient, now.gradient, value=1 - self.alpha
        )
        return _divide(now, now.gradient, squares.sqrt().add_(self.eps)), squares


@dataclass(frozen=True, eq=False, repr=False)
class Adam(GradientRule):
    r"""Momentum over RMSprop, both corrected for having started at zero.

    .. math::
       \begin{aligned}
       m_{t+1} &= \beta_1 m_t + (1 - \beta_1)\, g_t, \qquad
       s_{t+1} = \beta_2 s_t + (1 - \beta_2)\, g_t^2 \\
       x_{t+1} &= x_t - \frac{\eta}{1 - \beta_1^{t+1}}\,
       \frac{m_{t+1}}{\sqrt{s_{t+1} / (1 - \beta_2^{t+1})} + \epsilon}
       \end{aligned}

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta > 0`, as in `GradientDescent`.
    betas : tuple of float
        Shares :math:`0 \le \beta < 1` of the two running means kept at each step.
    eps : float
        Positive number that keeps the division defined.

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive or one of `betas` is outside [0, 1).

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization",
       ICLR 2015, arXiv:1412.6980.

    Examples
    --------
    >>> Adam(lr=0.1)
    Adam(lr=0.1)
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def init(self, point: Tensor) -> State:
        """Return the two means before the first step: zero."""
        return torch.zeros_like(point), torch.zeros_like(point)

    def step(self, now: Now, state: State) -> tuple[Tensor, State]:
        """Return the next point and running means."""
        (beta1, beta2), (mean, squares) = self.betas, state
        mean = mean.lerp(now.gradient, 1 - beta1)
        squares = (squares * beta2).addcmul_(
            now.gradient, now.gradient, value=1 - beta2
        )
        k = now.t + 1
        root = squares.sqrt().div_((1 - beta2**k) ** 0.5).add_(self.eps)
        return _divide(now, mean, root, 1 - beta1**k), (mean, squares)


def _move(now: Now, direction: Tensor) -> Tensor:
    """Return ``point - lr * direction``, rounded as torch.optim rounds it."""
    if isinstance(now.lr, Tensor):
        return torch.addcmul(now.point, direction, now.lr, value=-1)
    return torch.add(now.point, direction, alpha=-now.lr)


def _divide(
    now: Now, direction: Tensor, root: Tensor, shrunk: float | Tensor = 1.0
) -> Tensor:
    """Return ``point - lr / shrunk * direction / root``, rounded as torch rounds it."""
    lr = now.lr / shrunk
    if isinstance(lr, Tensor):
        return torch.addcdiv(now.point, direction * lr, root, value=-1)
    return torch.addcdiv(now.point, direction, root, value=-lr)


def _scheduled(schedule: Callable[[int], float], t: int) -> float:
    rate = schedule(t)
    if not 0 <= rate < inf:
        raise ValueError(
            f"lr: expected the schedule to give a number >= 0, got {rate} at step {t}; "
            "check the schedule there"
        )
    return float(rate)


def require_setting(name: str, value: Any) -> None:
    """Raise unless a setting, or each number of it, is in the range of its name."""
    if name not in _RANGES:
        return
    wanted, holds, example = _RANGES[name]
    if isinstance(value, Tensor):
        value = tuple(require_floating(name, value).view(-1).tolist())
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(
                f"{name}: expected {wanted}, got {type(number).__name__}; "
                f"try {name}={example}"
            )
        if not holds(number):
            raise ValueError(
                f"{name}: expected {wanted}, got {number}; try {name}={example}"
            )


def shown(settings: dict[str, Any]) -> list[str]:
    """Return settings as a call shows them, with numbers short."""
    return [f"{name}={_show(value)}" for name, value in settings.items()]


def _show(value: object) -> str:
    if isinstance(value, Tensor) and value.dim():
        return f"{value.min():g}…{value.max():g} ({len(value)})"
    if isinstance(value, Tensor | float):
        return f"{value:g}"
    return getattr(value, "__name__", repr(value))
