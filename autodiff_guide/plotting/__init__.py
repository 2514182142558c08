"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.animation import animation
from autodiff_guide.plotting.cells import vector_jacobian_product
from autodiff_guide.plotting.descent import (
    basins,
    final_values,
    tangent_steps,
    trajectory,
    values,
)
from autodiff_guide.plotting.objectives import contour, surface
from autodiff_guide.plotting.tensors import broadcast, storage

__all__ = [
    "animation",
    "basins",
    "broadcast",
    "contour",
    "final_values",
    "storage",
    "surface",
    "tangent_steps",
    "trajectory",
    "values",
    "vector_jacobian_product",
]
