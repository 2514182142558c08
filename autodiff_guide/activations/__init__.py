"""Every activation of :mod:`torch.nn`: torch's value, and the derivative by hand.

`CATALOGUE` holds them by the names of torch's functions. An entry is called as
``act(x)``; `Activation.derivative` is its slope, written out without autograd.
"""

from __future__ import annotations

from autodiff_guide._catalogue import Catalogue
from autodiff_guide.activations._activation import Activation
from autodiff_guide.activations._entries import ENTRIES

__all__ = ["CATALOGUE", "Activation"]

#: Every activation by its name.
CATALOGUE: Catalogue[Activation] = Catalogue(ENTRIES)
