"""The catalogue of objectives: a new entry brings its own row, figure and test."""

from __future__ import annotations

from collections.abc import Callable
from math import e, inf, pi

import torch
from torch import Tensor

from autodiff_guide._catalogue import Catalogue
from autodiff_guide.objectives._families import (
    linear_regression,
    quadratic,
    rosenbrock,
)
from autodiff_guide.objectives._objective import Objective


def _column(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function of points ``(*, 1)`` for one of numbers ``(*)``."""
    return lambda points: fn(points[..., 0])


def _plane(fn: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function of points ``(*, 2)`` for one of x and y."""
    return lambda points: fn(points[..., 0], points[..., 1])


def _rastrigin(points: Tensor) -> Tensor:
    return (10 + points**2 - 10 * torch.cos(2 * pi * points)).sum(-1)


def _ackley(points: Tensor) -> Tensor:
    # A norm, unlike a square root, has a (sub)gradient at 0: zero instead of NaN.
    distance = torch.linalg.vector_norm(points, dim=-1) / points.shape[-1] ** 0.5
    waves = torch.cos(2 * pi * points).mean(-1)
    return 20 + e - 20 * torch.exp(-0.2 * distance) - torch.exp(waves)


_LOW, _TOP, _HIGH = -2.9035340277711771, 0.15673125678034014, 2.746802770990837
_SMALL = 0.50254603655467463

_ENTRIES = (
    Objective(
        title="parabola",
        formula=r"2x^2",
        fn=_column(lambda x: 2 * x**2),
        domain=((-10.0, 10.0),),
        minimizers=((0.0,),),
    ),
    Objective(
        title="shifted parabola",
        formula=r"2x^2 - 8x + 12",
        fn=_column(lambda x: 2 * x**2 - 8 * x + 12),
        domain=((-8.0, 12.0),),
        minimizers=((2.0,),),
        minimum=4.0,
    ),
    Objective(
        title="sphere",
        formula=r"x^2 + y^2 + z^2",
        fn=lambda points: (points**2).sum(-1),
        domain=((-10.0, 10.0),) * 3,
        minimizers=((0.0, 0.0, 0.0),),
    ),
    quadratic([1.0, 100.0]),
    rosenbrock(),
    Objective(
        title="Himmelblau",
        formula=r"(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
        fn=_plane(lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2),
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minimizers=(
            (3.0, 2.0),
            (-2.8051180869527449, 3.131312518250573),
            (-3.7793102533777469, -3.2831859912861694),
            (3.5844283403304917, -1.8481265269644036),
        ),
        saddles=(
            (-3.0730257507643896, -0.081353044287967512),
            (0.086677504555396352, 2.8842547011747761),
            (3.3851541836070209, 0.073851879837749288),
            (-0.12796134673068007, -1.9537149802445764),
        ),
        source="D. M. Himmelblau, Applied nonlinear programming, 1972",
    ),
    Objective(
        title="Beale",
        formula=r"(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2",
        fn=_plane(
            lambda x, y: (
                (1.5 - x + x * y) ** 2
                + (2.25 - x + x * y**2) ** 2
                + (2.625 - x + x * y**3) ** 2
            )
        ),
        domain=((-4.5, 4.5), (-4.5, 4.5)),
        minimizers=((3.0, 0.5),),
        saddles=((0.0, 1.0),),
        source="E. M. L. Beale, 1958; Moré, Garbow and Hillstrom's problem 5",
    ),
    Objective(
        title="Booth",
        formula=r"(x + 2y - 7)^2 + (2x + y - 5)^2",
        fn=_plane(lambda x, y: (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2),
        domain=((-10.0, 10.0), (-10.0, 10.0)),
        minimizers=((1.0, 3.0),),
        source="M. Jamil and X.-S. Yang, arXiv:1308.4008, 2013",
    ),
    Objective(
        title="Matyas",
        formula=r"0.26\,(x^2 + y^2) - 0.48\,xy",
        fn=_plane(lambda x, y: 0.26 * (x**2 + y**2) - 0.48 * x * y),
        domain=((-10.0, 10.0), (-10.0, 10.0)),
        minimizers=((0.0, 0.0),),
        source="M. Jamil and X.-S. Yang, arXiv:1308.4008, 2013",
    ),
    Objective(
        title="Rastrigin",
        formula=r"\sum_i 10 + x_i^2 - 10 \cos 2\pi x_i",
        fn=_rastrigin,
        domain=((-5.12, 5.12), (-5.12, 5.12)),
        minimizers=((0.0, 0.0),),
        saddles=((_SMALL, 0.0), (-_SMALL, 0.0), (0.0, _SMALL), (0.0, -_SMALL)),
        source="L. A. Rastrigin, Systems of extremal control, 1974",
    ),
    Objective(
        title="Ackley",
        formula=(
            r"20 + e - 20\, e^{-0.2 \sqrt{\frac1n \sum_i x_i^2}}"
            r" - e^{\frac1n \sum_i \cos 2\pi x_i}"
        ),
        fn=_ackley,
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minimizers=((0.0, 0.0),),
        source="D. H. Ackley, A connectionist machine for genetic hillclimbing, 1987",
    ),
    Objective(
        title="Styblinski-Tang",
        formula=r"\tfrac12 \sum_i x_i^4 - 16 x_i^2 + 5 x_i",
        fn=lambda points: 0.5 * (points**4 - 16 * points**2 + 5 * points).sum(-1),
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minimizers=((_LOW, _LOW),),
        minimum=-78.332331407542831,
        saddles=((_LOW, _TOP), (_TOP, _LOW), (_HIGH, _TOP), (_TOP, _HIGH)),
        source="M. A. Styblinski and T.-S. Tang, Neural Networks 3, 1990",
    ),
    Objective(
        title="three-hump camel",
        formula=r"2x^2 - 1.05\,x^4 + \tfrac16 x^6 + xy + y^2",
        fn=_plane(lambda x, y: 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2),
        domain=((-2.5, 2.5), (-2.5, 2.5)),
        minimizers=((0.0, 0.0),),
        saddles=(
            (1.07054229182366, -0.53527114591182999),
            (-1.07054229182366, 0.53527114591182999),
        ),
        source="M. Jamil and X.-S. Yang, arXiv:1308.4008, 2013",
    ),
    Objective(
        title="saddle",
        formula=r"x^2 - y^2",
        fn=_plane(lambda x, y: x**2 - y**2),
        domain=((-2.0, 2.0), (-2.0, 2.0)),
        minimizers=(),
        minimum=-inf,
        saddles=((0.0, 0.0),),
    ),
    Objective(
        title="monkey saddle",
        formula=r"x^3 - 3xy^2",
        fn=_plane(lambda x, y: x**3 - 3 * x * y**2),
        domain=((-2.0, 2.0), (-2.0, 2.0)),
        minimizers=(),
        minimum=-inf,
        saddles=((0.0, 0.0),),
    ),
    linear_regression(
        torch.tensor([[1.0], [2.0]], dtype=torch.float64),
        torch.tensor([5.0, 7.0], dtype=torch.float64),
    ),
)

CATALOGUE = Catalogue(_ENTRIES)
