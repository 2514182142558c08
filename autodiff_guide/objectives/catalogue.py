"""The catalogue of objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import e, inf, pi
from types import MappingProxyType

import torch
from torch import Tensor

from autodiff_guide.objectives.families import (
    linear_regression,
    logistic_regression,
    quadratic,
    rosenbrock,
)
from autodiff_guide.objectives.objective import Objective


def _column(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function of points ``(*, 1)`` for one of numbers ``(*)``."""
    return lambda points: function(points[..., 0])


def _plane(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function of points ``(*, 2)`` for one of x and y."""
    return lambda points: function(points[..., 0], points[..., 1])


def _rastrigin(points: Tensor) -> Tensor:
    return (10 + points**2 - 10 * torch.cos(2 * pi * points)).sum(-1)


def _ackley(points: Tensor) -> Tensor:
    # A norm, unlike a square root, has a (sub)gradient at 0: zero instead of NaN.
    distance = torch.linalg.vector_norm(points, dim=-1) / points.shape[-1] ** 0.5
    waves = torch.cos(2 * pi * points).mean(-1)
    return 20 + e - 20 * torch.exp(-0.2 * distance) - torch.exp(waves)


def _styblinski_tang(points: Tensor) -> Tensor:
    return 0.5 * (points**4 - 16 * points**2 + 5 * points).sum(-1)


def _goldstein_price(x: Tensor, y: Tensor) -> Tensor:
    a = 19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2
    b = 18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2
    return (1 + (x + y + 1) ** 2 * a) * (30 + (2 * x - 3 * y) ** 2 * b)


_LOW, _TOP, _HIGH = -2.9035340277711771, 0.15673125678034014, 2.746802770990837
_SMALL = 0.50254603655467463

_ENTRIES = (
    Objective(
        name="parabola",
        formula=r"2x^2",
        function=_column(lambda x: 2 * x**2),
        dimension=1,
        domain=((-10.0, 10.0),),
        minimisers=((0.0,),),
        minimum=0.0,
        source="textbook",
    ),
    Objective(
        name="shifted parabola",
        formula=r"2x^2 - 8x + 12",
        function=_column(lambda x: 2 * x**2 - 8 * x + 12),
        dimension=1,
        domain=((-8.0, 12.0),),
        minimisers=((2.0,),),
        minimum=4.0,
        source="textbook",
    ),
    Objective(
        name="sphere",
        formula=r"x^2 + y^2 + z^2",
        function=lambda points: (points**2).sum(-1),
        dimension=3,
        domain=((-10.0, 10.0),) * 3,
        minimisers=((0.0, 0.0, 0.0),),
        minimum=0.0,
        source="textbook",
    ),
    quadratic([1.0, 100.0]),
    rosenbrock(),
    Objective(
        name="Himmelblau",
        formula=r"(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
        function=_plane(lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2),
        dimension=2,
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minimisers=(
            (3.0, 2.0),
            (-2.8051180869527449, 3.131312518250573),
            (-3.7793102533777469, -3.2831859912861694),
            (3.5844283403304917, -1.8481265269644036),
        ),
        minimum=0.0,
        saddles=(
            (-3.0730257507643896, -0.081353044287967512),
            (0.086677504555396352, 2.8842547011747761),
            (3.3851541836070209, 0.073851879837749288),
            (-0.12796134673068007, -1.9537149802445764),
        ),
        source="D. M. Himmelblau, Applied nonlinear programming, 1972",
    ),
    Objective(
        name="Beale",
        formula=r"(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2",
        function=_plane(
            lambda x, y: (
                (1.5 - x + x * y) ** 2
                + (2.25 - x + x * y**2) ** 2
                + (2.625 - x + x * y**3) ** 2
            )
        ),
        dimension=2,
        domain=((-4.5, 4.5), (-4.5, 4.5)),
        minimisers=((3.0, 0.5),),
        minimum=0.0,
        saddles=((0.0, 1.0),),
        source="E. M. L. Beale, 1958; Moré, Garbow and Hillstrom's problem 5",
    ),
    Objective(
        name="Booth",
        formula=r"(x + 2y - 7)^2 + (2x + y - 5)^2",
        function=_plane(lambda x, y: (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2),
        dimension=2,
        domain=((-10.0, 10.0), (-10.0, 10.0)),
        minimisers=((1.0, 3.0),),
        minimum=0.0,
        source="M. Jamil and X.-S. Yang, arXiv:1308.4008, 2013",
    ),
    Objective(
        name="Matyas",
        formula=r"0.26\,(x^2 + y^2) - 0.48\,xy",
        function=_plane(lambda x, y: 0.26 * (x**2 + y**2) - 0.48 * x * y),
        dimension=2,
        domain=((-10.0, 10.0), (-10.0, 10.0)),
        minimisers=((0.0, 0.0),),
        minimum=0.0,
        source="M. Jamil and X.-S. Yang, arXiv:1308.4008, 2013",
    ),
    Objective(
        name="Rastrigin",
        formula=r"\sum_i 10 + x_i^2 - 10 \cos 2\pi x_i",
        function=_rastrigin,
        dimension=2,
        domain=((-5.12, 5.12), (-5.12, 5.12)),
        minimisers=((0.0, 0.0),),
        minimum=0.0,
        saddles=((_SMALL, 0.0), (-_SMALL, 0.0), (0.0, _SMALL), (0.0, -_SMALL)),
        source="L. A. Rastrigin, Systems of extremal control, 1974",
    ),
    Objective(
        name="Ackley",
        formula=(
            r"20 + e - 20\, e^{-0.2 \sqrt{\frac1n \sum_i x_i^2}}"
            r" - e^{\frac1n \sum_i \cos 2\pi x_i}"
        ),
        function=_ackley,
        dimension=2,
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minimisers=((0.0, 0.0),),
        minimum=0.0,
        source="D. H. Ackley, A connectionist machine for genetic hillclimbing, 1987",
    ),
    Objective(
        name="Styblinski-Tang",
        formula=r"\tfrac12 \sum_i x_i^4 - 16 x_i^2 + 5 x_i",
        function=_styblinski_tang,
        dimension=2,
        domain=((-5.0, 5.0), (-5.0, 5.0)),
        minimisers=((_LOW, _LOW),),
        minimum=-78.332331407542831,
        saddles=((_LOW, _TOP), (_TOP, _LOW), (_HIGH, _TOP), (_TOP, _HIGH)),
        source="M. A. Styblinski and T.-S. Tang, Neural Networks 3, 1990",
    ),
    Objective(
        name="three-hump camel",
        formula=r"2x^2 - 1.05\,x^4 + \tfrac16 x^6 + xy + y^2",
        function=_plane(lambda x, y: 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2),
        dimension=2,
        domain=((-2.5, 2.5), (-2.5, 2.5)),
        minimisers=((0.0, 0.0),),
        minimum=0.0,
        saddles=(
            (1.07054229182366, -0.53527114591182999),
            (-1.07054229182366, 0.53527114591182999),
        ),
        source="M. Jamil and X.-S. Yang, arXiv:1308.4008, 2013",
    ),
    Objective(
        name="Goldstein-Price",
        formula=(
            r"\bigl(1 + (x+y+1)^2 (19 - 14x + 3x^2 - 14y + 6xy + 3y^2)\bigr)"
            r"\bigl(30 + (2x-3y)^2 (18 - 32x + 12x^2 + 48y - 36xy + 27y^2)\bigr)"
        ),
        function=_plane(_goldstein_price),
        dimension=2,
        domain=((-2.0, 2.0), (-2.0, 2.0)),
        minimisers=((0.0, -1.0),),
        minimum=3.0,
        saddles=((-0.4, -0.6),),
        source="A. A. Goldstein and J. F. Price, Mathematics of Computation 25, 1971",
    ),
    Objective(
        name="saddle",
        formula=r"x^2 - y^2",
        function=_plane(lambda x, y: x**2 - y**2),
        dimension=2,
        domain=((-2.0, 2.0), (-2.0, 2.0)),
        minimisers=(),
        minimum=-inf,
        saddles=((0.0, 0.0),),
        source="textbook",
    ),
    Objective(
        name="monkey saddle",
        formula=r"x^3 - 3xy^2",
        function=_plane(lambda x, y: x**3 - 3 * x * y**2),
        dimension=2,
        domain=((-2.0, 2.0), (-2.0, 2.0)),
        minimisers=(),
        minimum=-inf,
        saddles=((0.0, 0.0),),
        source="textbook",
    ),
    linear_regression(
        torch.tensor([[1.0], [2.0]], dtype=torch.float64),
        torch.tensor([5.0, 7.0], dtype=torch.float64),
    ),
    logistic_regression(
        torch.tensor([[0.5], [1.0], [1.5], [2.0], [2.5], [3.0]], dtype=torch.float64),
        torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64),
    ),
)

CATALOGUE: Mapping[str, Objective] = MappingProxyType(
    {entry.name: entry for entry in _ENTRIES}
)
