"""What the catalogue knows of an activation: its fields, and how it is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules import activation

from autodiff_guide._validate import require_floating


@dataclass(frozen=True, eq=False, repr=False)
class Activation:
    r"""One activation: torch's function for the value, the derivative by hand.

    An entry is called as ``act(x)``, with torch's settings as keywords:
    ``CATALOGUE["elu"](x, alpha=2.0)``.

    Parameters
    ----------
    name : str
        Its key in ``CATALOGUE``: the name of torch's function.
    formula : str
        :math:`f(x)` in LaTeX.
    function : callable
        torch's function of `x` and its settings, each with a default.
    by_hand : callable
        The formula of the derivative, of a float64 `x` and the same settings; call
        `derivative`, which takes any dtype.
    source : str
        Who introduced it, or where it was first written down: a key of the guide's
        bibliography.
    range : tuple of float
        Infimum and supremum of the value, with the default settings.
    kinks : mapping
        Each point where the derivative does not exist, and what torch returns there,
        with the default settings.
    jumps : tuple of float
        The kinks where the function itself jumps.
    vector : bool
        Whether it mixes the entries of the last dimension.
    note : str
        Where torch's value or slope is not exact to the last digits.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.activations import CATALOGUE
    >>> sigmoid = CATALOGUE["sigmoid"]
    >>> sigmoid(torch.zeros(1)), sigmoid.derivative(torch.zeros(1))
    (tensor([0.5000]), tensor([0.2500]))
    >>> CATALOGUE["relu"]
    <Activation relu: \max(x, 0)>
    >>> CATALOGUE["relu"].kinks
    {0.0: 0.0}
    """

    name: str
    formula: str
    function: Callable[..., Tensor]
    by_hand: Callable[..., Tensor]
    source: str
    range: tuple[float, float] = (-math.inf, math.inf)
    kinks: Mapping[float, float] = field(default_factory=dict)
    jumps: tuple[float, ...] = ()
    vector: bool = False
    note: str = ""

    @property
    def title(self) -> str:
        """Its name as it is written: as its module in `torch.nn` has it, if any."""
        modules = {name.lower(): name for name in activation.__all__}
        return modules.get(self.name.replace("_", ""), self.name)

    def __call__(self, x: Tensor, **settings: Any) -> Tensor:
        """Return the value, ``function(x, **settings)``: torch's own."""
        return self.function(require_floating("x", x), **settings)

    def derivative(self, x: Tensor, **settings: Any) -> Tensor:
        r"""Return the derivative by hand, computed in float64 and rounded once.

        Parameters
        ----------
        x : Tensor
            Of any real floating dtype, on any device; of any shape or, if the
            activation mixes a vector, of shape ``(*, n)``.
        **settings
            Those of `function`.

        Returns
        -------
        Tensor
            :math:`f'(x)`, of the shape and dtype of `x`. Of a vector activation the
            Jacobian, ``(*, m, n)``: row i belongs to entry i of the value.

        Raises
        ------
        TypeError
            If `x` is no floating-point tensor.
        """
        x = require_floating("x", x)
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        return self.by_hand(x.to(wide), **settings).to(x.dtype)

    def __repr__(self) -> str:
        return f"<Activation {self.name}: {self.formula}>"
