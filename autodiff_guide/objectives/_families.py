"""Objectives with a choice in them: curvatures, a dimension, or data; add one here."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from autodiff_guide._validate import require_floating
from autodiff_guide.objectives._objective import Objective


def quadratic(eigenvalues: Sequence[float]) -> Objective:
    r"""Make a quadratic bowl with these curvatures.

    .. math:: f(x) = \tfrac12 \sum_i \lambda_i x_i^2

    Parameters
    ----------
    eigenvalues : sequence of float
        :math:`\lambda > 0`, one for each dimension.

    Returns
    -------
    Objective
        Its condition number is the largest eigenvalue over the smallest.

    Raises
    ------
    ValueError
        If an eigenvalue is not positive.

    Examples
    --------
    >>> import torch
    >>> float(quadratic([1.0, 100.0])(torch.tensor([1.0, 1.0])))
    50.5
    """
    curvatures = [float(value) for value in eigenvalues]
    if not curvatures or not all(0 < value < inf for value in curvatures):
        raise ValueError(
            f"eigenvalues: expected numbers > 0, got {curvatures}; "
            "the saddle has one of each sign"
        )
    n = len(curvatures)

    def fn(points: Tensor) -> Tensor:
        return (0.5 * points**2 * points.new_tensor(curvatures)).sum(-1)

    return Objective(
        title="quadratic",
        formula=r"\tfrac12 \sum_i \lambda_i x_i^2",
        fn=fn,
        domain=((-2.0, 2.0),) * n,
        minimizers=((0.0,) * n,),
    )


def rosenbrock(dimension: int = 2) -> Objective:
    r"""Make Rosenbrock's banana valley in n dimensions.

    .. math:: f(x) = \sum_{i=1}^{n-1} 100\,(x_{i+1} - x_i^2)^2 + (1 - x_i)^2

    Parameters
    ----------
    dimension : int
        n, at least 2.

    Returns
    -------
    Objective
        For n from 4 to 7 it has a second, local minimum near (-1, 1, …, 1).

    Raises
    ------
    ValueError
        If `dimension` is below 2.

    Examples
    --------
    >>> import torch
    >>> float(rosenbrock()(torch.tensor([-1.0, 1.0])))
    4.0
    """
    if dimension < 2:
        raise ValueError(
            f"dimension: expected at least 2, got {dimension}; the valley needs a plane"
        )

    def fn(points: Tensor) -> Tensor:
        x, after = points[..., :-1], points[..., 1:]
        return (100 * (after - x**2) ** 2 + (1 - x) ** 2).sum(-1)

    return Objective(
        title="Rosenbrock",
        formula=r"\sum_i 100\,(x_{i+1} - x_i^2)^2 + (1 - x_i)^2",
        fn=fn,
        domain=((-2.0, 2.0), (-1.0, 3.0), *((-2.0, 2.0),) * (dimension - 2)),
        minimizers=((1.0,) * dimension,),
        source="H. H. Rosenbrock, Computer Journal 3, 1960",
    )


def linear_regression(inputs: Tensor, targets: Tensor) -> Objective:
    r"""Make the mean squared error of a line through data, as a function of w and b.

    .. math:: f(w, b) = \frac1N \sum_i (x_i^\top w + b - y_i)^2

    A point holds the weights and, last, the bias.

    Parameters
    ----------
    inputs : Tensor
        Rows are samples: shape ``(N, d)``, floating-point.
    targets : Tensor
        Shape ``(N,)``.

    Returns
    -------
    Objective
        With the least-squares solution of least norm as its minimizer.

    Raises
    ------
    TypeError
        If the data are not floating-point tensors.
    ValueError
        If their shapes do not fit each other.

    Examples
    --------
    Two points determine y = 2x + 3:

    >>> import torch
    >>> inputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([5.0, 7.0])
    >>> [[round(number, 9) for number in point]
    ...  for point in linear_regression(inputs, targets).minimizers]
    [[2.0, 3.0]]
    """
    inputs = require_floating("inputs", inputs).detach()
    targets = require_floating("targets", targets).detach().clone()
    if inputs.dim() != 2 or tuple(targets.shape) != tuple(inputs.shape[:1]):
        raise ValueError(
            "inputs, targets: expected shapes (N, d) and (N,), got "
            f"{tuple(inputs.shape)} and {tuple(targets.shape)}; rows are samples"
        )
    design = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)

    def fn(points: Tensor) -> Tensor:
        residuals = points @ design.to(points).mT - targets.to(points)
        return (residuals**2).mean(-1)

    wide, aims = design.double().cpu(), targets.double().cpu()
    best = torch.linalg.lstsq(wide, aims[:, None], driver="gelsd").solution[:, 0]
    return Objective(
        title="linear regression",
        formula=r"\frac1N \sum_i (x_i^\top w + b - y_i)^2",
        fn=fn,
        domain=tuple((w - 4.0, w + 4.0) for w in best.tolist()),
        minimizers=(tuple(best.tolist()),),
        minimum=float(fn(best)),
        source="A.-M. Legendre, 1805",
    )
