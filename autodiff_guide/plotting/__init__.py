"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.activations import activation, activation_grid
from autodiff_guide.plotting.cells import vector_jacobian_product
from autodiff_guide.plotting.derivatives import (
    error_curve,
    gradient_field,
    half_tangents,
    tangent_line,
)
from autodiff_guide.plotting.flow import gradient_flow
from autodiff_guide.plotting.losses import loss_curve, loss_grid, softmax_jacobian
from autodiff_guide.plotting.tensors import broadcast, storage

__all__ = [
    "activation",
    "activation_grid",
    "broadcast",
    "error_curve",
    "gradient_field",
    "gradient_flow",
    "half_tangents",
    "loss_curve",
    "loss_grid",
    "softmax_jacobian",
    "storage",
    "tangent_line",
    "vector_jacobian_product",
]
