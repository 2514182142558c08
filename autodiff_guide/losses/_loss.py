"""What the catalogue knows of a loss: its fields, what it refuses, its reductions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from autodiff_guide._validate import require_floating, require_tensor
from autodiff_guide.losses._operands import REAL, Line, Operand

_PAIR = {"output": REAL, "target": REAL}


def number_of_targets(*operands: Tensor, **settings: Any) -> int:
    """Return how many numbers the last operand holds."""
    return operands[-1].numel()


@dataclass(frozen=True, eq=False, repr=False)
class Loss:
    r"""A loss: torch's function for the value, the gradient derived by hand.

    .. math:: \text{loss}(\text{output}, \text{target}), \qquad
        \frac{\partial\, \text{loss}}{\partial\, \text{output}}

    An entry is called as ``loss(output, target, reduction="mean")``, with the
    reductions and the other settings of torch's function. What the model puts out
    comes first, the target last.

    Parameters
    ----------
    name : str
        Its key in ``CATALOGUE``: the name of torch's function.
    title : str
        Its name in words.
    formula, gradient_formula : str
        The loss of one sample and its gradient, in LaTeX.
    function : callable
        torch's function, operands in our order.
    by_hand : callable
        The gradient of the sum, or a tuple with one for each output, of the same
        operands and settings but `reduction`; call `gradient`, which checks them.
    source : str
        Where the loss comes from: a key of the guide's bibliography.
    line : Line
        Where to draw the loss as a curve.
    operands : mapping
        The operands' names, in order, and of which kind each is; by default output
        and target, two tensors of real numbers.
    count : callable
        By how much the mean divides, of the operands and settings.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.losses import CATALOGUE
    >>> mse = CATALOGUE["mse_loss"]
    >>> mse
    <Loss mse_loss: (x - y)^2>
    >>> output, target = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0])
    >>> mse(output, target)
    tensor(2.5000)
    >>> mse.gradient(output, target)
    tensor([-1.,  2.])
    """

    name: str
    title: str
    formula: str
    gradient_formula: str
    function: Callable[..., Tensor]
    by_hand: Callable[..., Any]
    source: str
    line: Line
    operands: Mapping[str, Operand] = field(default_factory=lambda: _PAIR)
    count: Callable[..., Tensor | int] = number_of_targets

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the operands that a model puts out: all but the target."""
        return tuple(name for name in self.operands if name != "target")

    def __call__(
        self, *operands: Tensor, reduction: str = "mean", **settings: Any
    ) -> Tensor:
        """Return the value of the loss, torch's own.

        Raises
        ------
        TypeError
            If an operand is missing, is no tensor, or is an output of integers.
        ValueError
            If the shapes do not fit, which torch would broadcast, or at an unknown
            reduction.
        """
        self._require(operands, reduction)
        return self.function(*operands, reduction=reduction, **settings)

    def gradient(
        self, *operands: Tensor, reduction: str = "mean", **settings: Any
    ) -> Any:
        """Return the gradient by hand.

        Parameters
        ----------
        *operands : Tensor
            Those of the loss.
        reduction : {"none", "mean", "sum"}
            Under ``"none"`` the gradient is that of the sum.
        **settings
            Those in the formula; of a cross-entropy also ``weight``, ``ignore_index``
            and ``label_smoothing``.

        Returns
        -------
        Tensor or tuple of Tensor
            The gradient by the output, or one for each of several outputs.

        Raises
        ------
        TypeError, ValueError
            As the loss itself, and where a class is none of those there are.
        """
        self._require(operands, reduction)
        slopes = self.by_hand(*operands, **settings)
        if reduction != "mean":
            return slopes
        count = self.count(*operands, **settings)
        if isinstance(slopes, tuple):
            return tuple(slope / count for slope in slopes)
        return slopes / count

    def sample(
        self, rows: int, columns: int, generator: Generator | None = None
    ) -> tuple[Tensor, ...]:
        """Draw float64 operands at random, each of its kind, on the generator's device.

        Parameters
        ----------
        rows, columns : int
            Number of samples, and of outputs or classes of each.
        generator : Generator, optional
            By default torch's own, on the CPU.

        Returns
        -------
        tuple of Tensor
        """
        size = len(self.operands), rows, columns
        draws = torch.randn(
            size,
            generator=generator,
            device=generator.device if generator else "cpu",
            dtype=torch.float64,
        )
        kinds = self.operands.values()
        return tuple(kind.draw(each) for kind, each in zip(kinds, draws, strict=True))

    def curve(self, points: int = 201) -> tuple[Tensor, Tensor, Tensor]:
        """Return positions along `line`, the values there, and the slopes by hand.

        Parameters
        ----------
        points : int
            How many.

        Returns
        -------
        tuple of Tensor
            Three of shape ``(points,)``, float64.
        """
        line = self.line
        t = torch.linspace(line.start, line.stop, points, dtype=torch.float64)
        operands = line.operands(t)
        gradients = self.gradient(*operands, reduction="none")
        if isinstance(gradients, tuple):
            gradients = gradients[line.moving]
        direction = torch.tensor(line.direction, dtype=t.dtype)
        slopes = (gradients * direction).reshape(points, -1).sum(1)
        return t, self(*operands, reduction="none"), slopes

    def __repr__(self) -> str:
        return f"<Loss {self.name}: {self.formula}>"

    def _require(self, operands: tuple[Tensor, ...], reduction: str) -> None:
        """Check the operands' number, types and shapes, and the reduction."""
        if len(operands) != len(self.operands):
            raise TypeError(
                f"{self.name}: expected {' and '.join(self.operands)}, "
                f"got {len(operands)} operands; pass settings by keyword"
            )
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(
                f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}; "
                "take 'none' and reduce the values yourself for any other"
            )
        for operand, (name, kind) in zip(operands, self.operands.items(), strict=True):
            require = require_tensor if name == "target" else require_floating
            require(name, operand)
            require_shape(name, operand, kind.shape(operands[0], operand))


def require_shape(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless `value` has exactly `shape`: nothing is broadcast."""
    if tuple(value.shape) != shape:
        raise ValueError(
            f"{name}: expected shape {shape}, got {tuple(value.shape)}; "
            "reshape one of the two, a loss would broadcast them silently"
        )
