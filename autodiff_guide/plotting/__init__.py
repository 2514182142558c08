"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting._activations import activation
from autodiff_guide.plotting._animation import animation
from autodiff_guide.plotting._cells import matrix, vector_jacobian_product
from autodiff_guide.plotting._descent import (
    basins,
    trajectory,
    values,
)
from autodiff_guide.plotting._flow import gradient_flow
from autodiff_guide.plotting._gradient_report import gradient_report
from autodiff_guide.plotting._surfaces import (
    contour,
    slice_line,
    surface,
)
from autodiff_guide.plotting._tensors import broadcast, storage
from autodiff_guide.plotting._timing import durations

__all__ = [
    "activation",
    "animation",
    "basins",
    "broadcast",
    "contour",
    "durations",
    "gradient_flow",
    "gradient_report",
    "matrix",
    "slice_line",
    "storage",
    "surface",
    "trajectory",
    "values",
    "vector_jacobian_product",
]
