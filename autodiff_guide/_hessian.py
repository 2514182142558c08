"""The Hessian without its matrix: its product with a vector, and its extremes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import vector_norm


def hessian_product(slope: Tensor, point: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the map from a vector to the derivative of `slope` by `point` times it.

    The gradient `slope` was recorded at the leaf `point`, by ``create_graph=True``.
    """
    if not slope.requires_grad:  # a function linear in the point
        return torch.zeros_like

    def product(vector: Tensor) -> Tensor:
        (image,) = torch.autograd.grad(
            slope, point, vector, retain_graph=True, materialize_grads=True
        )
        return image

    return product


def lanczos(
    product: Callable[[Tensor], Tensor], like: Tensor, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Compress a symmetric matrix, or one for each of many points, to few directions.

    .. math:: T = Q H Q^T

    Every new row of :math:`Q` is the product of :math:`H` with the last one, made
    orthogonal to all earlier ones. The extreme eigenvalues of :math:`T` are soon those
    of :math:`H`. Where the products come to an end, a random vector begins anew.

    Parameters
    ----------
    product : callable
        Maps ``(*B, n)`` to :math:`H` times it.
    like : Tensor
        Of shape ``(*B, n)``: says shape, dtype and device.
    steps : int
        How many products, k; at most n.

    Returns
    -------
    tuple of Tensor
        The upper triangle of :math:`T`, ``(*B, k, k)``; :math:`Q`, ``(*B, k, n)``; and
        how long the next direction would have been, ``(*B)``.
    """
    *batch, size = like.shape
    generator = torch.Generator(like.device).manual_seed(0)
    basis = like.new_zeros(*batch, steps, size)
    compressed = like.new_zeros(*batch, steps, steps)
    tiny = torch.finfo(like.dtype).eps ** 0.75

    def orthogonal(vector: Tensor) -> Tensor:
        for _ in range(2):  # twice is enough to stay so
            shares = basis @ vector[..., None]
            vector = vector - (basis.mT @ shares)[..., 0]
        return vector

    def random_unit() -> Tensor:
        drawn = torch.randn(
            like.shape, generator=generator, dtype=like.dtype, device=like.device
        )
        return torch.nn.functional.normalize(orthogonal(drawn), dim=-1)

    vector = random_unit()
    for step in range(steps):
        basis[..., step, :] = vector
        image = product(vector)
        compressed[..., step] = (basis @ image[..., None])[..., 0]
        rest = orthogonal(image)
        length = vector_norm(rest, dim=-1)
        # What is left of an exhausted space is rounding: begin anew elsewhere.
        exhausted = (length <= tiny * vector_norm(image, dim=-1))[..., None]
        vector = torch.where(exhausted, random_unit(), rest / length[..., None])
    return compressed, basis, length
