"""torch's own optimizers as rules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from autodiff_guide.descent.rules import GradientRule, Rate, State

_ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.ASGD,
)


class FromTorch(GradientRule):
    """One of torch's optimizers, for one start or for many at once.

    All starts share one optimizer, so it must treat every number by itself. These do:
    SGD, Adam, AdamW, Adagrad, Adadelta, Adamax, NAdam, RAdam, RMSprop, Rprop, ASGD.

    Parameters
    ----------
    optimizer : type
        A class of ``torch.optim``, from the list above.
    **settings
        Passed to it, for example ``lr=0.1``; the learning rate must be a number.

    Raises
    ------
    ValueError
        If `optimizer` mixes the numbers of its parameter, as LBFGS does.
    TypeError
        If `optimizer` is not a class of ``torch.optim`` or `lr` is not a number.

    Examples
    --------
    >>> FromTorch(torch.optim.NAdam, lr=0.1)
    FromTorch(NAdam, lr=0.1)
    """

    lr: Rate = 1.0  # unused: the optimizer steps by its own

    def __init__(self, optimizer: type[Optimizer], **settings: Any) -> None:
        if not (isinstance(optimizer, type) and issubclass(optimizer, Optimizer)):
            raise TypeError(
                f"optimizer: expected a class of torch.optim, got {optimizer!r}; "
                "try FromTorch(torch.optim.Adam, lr=0.1)"
            )
        if optimizer not in _ELEMENTWISE:
            names = ", ".join(known.__name__ for known in _ELEMENTWISE)
            raise ValueError(
                f"optimizer: expected one that treats each number by itself ({names}), "
                f"got {optimizer.__name__}; BFGS() and Newton() know the others' trade"
            )
        rate = settings.get("lr", 1.0)
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(
                f"lr: expected a number, got {type(rate).__name__}; a rule of our own, "
                "for example Adam(lr=...), takes a tensor or a schedule"
            )
        self.optimizer, self.settings = optimizer, settings
        self.init(torch.zeros(1))  # torch checks its settings now, not in the loop

    def __repr__(self) -> str:
        settings = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.settings.items()
        ]
        return f"FromTorch({', '.join([self.optimizer.__name__, *settings])})"

    def init(self, point: Tensor) -> State:
        """Return an optimizer of a copy of `point`."""
        parameter = point.detach().clone().requires_grad_()
        return parameter, self.optimizer([parameter], **self.settings)

    def step(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        point: Tensor,
        gradient: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Return the next point; the optimizer in `state` moves along."""
        parameter, optimizer = state
        parameter.grad = gradient
        optimizer.step()
        return parameter.detach().clone(), state
