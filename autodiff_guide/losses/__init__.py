"""Losses of :mod:`torch.nn`: torch's value, and the gradient derived by hand.

`CATALOGUE` holds them by the names of torch's functions. An entry is called as
``loss(output, target)``; `Loss.gradient` is its gradient by the outputs, written out
without autograd.
"""

from __future__ import annotations

from autodiff_guide._catalogue import Catalogue
from autodiff_guide.losses._entries import ENTRIES
from autodiff_guide.losses._loss import Loss
from autodiff_guide.losses._operands import Line, Operand

__all__ = ["CATALOGUE", "Line", "Loss", "Operand"]

#: Every loss by its name.
CATALOGUE: Catalogue[Loss] = Catalogue(ENTRIES)
