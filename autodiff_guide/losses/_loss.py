"""What an entry of the catalogue is, and the reductions all entries share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import Generator, Tensor

from autodiff_guide._validate import require_floating, require_tensor


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line through the outputs of a loss, to draw it along.

    Parameters
    ----------
    label : str
        What moves.
    start, stop : float
        Ends of the line.
    operands : callable
        Maps positions ``(n,)`` to the operands of the loss at each of them.
    """

    label: str
    start: float
    stop: float
    operands: Callable[[Tensor], tuple[Tensor, ...]] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Loss:
    r"""A loss with the gradient derived by hand.

    .. math:: \text{loss}(\text{output}, \text{target}), \qquad
        \frac{\partial\, \text{loss}}{\partial\, \text{output}}

    An entry is called as ``loss(output, target, reduction="mean")``, with the
    reductions and the other settings of its twin in ``torch.nn.functional``. What
    the model puts out comes first, the target last.

    Parameters
    ----------
    name : str
        Key in the catalogue.
    formula, gradient_formula : str
        The loss of one sample and its gradient, in LaTeX.
    function : callable
        Value of the loss.
    gradient : callable
        Takes what `function` takes. Returns the gradient by the output, or a tuple
        with one for each output; under ``reduction="none"`` that of the sum.
    torch_twin : callable
        The same loss in torch, operands in our order.
    outputs : tuple of str
        Names of the operands that a model puts out; a target may follow them.
    convex_in : tuple of str
        The outputs in which the loss is convex, taken together.
    source : str
        Where the loss comes from.
    notes : str
        What to know before using it.
    sample : callable
        ``sample(rows, columns, generator=None)``: float64 operands drawn at random.
    line : Line
        Where to draw the loss as a curve.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.losses import CATALOGUE
    >>> mse = CATALOGUE["mse"]
    >>> output, target = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0])
    >>> mse(output, target)
    tensor(2.5000)
    >>> mse.gradient(output, target)
    tensor([-1.,  2.])
    """

    name: str
    formula: str
    gradient_formula: str
    function: Callable[..., Tensor] = field(repr=False)
    gradient: Callable[..., Any] = field(repr=False)
    torch_twin: Callable[..., Tensor] = field(repr=False)
    convex_in: tuple[str, ...]
    source: str
    notes: str
    sample: Callable[..., tuple[Tensor, ...]] = field(repr=False)
    line: Line = field(repr=False)
    outputs: tuple[str, ...] = ("output",)

    def __call__(self, *operands: Tensor, **settings: Any) -> Tensor:
        """Value of the loss: ``function(*operands, **settings)``."""
        return self.function(*operands, **settings)


def elementwise(values: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make a loss of elements a loss of tensors: check the pair, then reduce."""

    @wraps(values)
    def function(
        output: Tensor, target: Tensor, *, reduction: str = "mean", **settings: Any
    ) -> Tensor:
        require_pair(output, target)
        return reduced(values(output, target, **settings), reduction)

    return function


def elementwise_gradient(slopes: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make the slope of one element the gradient of a reduced loss of tensors."""

    @wraps(slopes)
    def gradient(
        output: Tensor, target: Tensor, *, reduction: str = "mean", **settings: Any
    ) -> Tensor:
        require_pair(output, target)
        slope = slopes(output, target, **settings)
        return reduced_gradient(slope, reduction, output.numel())

    return gradient


def reduced(
    values: Tensor, reduction: str, total: Tensor | int | None = None
) -> Tensor:
    """Reduce `values`; their mean is the sum over `total`, by default their number."""
    require_reduction(reduction)
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    return values.mean() if total is None else values.sum() / total


def reduced_gradient(slopes: Tensor, reduction: str, total: Tensor | int) -> Tensor:
    """Turn the gradient of the summed loss into that of the reduced one."""
    require_reduction(reduction)
    return slopes / total if reduction == "mean" else slopes


def require_reduction(reduction: str) -> None:
    """Raise ``ValueError`` unless torch knows this reduction."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}; "
            "take 'none' and reduce the values yourself for any other"
        )


def require_pair(output: Tensor, target: Tensor) -> None:
    """Check the operands of an elementwise loss: same shape, floating output."""
    require_floating("output", output)
    require_tensor("target", target)
    require_shape("target", target, tuple(output.shape))


def require_shape(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless `value` has exactly `shape`: nothing is broadcast."""
    if tuple(value.shape) != shape:
        raise ValueError(
            f"{name}: expected shape {shape}, got {tuple(value.shape)}; "
            "reshape one of the two, a loss would broadcast them silently"
        )


def softplus(x: Tensor) -> Tensor:
    """Logarithm of 1 + eˣ: a log-sum-exp of two, with the slope ½ kept at 0."""
    return torch.logaddexp(x, torch.zeros_like(x))


def random_like(rows: int, columns: int, generator: Generator | None) -> Tensor:
    """Draw a standard normal matrix in float64, where the generator lives."""
    device = "cpu" if generator is None else generator.device
    return torch.randn(
        rows, columns, dtype=torch.float64, device=device, generator=generator
    )
