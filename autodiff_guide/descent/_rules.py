r"""Rules of descent that need one gradient a step.

To add one, write a dataclass with a field `lr` and a method `step`; it sees the step's
number, the rate, the point and the gradient as one `Now`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from autodiff_guide._validate import require_floating, require_like, require_number

Rate: TypeAlias = float | Tensor | Callable[[int], float]
RateAt: TypeAlias = Callable[[int], float | Tensor]
State: TypeAlias = Any

_ELEMENTWISE: tuple[str, ...] = (
    *("SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax"),
    *("NAdam", "RAdam", "RMSprop", "Rprop", "ASGD"),
)
_BELOW = {"lr": inf, "eps": inf, "momentum": 1, "alpha": 1, "betas": 1}  # from 0 on


class Rule:
    """What every rule shares: checked settings, a state, a repr that is its label."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if isinstance(value, Tensor):
                numbers = tuple(require_floating(name, value).flatten().tolist())
            for number in numbers:
                if name in _BELOW and not callable(number):
                    require_number(name, number, 0, _BELOW[name])

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
        return _as_call(type(self).__name__, [], settings)


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

            def scheduled(t: int) -> float:
                number = float(lr(t))
                require_number(f"lr: the schedule at step {t}", number, 0)
                return number

            return scheduled
        if not isinstance(lr, Tensor) or lr.dim() == 0:
            number = float(lr)
            return lambda t: number
        rates = lr.detach().to(point)
        require_like("lr", rates, point[..., 0], "starts, each of which has its own")
        column = rates.unsqueeze(-1)
        return lambda t: column


@dataclass(frozen=True, eq=False, repr=False)
class GradientDescent(GradientRule):
    r"""Step against the gradient.

    .. math:: x_{t+1} = x_t - \eta\, g_t

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta \ge 0`; a tensor holds one for each start, a callable maps
        the step number, from 0, to it.

    Raises
    ------
    TypeError
        If `lr` is neither a number, nor a floating-point tensor, nor callable.
    ValueError
        If `lr` is negative.

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
        Step size :math:`\eta \ge 0`, as in `GradientDescent`.
    momentum : float
        Share :math:`0 \le \mu < 1` of the velocity kept at each step.
    nesterov : bool
        Move by the look-ahead :math:`g_t + \mu v_{t+1}` instead, as torch does.

    Raises
    ------
    ValueError
        If `lr` is negative or `momentum` is outside [0, 1).

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
        Step size :math:`\eta \ge 0`, as in `GradientDescent`.
    alpha : float
        Share :math:`0 \le \alpha < 1` of the mean square kept at each step.
    eps : float
        Number from 0 on, added to the root; above 0 it keeps the division defined.

    Raises
    ------
    ValueError
        If `lr` or `eps` is negative or `alpha` is outside [0, 1).

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
        Step size :math:`\eta \ge 0`, as in `GradientDescent`.
    betas : tuple of float
        Shares :math:`0 \le \beta < 1` of the two running means kept at each step.
    eps : float
        Number from 0 on, added to the root; above 0 it keeps the division defined.

    Raises
    ------
    ValueError
        If `lr` or `eps` is negative or one of `betas` is outside [0, 1).

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


class FromTorch(GradientRule):
    """One of torch's optimizers, for one start or for many at once.

    All starts share one optimizer, so it must treat every number by itself. These do:
    SGD, Adam, AdamW, Adagrad, Adadelta, Adamax, NAdam, RAdam, RMSprop, Rprop, ASGD.
    `minimize` also takes the class itself, or a function that makes an instance, such
    as ``functools.partial(torch.optim.Adam, lr=0.1)``.

    Parameters
    ----------
    optimizer : callable
        A class of ``torch.optim`` from the list above, or what makes one of its
        instances from a list of parameters.
    **settings
        Passed to it, for example ``lr=0.1``. The learning rate is a number, or a
        function of the step, from 0.

    Raises
    ------
    ValueError
        If the optimizer mixes the numbers of its parameter, as LBFGS does.
    TypeError
        If `optimizer` makes no optimizer of torch's.

    Examples
    --------
    >>> FromTorch(torch.optim.NAdam, lr=0.1)
    FromTorch(NAdam, lr=0.1)
    """

    lr: Rate = 1.0  # unless it is scheduled, the optimizer steps by its own

    def __init__(self, optimizer: Callable[..., Optimizer], **settings: Any) -> None:
        make = partial(optimizer, **settings)
        self.settings = make.keywords
        if callable(rate := make.keywords.get("lr")):
            self.lr, make = rate, partial(make, lr=rate(0))
        self.make = make
        made: object = make([torch.zeros(1, requires_grad=True)])  # checks settings
        self.name = type(made).__name__
        known = isinstance(made, Optimizer)
        if not known or self.name not in _ELEMENTWISE:
            raise (ValueError if known else TypeError)(
                "optimizer: expected one of torch.optim that treats each number by "
                f"itself ({', '.join(_ELEMENTWISE)}), got {self.name}; BFGS() and "
                "Newton() know the others' trade"
            )

    def __repr__(self) -> str:
        return _as_call("FromTorch", [self.name], self.settings)

    def init(self, point: Tensor) -> State:
        """Return an optimizer of a copy of `point`."""
        parameter = point.detach().clone().requires_grad_()
        return parameter, self.make([parameter])

    def step(self, now: Now, state: State) -> tuple[Tensor, State]:
        """Return the next point; the optimizer in `state` moves along."""
        parameter, optimizer = state
        parameter.grad = now.gradient
        if callable(self.lr):
            optimizer.param_groups[0]["lr"] = now.lr
        optimizer.step()
        return parameter.detach().clone(), state


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


def _as_call(name: str, operands: list[str], settings: dict[str, Any]) -> str:
    """Return a call as one writes it, with numbers short."""
    named = [f"{name}={_show(value)}" for name, value in settings.items()]
    return f"{name}({', '.join(operands + named)})"


def _show(value: object) -> str:
    if isinstance(value, Tensor) and value.dim():
        return f"{value.min():g}…{value.max():g} ({len(value)})"
    if isinstance(value, Tensor | float):
        return f"{value:g}"
    return getattr(value, "__name__", repr(value))
