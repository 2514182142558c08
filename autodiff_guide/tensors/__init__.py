"""What a tensor is, how shapes broadcast, where to compute."""

from autodiff_guide.tensors._broadcasting import Broadcast, explain_broadcast
from autodiff_guide.tensors._describe import Description, describe
from autodiff_guide.tensors._devices import preferred_device

__all__ = [
    "Broadcast",
    "Description",
    "describe",
    "explain_broadcast",
    "preferred_device",
]
