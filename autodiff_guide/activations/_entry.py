"""What the catalogue knows of an activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

Kinks = Mapping[float, float]
Jumps = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Activation:
    r"""One activation: its formula, its derivative by hand, and its twin in torch.

    Parameters
    ----------
    name : str
        Its key in ``CATALOGUE``.
    formula : str
        :math:`f(x)` in LaTeX.
    function : callable
        ``function(x, **parameters)``, for any real floating dtype and any device.
    derivative : callable
        ``derivative(x, **parameters)`` by hand: :math:`f'(x)`, of the shape of `x`.
        Of a vector activation the Jacobian, ``(*, m, n)`` for `x` of shape ``(*, n)``.
    torch_module : callable or None
        Makes torch's module from the same parameters.
    torch_function : callable
        torch's function of `x` and the same parameters.
    range : tuple of float
        Infimum and supremum of the value, with the default parameters.
    source : str
        Who introduced it, or where torch took it from.
    kinks : mapping or callable
        Each point where the derivative does not exist, and what torch returns there;
        where a parameter decides, a function of the parameters (see `kinks_at`).
    jumps : tuple or callable
        The kinks where the function itself jumps (see `jumps_at`).
    parameters : mapping
        The parameters' names and default values.
    numpy : callable or None
        The same function of a NumPy array.
    vector : bool
        Whether it mixes the entries of the last dimension.
    note : str
        Where torch's own value is the less exact one.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.activations import CATALOGUE
    >>> sigmoid = CATALOGUE["sigmoid"]
    >>> sigmoid.function(torch.zeros(1)), sigmoid.derivative(torch.zeros(1))
    (tensor([0.5000]), tensor([0.2500]))
    >>> CATALOGUE["relu"].kinks
    {0.0: 0.0}
    """

    name: str
    formula: str
    function: Callable[..., Tensor]
    derivative: Callable[..., Tensor]
    torch_module: Callable[..., nn.Module] | None
    torch_function: Callable[..., Tensor]
    range: tuple[float, float]
    source: str
    kinks: Kinks | Callable[..., Kinks] = field(default_factory=dict)
    jumps: Jumps | Callable[..., Jumps] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    numpy: Callable[[Any], Any] | None = None
    vector: bool = False
    note: str = ""

    def kinks_at(self, **parameters: float) -> Kinks:
        """Return the kinks for these parameters; the others keep their defaults."""
        chosen = self._chosen(parameters)
        return self.kinks(**chosen) if callable(self.kinks) else self.kinks

    def jumps_at(self, **parameters: float) -> Jumps:
        """Return the jumps for these parameters; the others keep their defaults."""
        chosen = self._chosen(parameters)
        return self.jumps(**chosen) if callable(self.jumps) else self.jumps

    def _chosen(self, parameters: Mapping[str, float]) -> Mapping[str, float]:
        unknown = parameters.keys() - self.parameters.keys()
        if unknown:
            raise TypeError(
                f"{self.name}: expected parameters {list(self.parameters)}, "
                f"got {sorted(unknown)}; its module takes the same names"
            )
        return {**self.parameters, **parameters}
