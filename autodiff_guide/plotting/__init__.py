"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.activations import activation, activation_grid
from autodiff_guide.plotting.flow import gradient_flow
from autodiff_guide.plotting.tensors import broadcast, storage

__all__ = ["activation", "activation_grid", "broadcast", "gradient_flow", "storage"]
