"""What a tensor is, how shapes broadcast, what a low rank keeps, where to compute."""

from autodiff_guide.tensors._broadcasting import Broadcast, explain_broadcast
from autodiff_guide.tensors._describe import Description, describe
from autodiff_guide.tensors._devices import preferred_device
from autodiff_guide.tensors._low_rank import LowRank, low_rank

__all__ = [
    "Broadcast",
    "Description",
    "LowRank",
    "describe",
    "explain_broadcast",
    "low_rank",
    "preferred_device",
]
