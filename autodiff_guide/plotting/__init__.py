"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.derivatives import (
    error_curve,
    gradient_field,
    half_tangents,
    tangent_line,
)

__all__ = ["error_curve", "gradient_field", "half_tangents", "tangent_line"]
