"""Rules of descent that give each component a rate of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide.descent.rules import (
    GradientRule,
    Rate,
    State,
    require_positive,
    require_share,
)


@dataclass(frozen=True, eq=False, repr=False)
class Adagrad(GradientRule):
    r"""Divide each component by the root of the sum of its squared gradients.

    .. math:: s_{t+1} = s_t + g_t^2, \qquad
              x_{t+1} = x_t - \eta\, \frac{g_t}{\sqrt{s_{t+1}} + \epsilon}

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta > 0`, as in `GradientDescent`.
    eps : float
        Positive number that keeps the division defined.

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive.

    References
    ----------
    .. [1] J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online
       learning and stochastic optimization", JMLR 12, 2011.

    Examples
    --------
    >>> Adagrad(lr=0.5)
    Adagrad(lr=0.5)
    """

    lr: Rate = 0.01
    eps: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("eps", self.eps)

    def init(self, point: Tensor) -> State:
        """Return the sum of squares before the first step: zero."""
        return torch.zeros_like(point)

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and sum of squares."""
        squares = state.addcmul(gradient, gradient)
        return _divide(point, gradient, squares.sqrt().add_(self.eps), lr), squares


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

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share("alpha", self.alpha)
        require_positive("eps", self.eps)

    def init(self, point: Tensor) -> State:
        """Return the mean square before the first step: zero."""
        return torch.zeros_like(point)

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and mean square."""
        squares = (state * self.alpha).addcmul_(
            gradient, gradient, value=1 - self.alpha
        )
        return _divide(point, gradient, squares.sqrt().add_(self.eps), lr), squares


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

    def __post_init__(self) -> None:
        super().__post_init__()
        for beta in self.betas:
            require_share("betas", beta)
        require_positive("eps", self.eps)

    def init(self, point: Tensor) -> State:
        """Return the two means before the first step: zero."""
        return torch.zeros_like(point), torch.zeros_like(point)

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and running means."""
        beta1, beta2 = self.betas
        mean, squares = state
        mean = mean.lerp(gradient, 1 - beta1)
        squares = (squares * beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = squares.sqrt().div_((1 - beta2 ** (t + 1)) ** 0.5).add_(self.eps)
        return _divide(point, mean, root, lr / (1 - beta1 ** (t + 1))), (mean, squares)


@dataclass(frozen=True, eq=False, repr=False)
class AdamW(Adam):
    r"""Adam after shrinking the point towards zero.

    .. math:: x_{t+1} = \text{Adam}\bigl((1 - \eta \lambda)\, x_t,\; g_t\bigr)

    Parameters
    ----------
    lr : float or Tensor or callable
        Step size :math:`\eta > 0`, as in `GradientDescent`.
    betas : tuple of float
        Shares :math:`0 \le \beta < 1` of the two running means kept at each step.
    eps : float
        Positive number that keeps the division defined.
    weight_decay : float
        Strength :math:`\lambda \ge 0` of the shrinking.

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, one of `betas` is outside [0, 1) or
        `weight_decay` is negative.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization",
       ICLR 2019, arXiv:1711.05101.

    Examples
    --------
    >>> AdamW(lr=0.1, weight_decay=0.1)
    AdamW(lr=0.1, weight_decay=0.1)
    """

    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(
                f"weight_decay: expected a number >= 0, got {self.weight_decay}; "
                "Adam has none"
            )

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point and running means."""
        shrunk = point * (1 - lr * self.weight_decay)
        return super().step(t, lr, shrunk, gradient, state)


def _divide(
    point: Tensor, direction: Tensor, root: Tensor, lr: float | Tensor
) -> Tensor:
    """Return ``point - lr * direction / root``, rounded as torch.optim rounds it."""
    if isinstance(lr, Tensor):
        return torch.addcdiv(point, direction * lr, root, value=-1)
    return torch.addcdiv(point, direction, root, value=-lr)
