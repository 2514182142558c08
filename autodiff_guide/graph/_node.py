"""What is known of one step: add a field of a node here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Value = Tensor | float | None
ENTRIES_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a computation: what was done, what came out, and its gradient.

    Parameters
    ----------
    operation : str
        What was done, in words: ``"×"``, ``"relu"``; of a leaf what it is, ``"input"``.
    value : Tensor, float or None
        The result.
    gradient : Tensor, float or None
        Derivative of the graph's output with respect to `value`; None where the output
        does not depend on it, or nothing was recorded.
    edges : mapping of Node to float or None
        What the step was computed from; for each the derivative of this value with
        respect to it, all else held fixed; None where one of the two is not a single
        number.
    name : str
        The variable that holds it, if any.
    saved : bool
        Whether backward needs the value, and keeps it.
    grad_fn : str
        torch's name for the way back; empty for a leaf.

    Examples
    --------
    >>> a = Node("input", 3.0, 2.0, name="a")
    >>> print(Node("×", 6.0, 1.0, {a: 2.0}, name="y"))
    y = × of a: 6, gradient 1
    """

    operation: str
    value: Value = None
    gradient: Value = None
    edges: Mapping[Node, float | None] = field(default_factory=dict, repr=False)
    name: str = ""
    saved: bool = False
    grad_fn: str = ""

    @property
    def parents(self) -> tuple[Node, ...]:
        """What it was computed from."""
        return tuple(self.edges)

    @property
    def is_leaf(self) -> bool:
        """Whether it was given, not computed."""
        return not self.edges

    @property
    def label(self) -> str:
        """Its name, or else its operation."""
        return self.name or self.operation

    def __str__(self) -> str:
        name = f"{self.name} = " if self.name else ""
        source = ", ".join(parent.label for parent in self.parents)
        made = f"{self.operation} of {source}" if source else self.operation
        return f"{name}{made}: {show(self.value)}, gradient {show(self.gradient)}"


def show(value: Value) -> str:
    """Write a number as it is, a tensor by shape and range."""
    if value is None:
        return "none"
    if not isinstance(value, Tensor):
        return f"{value:.4g}"
    if value.numel() == 1 and not value.is_complex():
        return f"{value.item():.4g}"
    shape = "×".join(map(str, value.shape))
    if not value.numel() or value.is_complex():
        return shape
    if value.ndim == 1 and value.numel() <= ENTRIES_SHOWN:
        return "[" + ", ".join(f"{entry:.4g}" for entry in value.tolist()) + "]"
    real = value.float() if value.dtype in (torch.bool, torch.float16) else value
    low, high = real.aminmax()
    return f"{shape}: {low.item():.3g} to {high.item():.3g}"
