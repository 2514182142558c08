"""Rules of descent that need one gradient a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from math import isfinite
from typing import Any, TypeAlias

import torch
from torch import Tensor

Rate: TypeAlias = float | Tensor | Callable[[int], float]
State: TypeAlias = Any


class Rule(ABC):
    """What every rule shares: a state, and a repr that serves as legend label."""

    @abstractmethod
    def init(self, point: Tensor) -> State:
        """Return the state with which the first step is taken."""

    def __repr__(self) -> str:
        own: tuple[Field[Any], ...] = fields(self) if is_dataclass(self) else ()
        settings = [
            f"{field.name}={_show(value)}"
            for field in own
            if not _is_default(value := getattr(self, field.name), field.default)
        ]
        return f"{type(self).__name__}({', '.join(settings)})"


class GradientRule(Rule):
    """A rule that moves by the gradient alone, at a learning rate `lr`.

    Write your own by inheriting from it as a dataclass with a field `lr`.
    """

    lr: Rate

    def __post_init__(self) -> None:
        require_rate(self.lr)

    def init(self, point: Tensor) -> State:
        """Return the state with which the first step is taken: nothing, here."""
        return ()

    @abstractmethod
    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and state; nothing passed is changed.

        `t` counts from 0 and `lr` is the rate of this very step: a number, or a
        tensor of shape ``(B, 1)``.
        """


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

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and state."""
        return _move(point, gradient, lr), state


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

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share("momentum", self.momentum)

    def init(self, point: Tensor) -> State:
        """Return the velocity with which the first step is taken: none."""
        return torch.zeros_like(point)

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and velocity."""
        velocity = (state * self.momentum).add_(gradient)
        direction = velocity
        if self.nesterov:
            direction = gradient.add(velocity, alpha=self.momentum)
        return _move(point, direction, lr), velocity


def _move(point: Tensor, direction: Tensor, lr: float | Tensor) -> Tensor:
    """Return ``point - lr * direction``, rounded as torch.optim rounds it."""
    if isinstance(lr, Tensor):
        return torch.addcmul(point, direction, lr, value=-1)
    return torch.add(point, direction, alpha=-lr)


def require_rate(lr: object) -> None:
    """Raise unless `lr` is a positive number or tensor, or a schedule."""
    if isinstance(lr, Tensor):
        if not lr.is_floating_point() or lr.dim() > 1 or lr.numel() == 0:
            raise TypeError(
                f"lr: expected a floating-point tensor of shape () or (B,), got "
                f"{lr.dtype} of shape {tuple(lr.shape)}; give one rate for each start"
            )
        if not bool((lr.isfinite() & (lr > 0)).all()):
            raise ValueError(
                f"lr: expected rates > 0, got {lr.min():g} to {lr.max():g}; "
                "descent steps against the gradient by itself"
            )
    elif not callable(lr):
        require_positive("lr", lr)


def require_positive(name: str, value: object) -> None:
    """Raise unless `value` is a finite number > 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"{name}: expected a number, got {type(value).__name__}; try {name}=0.01"
        )
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{name}: expected a number > 0, got {value}; try {name}=0.01")


def require_share(name: str, value: float) -> None:
    """Raise unless ``0 <= value < 1``."""
    if not 0 <= value < 1:
        raise ValueError(
            f"{name}: expected a number in [0, 1), got {value}; try {name}=0.9"
        )


def _is_default(value: object, default: object) -> bool:
    return default is not MISSING and type(value) is type(default) and value == default


def _show(value: object) -> str:
    if isinstance(value, Tensor):
        if value.dim() == 0:
            return f"{value:g}"
        return f"{value.min():g}…{value.max():g} ({len(value)})"
    if isinstance(value, float):
        return f"{value:g}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return repr(value)
