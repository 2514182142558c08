"""torch's own optimizers as rules; change here which of them may be used, and how."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from autodiff_guide.descent._rules import GradientRule, Now, Rate, State, shown

_ELEMENTWISE: tuple[str, ...] = (
    *("SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax"),
    *("NAdam", "RAdam", "RMSprop", "Rprop", "ASGD"),
)


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
        If `optimizer` makes no optimizer of torch's, or `lr` is a tensor.

    Examples
    --------
    >>> FromTorch(torch.optim.NAdam, lr=0.1)
    FromTorch(NAdam, lr=0.1)
    """

    lr: Rate = 1.0  # unless it is scheduled, the optimizer steps by its own

    def __init__(self, optimizer: Callable[..., Optimizer], **settings: Any) -> None:
        if isinstance(optimizer, partial) and not optimizer.args:
            settings, optimizer = optimizer.keywords | settings, optimizer.func
        rate = settings.get("lr", 1.0)
        if isinstance(rate, Tensor):
            raise TypeError(
                "lr: expected a number or a function of the step, got a tensor; "
                "a rule of our own, for example Adam(lr=...), takes one"
            )
        self.settings = settings
        if callable(rate):
            self.lr, settings = rate, settings | {"lr": rate(0)}
        made: object = optimizer
        if callable(optimizer):  # torch checks its settings now, not in the loop
            self.make = partial(optimizer, **settings)
            made = self.make([torch.zeros(1, requires_grad=True)])
        self.name = type(made).__name__
        known = isinstance(made, Optimizer)
        if not known or self.name not in _ELEMENTWISE:
            raise (ValueError if known else TypeError)(
                "optimizer: expected one of torch.optim that treats each number by "
                f"itself ({', '.join(_ELEMENTWISE)}), got {self.name}; BFGS() and "
                "Newton() know the others' trade"
            )

    def __repr__(self) -> str:
        return f"FromTorch({', '.join([self.name, *shown(self.settings)])})"

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
