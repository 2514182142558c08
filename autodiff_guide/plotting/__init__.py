"""Everything that draws: views of results computed elsewhere."""

from autodiff_guide.plotting.tensors import broadcast, storage

__all__ = ["broadcast", "storage"]
