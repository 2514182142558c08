"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.cells import vector_jacobian_product
from autodiff_guide.plotting.tensors import broadcast, storage

__all__ = ["broadcast", "storage", "vector_jacobian_product"]
