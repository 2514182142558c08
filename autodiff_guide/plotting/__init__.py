"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.cells import vector_jacobian_product
from autodiff_guide.plotting.losses import loss_curve, loss_grid, softmax_jacobian
from autodiff_guide.plotting.tensors import broadcast, storage
from autodiff_guide.plotting.timing import durations

__all__ = [
    "broadcast",
    "durations",
    "loss_curve",
    "loss_grid",
    "softmax_jacobian",
    "storage",
    "vector_jacobian_product",
]
