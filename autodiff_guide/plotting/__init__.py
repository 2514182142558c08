"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.activations import activation, activation_grid
from autodiff_guide.plotting.animation import animation
from autodiff_guide.plotting.cells import vector_jacobian_product
from autodiff_guide.plotting.derivatives import (
    error_curve,
    gradient_field,
    half_tangents,
    tangent_line,
)
from autodiff_guide.plotting.descent import (
    basins,
    final_values,
    tangent_steps,
    trajectory,
    values,
)
from autodiff_guide.plotting.flow import gradient_flow
from autodiff_guide.plotting.gradient_report import gradient_errors, gradient_report
from autodiff_guide.plotting.landscape import (
    slice_contour,
    slice_line,
    slice_surface,
    turning_surface,
)
from autodiff_guide.plotting.losses import loss_curve, loss_grid, softmax_jacobian
from autodiff_guide.plotting.objectives import contour, surface
from autodiff_guide.plotting.tensors import broadcast, storage
from autodiff_guide.plotting.timing import durations

__all__ = [
    "activation",
    "activation_grid",
    "animation",
    "basins",
    "broadcast",
    "contour",
    "durations",
    "error_curve",
    "final_values",
    "gradient_errors",
    "gradient_field",
    "gradient_flow",
    "gradient_report",
    "half_tangents",
    "loss_curve",
    "loss_grid",
    "slice_contour",
    "slice_line",
    "slice_surface",
    "softmax_jacobian",
    "storage",
    "surface",
    "tangent_line",
    "tangent_steps",
    "trajectory",
    "turning_surface",
    "values",
    "vector_jacobian_product",
]
