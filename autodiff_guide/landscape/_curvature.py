"""Directions of the largest curvature, by Lanczos' method."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autodiff_guide._validate import require_count
from autodiff_guide.landscape._directions import upright
from autodiff_guide.landscape._problem import LossFunction, flat, problem_of, split


def hessian_directions(
    module: nn.Module,
    loss: LossFunction,
    data: object,
    *,
    count: int = 2,
    steps: int = 60,
    mode: str = "eval",
    frozen: bool = False,
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
        How many products; with as many as parameters, or more, the result is exact.
    mode : {"eval", "train"}
        The module's mode meanwhile.
    frozen : bool
        Whether parameters with ``requires_grad=False`` move, too; else they are
        constants, and their entries zero.

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
    problem = problem_of(module, loss, data, mode)
    require_count(count)
    parameters = dict(module.named_parameters())
    moves = flat(
        torch.full_like(part, frozen or part.requires_grad)
        for part in parameters.values()
    )
    size = int(moves.sum())
    steps = min(steps, size)
    if count > steps:
        raise ValueError(
            f"count: expected at most {steps}, the smaller of steps and the number "
            f"of parameters that move, got {count}"
        )
    point = flat(parameters.values()).requires_grad_()
    parts = split(point, list(parameters.values()))
    replaced = dict(zip(parameters, parts, strict=True))

    def moved(inputs: object) -> object:
        return functional_call(module, replaced, (inputs,))

    with problem.kept() as restart, torch.enable_grad():
        restart()
        value = problem.mean_loss(moved)
        (slope,) = torch.autograd.grad(value, point, create_graph=True)
        compressed, basis, beyond = _lanczos(slope, point, moves, steps)
    values, combinations = torch.linalg.eigh(compressed, UPLO="U")
    best = combinations[:, -count:].flip(1)
    missed = (beyond * best[-1]).abs().max() / values.abs().max()
    if steps < size and missed > 0.01:
        warnings.warn(
            f"hessian_directions: after {steps} products a direction is known to "
            f"{float(missed):.0%} only; try more steps",
            RuntimeWarning,
            stacklevel=2,
        )
    return upright(best.T @ basis)


def _lanczos(
    slope: Tensor, point: Tensor, moves: Tensor, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Compress the Hessian at a point to the space that its powers span.

    Returned are the upper triangle of :math:`Q H Q^T`, the rows :math:`Q`, and how
    long the next row would have been. Each row is the product of :math:`H` with the
    one before, made orthogonal to all earlier ones; it is 0 where `moves` is.
    """
    generator = torch.Generator(point.device).manual_seed(0)
    start = point.detach()
    basis = start.new_zeros(steps, start.numel())
    compressed = start.new_zeros(steps, steps)

    def product(vector: Tensor) -> Tensor:
        if not slope.requires_grad:  # a loss linear in the parameters
            return torch.zeros_like(vector)
        (image,) = torch.autograd.grad(
            slope, point, vector, retain_graph=True, materialize_grads=True
        )
        return image * moves

    def orthogonal(vector: Tensor) -> Tensor:
        for _ in range(2):  # twice is enough to stay so
            vector = vector - basis.T @ (basis @ vector)
        return vector

    def random_unit() -> Tensor:
        drawn = torch.empty_like(start).normal_(generator=generator) * moves
        return torch.nn.functional.normalize(orthogonal(drawn), dim=0)

    vector = random_unit()
    for step in range(steps):
        basis[step] = vector
        image = product(vector)
        compressed[:, step] = basis @ image
        rest = orthogonal(image)
        length = rest.norm()
        # What is left of an exhausted space is rounding: begin anew elsewhere.
        exhausted = length <= torch.finfo(start.dtype).eps ** 0.75 * image.norm()
        vector = torch.where(exhausted, random_unit(), rest / length)
    return compressed, basis, length
