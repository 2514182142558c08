"""How much gradient reaches each layer of a network, and what stops it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import batchnorm, conv, instancenorm
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_scalar, require_tensor
from autodiff_guide.activations import CATALOGUE

__all__ = ["GradientFlow", "LayerFlow", "Verdict", "gradient_flow"]

SATURATED_BELOW = 1e-2
FAINT, STRONG = 1e-3, 1e3
MOSTLY = 0.5

_HOMES = (torch, Tensor, functional, torch.special)
_WATCHED = {
    getattr(home, spelling)
    for name in {*CATALOGUE, "expit"} - {"identity", "softmax", "log_softmax", "glu"}
    for spelling in (name, name + "_")
    for home in _HOMES
    if hasattr(home, spelling)
}
_BY_CHANNEL = (
    conv._ConvNd,
    batchnorm._NormBase,
    instancenorm._InstanceNorm,
    nn.GroupNorm,
)


class Verdict(Enum):
    """What became of a layer's gradient, and what to try."""

    FINE = "fine", "its gradient is of the order of the last layer's."
    VANISHING = (
        "vanishing",
        "its gradient is less than a thousandth of the last layer's; try ReLU or its "
        "kin, a larger initialization, normalization, skip connections.",
    )
    EXPLODING = (
        "exploding",
        "its gradient is more than a thousand times the last layer's; try a smaller "
        "initialization, normalization, clip_grad_norm_.",
    )
    DEAD = (
        "dead",
        "half of its units or more have slope zero for every input; try a smaller lr, "
        "a bias near zero, LeakyReLU.",
    )
    BLOCKED = (
        "blocked",
        "every unit of a later layer is dead, so nothing comes back; mend that layer "
        "first.",
    )
    UNREACHED = (
        "unreached",
        "the loss does not depend on it; look for detach(), no_grad, or a layer that "
        "forward() does not use.",
    )
    NOT_FINITE = (
        "not finite",
        "its gradient holds NaN or infinity; try a smaller lr, and "
        "torch.autograd.detect_anomaly() to find where it was born.",
    )

    def __init__(self, word: str, sentence: str) -> None:
        self.word = word
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.word}: {self.sentence}"


@dataclass(frozen=True)
class LayerFlow:
    """What :func:`gradient_flow` measured at one layer.

    Parameters
    ----------
    name, kind : str
        Its name in the module, and its class.
    gradient : float
        Norm of the loss's gradient with respect to its own parameters.
    relative : float
        The same, divided by that of the last layer.
    dead : float or None
        Share of its units whose activation has slope zero for every input; None where
        no activation follows.
    saturated : float or None
        Share of slopes, over units and inputs, smaller than 1e-2 in size.
    verdict : Verdict
        What that means: its ``word``, and a ``sentence`` with what to try.
    """

    name: str
    kind: str
    gradient: float
    relative: float
    dead: float | None
    saturated: float | None
    verdict: Verdict


@dataclass(frozen=True)
class GradientFlow(Printed):
    """The gradient's way back through a network: its layers, first to last."""

    loss: float
    layers: tuple[LayerFlow, ...]

    @property
    def ratio(self) -> float:
        """The first layer's gradient norm divided by the last layer's."""
        return self.layers[0].relative

    def _notes(self) -> list[str]:
        return list(dict.fromkeys(str(layer.verdict) for layer in self.layers))

    def _table(self) -> Table:
        return Table(
            f"Gradient flow at loss {self.loss:.4g}",
            [
                (
                    layer.name,
                    layer.kind,
                    f"{layer.gradient:.2e}",
                    f"{layer.relative:.1e}",
                    _percent(layer.dead),
                    _percent(layer.saturated),
                    layer.verdict.word,
                )
                for layer in self.layers
            ],
            ("layer", "kind", "gradient", "to last", "dead", "saturated", "verdict"),
        )


def gradient_flow(
    module: nn.Module, loss: Callable[[Tensor, Any], Tensor], data: Sequence[Any]
) -> GradientFlow:
    r"""Run `module` forward and backward once, and say what reaches each layer.

    For each layer with parameters :math:`w_k` of its own, in the order of the forward
    pass, it gives :math:`\lVert \partial L / \partial w_k \rVert` and, of the slopes
    :math:`f'` of the activations that follow it, the share of units that are dead
    (:math:`f' = 0` for every input) and of slopes that are saturated
    (:math:`|f'| < 10^{-2}`). Activations are seen as modules and as functions.

    Nothing of the module changes: not its parameters, their ``.grad``, its buffers, its
    mode, its hooks, nor the random state.

    Parameters
    ----------
    module : nn.Module
        The network, in the mode in which it shall be measured.
    loss : callable
        ``loss(output, target)``, a scalar tensor.
    data : tuple
        One batch ``(inputs, targets)``: ``module(inputs)`` is the output that `loss`
        compares with the targets.

    Returns
    -------
    GradientFlow
        One :class:`LayerFlow` a layer, each with its verdict.

    Raises
    ------
    TypeError
        If `module` is no module, `data` no pair, its inputs, the output or the loss
        no tensor.
    ValueError
        If the loss is not scalar or depends on no parameter.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from torch.nn import functional
    >>> net = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> with torch.no_grad():
    ...     _ = net[0].bias.fill_(-20.0)
    >>> x = torch.linspace(-1, 1, 8).unsqueeze(-1)
    >>> flow = gradient_flow(net, functional.mse_loss, (x, x**2))
    >>> flow.layers[0].dead
    1.0
    >>> print(flow.layers[0].verdict)
    dead: half of its units or more have slope zero for every input; try a smaller lr,
    a bias near zero, LeakyReLU.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module: expected an nn.Module, got {type(module).__name__}; "
            "wrap a function in a module that holds its parameters"
        )
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(
            f"data: expected one batch (inputs, targets), got {type(data).__name__}; "
            "of a DataLoader take next(iter(loader))"
        )
    inputs, targets = require_tensor("inputs", data[0]), data[1]
    parameters = {
        name: parameter.detach().requires_grad_()
        for name, parameter in module.named_parameters()
        if parameter.is_floating_point()
    }
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    watch = _Watch()
    devices = [inputs.device] if inputs.is_cuda else []
    weighted = {
        layer: path
        for path, layer in module.named_modules()
        if [*layer.parameters(recurse=False)]
    }

    def passing(layer: nn.Module, inputs: object) -> None:
        if layer in weighted:
            watch.enter(weighted[layer], layer)

    with torch.enable_grad(), torch.random.fork_rng(devices):
        with watch, register_module_forward_pre_hook(passing):
            output = torch.func.functional_call(
                module, {**parameters, **buffers}, (inputs,)
            )
        value = _followed_loss(output, targets, loss)
    found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    gradients = dict(zip(parameters, found, strict=True))
    for layer, path in weighted.items():
        own = [names[id(each)] for each in layer.parameters(recurse=False)]
        row = watch.rows.get(layer) or watch.insert(path, layer)
        row.norm = _norm([gradients.get(name) for name in own])
    return GradientFlow(float(value.detach()), _judged(list(watch.rows.values())))


@dataclass
class _Row:
    """One layer, while it is being measured."""

    name: str
    layer: nn.Module
    alive: Tensor | None = None
    saturated: list[Tensor] = field(default_factory=list)
    norm: float | None = None
    in_order: bool = True

    def see(self, before: Tensor, value: Tensor) -> None:
        ones = torch.ones_like(value)
        (slope,) = torch.autograd.grad(value, before, ones, retain_graph=True)
        size = slope.abs_()
        by_channel = isinstance(self.layer, _BY_CHANNEL) and size.ndim > 2
        unit = 1 if by_channel else size.ndim - 1
        others = [dim for dim in range(size.ndim) if dim != unit]
        alive = (size.amax(others) if others else size) != 0
        if self.alive is not None and self.alive.shape == alive.shape:
            alive = self.alive | alive
        self.alive = alive
        self.saturated.append(size.lt_(SATURATED_BELOW).mean())


class _Watch(TorchFunctionMode):
    """Sees each activation of a forward pass, and whose output it was applied to."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[nn.Module, _Row] = {}
        self.current: _Row | None = None

    def enter(self, name: str, layer: nn.Module) -> None:
        row = self.rows.setdefault(layer, _Row(name, layer))
        if not isinstance(layer, nn.PReLU):  # it is its predecessor's activation
            self.current = row

    def insert(self, name: str, layer: nn.Module) -> _Row:
        """Add a layer that was not called: behind the one that may use its weights.

        MultiheadAttention does so with its projection. Without such a one its place in
        the forward pass is not known, and it is shown at the end.
        """
        names = [row.name for row in self.rows.values()]
        users = [user for user in names if name.startswith(f"{user}.")]
        row = _Row(name, layer, in_order=bool(users))
        rows = {}
        for other, there in self.rows.items():
            rows[other] = there
            if users and there.name == users[-1]:
                rows[layer] = row
        self.rows = {**rows, layer: row}
        return row

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self.current is None or func not in _WATCHED:
            return func(*args, **kwargs)
        if _in_place(func, args, kwargs):
            before = args[0].detach().clone().requires_grad_()
            self.current.see(before, func(before.clone(), *args[1:], **kwargs))
            return func(*args, **kwargs)
        value = func(*args, **kwargs)
        if value.requires_grad and args[0].requires_grad:
            self.current.see(args[0], value)
        return value


def _in_place(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    flags = (*args[1:], kwargs.get("inplace"))
    return func.__name__.endswith("_") or any(flag is True for flag in flags)


def _followed_loss(
    output: object, targets: Any, loss: Callable[[Tensor, Any], Tensor]
) -> Tensor:
    if not isinstance(output, Tensor):
        raise TypeError(
            f"module: expected a torch.Tensor as output, got {type(output).__name__}; "
            "wrap the module in one that returns the tensor the loss needs"
        )
    value = require_scalar("loss", loss(output, targets))
    if not value.requires_grad:
        raise ValueError(
            "loss: expected a value that depends on a parameter of module, got one "
            "without history; look for detach(), no_grad or a module with no parameters"
        )
    return value


def _norm(gradients: list[Tensor | None]) -> float | None:
    """Return the norm of those there are; None if there are none."""
    norms = [
        float(
            torch.linalg.vector_norm(
                each.coalesce().values() if each.is_sparse else each
            )
        )
        for each in gradients
        if each is not None
    ]
    return math.hypot(*norms) if norms else None


def _judged(rows: list[_Row]) -> tuple[LayerFlow, ...]:
    """Judge the layers, the last first: it is what the others are compared with."""
    in_order = sorted(rows, key=lambda row: row.in_order)
    last = next(row.norm for row in reversed(in_order) if row.norm is not None)
    blocked = False
    layers = []
    for row in reversed(rows):
        norm = 0.0 if row.norm is None else row.norm
        dead = None if row.alive is None else 1 - float(row.alive.float().mean())
        saturated = float(torch.stack(row.saturated).mean()) if row.saturated else None
        layers.append(
            LayerFlow(
                name=row.name or "(module)",
                kind=type(row.layer).__name__,
                gradient=norm,
                relative=norm / last if last else float("nan"),
                dead=dead,
                saturated=saturated,
                verdict=_verdict(row.norm, last, dead, blocked),
            )
        )
        blocked = blocked or (dead == 1 and norm == 0)
    return tuple(reversed(layers))


def _verdict(
    norm: float | None, last: float, dead: float | None, blocked: bool
) -> Verdict:
    if norm is None:
        return Verdict.UNREACHED
    if not norm < float("inf"):
        return Verdict.NOT_FINITE
    if dead is not None and dead >= MOSTLY:
        return Verdict.DEAD
    if blocked and norm == 0:
        return Verdict.BLOCKED
    if norm < FAINT * last:
        return Verdict.VANISHING
    if norm > STRONG * last:
        return Verdict.EXPLODING
    return Verdict.FINE


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
