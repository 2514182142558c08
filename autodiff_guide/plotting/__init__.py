"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.gradient_report import gradient_errors, gradient_report

__all__ = ["gradient_errors", "gradient_report"]
