"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.cells import vector_jacobian_product
from autodiff_guide.plotting.derivatives import (
    error_curve,
    gradient_field,
    half_tangents,
    tangent_line,
)
from autodiff_guide.plotting.landscape import (
    loss_contour,
    loss_line,
    loss_surface,
    turning_surface,
)
from autodiff_guide.plotting.tensors import broadcast, storage

__all__ = [
    "broadcast",
    "error_curve",
    "gradient_field",
    "half_tangents",
    "loss_contour",
    "loss_line",
    "loss_surface",
    "storage",
    "tangent_line",
    "turning_surface",
    "vector_jacobian_product",
]
