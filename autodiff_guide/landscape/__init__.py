"""Slices through the loss of a network, seen as a function of all its parameters."""

from autodiff_guide.landscape._curvature import hessian_directions
from autodiff_guide.landscape._directions import (
    direction_to,
    pca_directions,
    project,
    random_directions,
)
from autodiff_guide.landscape._landscape import Landscape
from autodiff_guide.landscape._slice import slice_loss

__all__ = [
    "Landscape",
    "direction_to",
    "hessian_directions",
    "pca_directions",
    "project",
    "random_directions",
    "slice_loss",
]
