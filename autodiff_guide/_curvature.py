"""Directions of the largest curvature, by Lanczos' method."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autodiff_guide._directions import upright
from autodiff_guide._slices import (
    LossFunction,
    as_batches,
    flat,
    kept,
    mean_loss,
    random_state,
    require_mode,
    require_module,
    require_number,
    split,
)
from autodiff_guide._validate import require_count


def hessian_directions(
    module: nn.Module,
    loss: LossFunction,
    data: object,
    *,
    count: int = 2,
    steps: int = 60,
    mode: str = "eval",
) -> Tensor:
    r"""Return the directions in which the loss bends upwards most.

    .. math:: H v = \lambda v, \qquad \lambda_1 \ge \lambda_2 \ge \dots

    for the Hessian :math:`H` of the mean loss. The matrix is never built: Lanczos'
    method needs its products with vectors only, and each is a derivative of the
    gradient. Every new vector is made orthogonal to all earlier ones.

    Parameters
    ----------
    module : Module
        With P parameters.
    loss : callable
        Maps output and targets to a tensor of shape ``()``.
    data : tuple or iterable of tuple
        One batch ``(inputs, targets)``, or batches.
    count : int
        How many directions.
    steps : int
        How many products; with P or more the result is exact.
    mode : {"eval", "train"}
        The module's mode meanwhile.

    Returns
    -------
    Tensor
        Of shape ``(count, P)``, steepest first; of length 1 and at right angles. The
        largest entry of each is positive.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Warns
    -----
    RuntimeWarning
        If after `steps` products a direction is not yet found to 1 %.

    References
    ----------
    .. [1] C. Lanczos, "An iteration method for the solution of the eigenvalue problem
       of linear differential and integral operators", 1950, doi:10.6028/jres.045.026.

    Examples
    --------
    >>> import torch
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> inputs = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    >>> data = inputs, torch.zeros(2, 1)
    >>> hessian_directions(line, torch.nn.MSELoss(), data).round().abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    require_module("module", module)
    require_mode(mode)
    require_count(count)
    batches = as_batches(data)
    centre = flat(module)
    size = centre.numel()
    steps = min(steps, size)
    if count > steps:
        raise ValueError(
            f"count: expected at most {steps}, the smaller of steps and the number "
            f"of parameters, got {count}"
        )
    generator = torch.Generator(centre.device).manual_seed(0)
    basis = centre.new_zeros(steps, size)
    compressed = centre.new_zeros(steps, steps)

    def orthogonal(vector: Tensor) -> Tensor:
        for _ in range(2):
            vector = vector - basis.T @ (basis @ vector)
        return vector

    def random_unit() -> Tensor:
        drawn = torch.randn(
            size, generator=generator, dtype=centre.dtype, device=centre.device
        )
        return torch.nn.functional.normalize(orthogonal(drawn), dim=0)

    def mean(vector: Tensor) -> Tensor:
        names = (name for name, _ in module.named_parameters())
        replaced = dict(zip(names, split(vector, module), strict=True))
        return require_number(
            mean_loss(
                lambda inputs: functional_call(module, replaced, (inputs,)),
                loss,
                batches,
            )
        )

    tiny = torch.finfo(centre.dtype).eps ** 0.75
    random = random_state(centre.device)
    with kept(module, mode, random) as restart, torch.enable_grad():
        restart()
        point = centre.requires_grad_()
        (slope,) = torch.autograd.grad(mean(point), point, create_graph=True)
        vector = random_unit()
        for step in range(steps):
            basis[step] = vector
            product = _derivative(slope, point, vector)
            compressed[:, step] = basis @ product
            rest = orthogonal(product)
            length = rest.norm()
            # What is left of an exhausted space is rounding: begin anew elsewhere.
            exhausted = length <= tiny * product.norm()
            vector = torch.where(exhausted, random_unit(), rest / length)
    values, combinations = torch.linalg.eigh(compressed, UPLO="U")
    best = combinations[:, -count:].flip(1)
    missed = (length * best[-1]).abs().max() / values.abs().max()
    if steps < size and missed > 0.01:
        warnings.warn(
            f"hessian_directions: after {steps} products a direction is known to "
            f"{float(missed):.0%} only; try more steps",
            RuntimeWarning,
            stacklevel=2,
        )
    return upright(best.T @ basis)


def _derivative(slope: Tensor, point: Tensor, vector: Tensor) -> Tensor:
    """Return the product of the slope's derivative with a vector."""
    if not slope.requires_grad:  # a loss linear in the parameters
        return torch.zeros_like(vector)
    (product,) = torch.autograd.grad(
        slope, point, vector, retain_graph=True, materialize_grads=True
    )
    return product
