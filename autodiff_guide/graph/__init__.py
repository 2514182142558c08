"""A computation as a graph, with its values and its gradients on it."""

from autodiff_guide.graph._graph import Graph
from autodiff_guide.graph._node import Node
from autodiff_guide.graph._trace import trace

__all__ = ["Graph", "Node", "trace"]
