"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.cells import vector_jacobian_product

__all__ = ["vector_jacobian_product"]
