"""BFGS and Newton on problems of Moré, Garbow and Hillstrom, from the paper.

J. J. Moré, B. S. Garbow and K. E. Hillstrom, "Testing unconstrained optimization
software", ACM TOMS 7, 1981. Each entry: residuals, standard start, published minima.
"""

import math

import numpy as np
import pytest
import scipy.optimize
import torch

from autodiff_guide.descent import (
    BFGS,
    Backtracking,
    Kind,
    Newton,
    Status,
    classify,
    minimize,
)
from autodiff_guide.objectives import CATALOGUE


def row(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def count(m):
    return torch.arange(1, m + 1, dtype=torch.float64)


def freudenstein_roth(x):
    a, b = x.unbind()
    return torch.stack(
        [-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b]
    )


def powell_badly_scaled(x):
    a, b = x.unbind()
    return torch.stack([1e4 * a * b - 1, (-a).exp() + (-b).exp() - 1.0001])


def brown_badly_scaled(x):
    a, b = x.unbind()
    return torch.stack([a - 1e6, b - 2e-6, a * b - 2])


def jennrich_sampson(x):
    i = count(10)
    return 2 + 2 * i - ((i * x[0]).exp() + (i * x[1]).exp())


def helical_valley(x):
    a, b, c = x.unbind()
    turn = torch.atan2(b, a) / (2 * math.pi)
    turn = torch.where(turn < -0.25, turn + 1, turn)  # the paper's branch
    return torch.stack([10 * (c - 10 * turn), 10 * ((a**2 + b**2).sqrt() - 1), c])


BARD = row(
    0.14,
    0.18,
    0.22,
    0.25,
    0.29,
    0.32,
    0.35,
    0.39,
    0.37,
    0.58,
    0.73,
    0.96,
    1.34,
    2.10,
    4.39,
)


def bard(x):
    u = count(15)
    v = 16 - u
    return BARD - (x[0] + u / (v * x[1] + torch.minimum(u, v) * x[2]))


GAUSS = row(
    0.0009,
    0.0044,
    0.0175,
    0.0540,
    0.1295,
    0.2420,
    0.3521,
    0.3989,
    0.3521,
    0.2420,
    0.1295,
    0.0540,
    0.0175,
    0.0044,
    0.0009,
)


def gaussian(x):
    t = (8 - count(15)) / 2
    return x[0] * (-x[1] * (t - x[2]) ** 2 / 2).exp() - GAUSS


MEYER = row(
    34780,
    28610,
    23650,
    19630,
    16370,
    13720,
    11540,
    9744,
    8261,
    7030,
    6005,
    5147,
    4427,
    3820,
    3307,
    2872,
)


def meyer(x):
    return x[0] * (x[1] / (45 + 5 * count(16) + x[2])).exp() - MEYER


def box(x):
    t = count(10) / 10
    return (-t * x[0]).exp() - (-t * x[1]).exp() - x[2] * ((-t).exp() - (-10 * t).exp())


def powell_singular(x):
    a, b, c, d = x.unbind()
    return torch.stack(
        [a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2]
    )


def wood(x):
    a, b, c, d = x.unbind()
    return torch.stack(
        [
            10 * (b - a**2),
            1 - a,
            90**0.5 * (d - c**2),
            1 - c,
            10**0.5 * (b + d - 2),
            (b - d) / 10**0.5,
        ]
    )


KOWALIK = row(
    0.1957,
    0.1947,
    0.1735,
    0.1600,
    0.0844,
    0.0627,
    0.0456,
    0.0342,
    0.0323,
    0.0235,
    0.0246,
)
KOWALIK_U = row(4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)


def kowalik_osborne(x):
    u = KOWALIK_U
    return KOWALIK - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x):
    t = count(20) / 5
    return (x[0] + t * x[1] - t.exp()) ** 2 + (x[2] + x[3] * t.sin() - t.cos()) ** 2


OSBORNE = row(
    0.844,
    0.908,
    0.932,
    0.936,
    0.925,
    0.908,
    0.881,
    0.850,
    0.818,
    0.784,
    0.751,
    0.718,
    0.685,
    0.658,
    0.628,
    0.603,
    0.580,
    0.558,
    0.538,
    0.522,
    0.506,
    0.490,
    0.478,
    0.467,
    0.457,
    0.448,
    0.438,
    0.431,
    0.424,
    0.420,
    0.414,
    0.411,
    0.406,
)


def osborne(x):
    t = 10 * (count(33) - 1)
    return OSBORNE - (x[0] + x[1] * (-t * x[3]).exp() + x[2] * (-t * x[4]).exp())


def biggs(x):
    t = count(13) / 10
    y = (-t).exp() - 5 * (-10 * t).exp() + 3 * (-4 * t).exp()
    return (
        x[2] * (-t * x[0]).exp()
        - x[3] * (-t * x[1]).exp()
        + x[5] * (-t * x[4]).exp()
        - y
    )


def watson(x):
    t = (count(29) / 29)[:, None]
    j = torch.arange(6, dtype=torch.float64)
    slope = (j[1:] * x[1:] * t ** (j[1:] - 1)).sum(1)
    inner = slope - (x * t**j).sum(1) ** 2 - 1
    return torch.cat([inner, torch.stack([x[0], x[1] - x[0] ** 2 - 1])])


def penalty(x):
    return torch.cat([1e-5**0.5 * (x - 1), ((x**2).sum() - 0.25)[None]])


def variably_dimensioned(x):
    total = (count(10) * (x - 1)).sum()
    return torch.cat([x - 1, torch.stack([total, total**2])])


def broyden_tridiagonal(x):
    zero = torch.zeros(1, dtype=x.dtype)
    before, after = torch.cat([zero, x[:-1]]), torch.cat([x[1:], zero])
    return (3 - 2 * x) * x - before - 2 * after + 1


def discrete_boundary(x):
    n = len(x)
    h, t = 1 / (n + 1), count(n) / (n + 1)
    zero = torch.zeros(1, dtype=x.dtype)
    before, after = torch.cat([zero, x[:-1]]), torch.cat([x[1:], zero])
    return 2 * x - before - after + h**2 * (x + t + 1) ** 3 / 2


def linear_full_rank(x):
    mean = 2 * x.sum() / 20
    return torch.cat([x - mean - 1, (-mean - 1).expand(15)])


T10 = count(10) / 11
PROBLEMS = {
    "Rosenbrock": (
        lambda x: torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]),
        row(-1.2, 1),
        (0,),
    ),
    "Freudenstein-Roth": (freudenstein_roth, row(0.5, -2), (0, 48.9842)),
    "Powell badly scaled": (powell_badly_scaled, row(0, 1), (0,)),
    "Brown badly scaled": (brown_badly_scaled, row(1, 1), (0,)),
    "Beale": (
        lambda x: row(1.5, 2.25, 2.625) - x[0] * (1 - x[1] ** count(3)),
        row(1, 1),
        (0,),
    ),
    "Jennrich-Sampson": (jennrich_sampson, row(0.3, 0.4), (124.362,)),
    "Helical valley": (helical_valley, row(-1, 0, 0), (0,)),
    "Bard": (bard, row(1, 1, 1), (8.21487e-3, 17.4286)),
    "Gaussian": (gaussian, row(0.4, 1, 0), (1.12793e-8,)),
    "Meyer": (meyer, row(0.02, 4000, 250), (87.9458,)),
    "Box": (box, row(0, 10, 20), (0,)),
    "Powell singular": (powell_singular, row(3, -1, 0, 1), (0,)),
    "Wood": (wood, row(-3, -1, -3, -1), (0,)),
    "Kowalik-Osborne": (
        kowalik_osborne,
        row(0.25, 0.39, 0.415, 0.39),
        (3.07505e-4, 1.02734e-3),
    ),
    "Brown-Dennis": (brown_dennis, row(25, 5, -5, -1), (85822.2,)),
    "Osborne 1": (osborne, row(0.5, 1.5, -1, 0.01, 0.02), (5.46489e-5,)),
    "Biggs EXP6": (biggs, row(1, 2, 1, 1, 1, 1), (0, 5.65565e-3)),
    "Watson": (watson, torch.zeros(6, dtype=torch.float64), (2.28767e-3,)),
    "Penalty I": (penalty, count(10), (7.08765e-5,)),
    "Variably dimensioned": (variably_dimensioned, 1 - count(10) / 10, (0,)),
    "Broyden tridiagonal": (broyden_tridiagonal, -torch.ones(10).double(), (0,)),
    "Discrete boundary value": (discrete_boundary, T10 * (T10 - 1), (0,)),
    "Linear, full rank": (linear_full_rank, torch.ones(5).double(), (15,)),
}


@pytest.mark.parametrize("rule", [BFGS(), Newton()], ids=repr)
@pytest.mark.parametrize("name", PROBLEMS)
def test_more_garbow_hillstrom(name, rule):
    residuals, start, published = PROBLEMS[name]

    def fn(x):
        return (residuals(x) ** 2).sum()

    found = minimize(fn, start, rule, steps=1000)
    value = float(found.values[-1])
    assert (found.values.diff() <= 0).all()
    if value < 1e-10 * float(found.values[0]) and 0 in published:
        return
    nearest = min(published, key=lambda known: abs(known - value))
    assert value == pytest.approx(nearest, rel=1e-5)  # six digits are published
    polished = scipy.optimize.least_squares(
        lambda x: residuals(torch.as_tensor(x)).numpy(),
        found.points[-1].numpy(),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    bottom = 2 * polished.cost
    if bottom < 0.99 * nearest:  # it rolled on to another minimum of the paper
        assert bottom < 1e-20
        bottom = nearest
    assert value == pytest.approx(bottom, rel=1e-6)


@pytest.mark.parametrize("rule", [BFGS(), Newton(), Backtracking()], ids=repr)
@pytest.mark.parametrize("batched", [True, False])
def test_many_starts_end_where_each_ends_alone(rule, batched):
    objective = CATALOGUE["himmelblau"]
    starts = 8 * torch.rand(4, 2, dtype=torch.float64) - 4
    together = minimize(objective, starts, rule, steps=200, batched=batched)
    for i, start in enumerate(starts):
        alone = minimize(objective, start, rule, steps=200)
        torch.testing.assert_close(together.points[-1, i], alone.points[-1])
    assert (classify(objective, together.points[-1]).is_a(Kind.MINIMUM)).all()


def test_bfgs_does_what_scipys_does():
    objective = CATALOGUE["rosenbrock"]
    found = minimize(objective, row(-1.2, 1), BFGS(), gradient_below=1e-8)
    theirs = scipy.optimize.minimize(
        scipy.optimize.rosen, [-1.2, 1], jac=scipy.optimize.rosen_der, method="BFGS"
    )
    assert found.status is Status.GRADIENT_BELOW
    np.testing.assert_allclose(found.points[-1].numpy(), theirs.x, atol=1e-5)
    assert int(found.steps) < 2 * theirs.nit


def test_newton_needs_one_full_step_on_a_bowl():
    turned = row(0.96, 0.28), row(-0.28, 0.96)

    def bowl(x):
        return (x @ turned[0]) ** 2 + 1e3 * (x @ turned[1]) ** 2

    found = minimize(bowl, row(1, 1), Newton(), steps=1)
    assert found.values[-1] < 1e-9 * found.values[0]


def test_newton_leaves_a_saddle_that_gradient_descent_creeps_past():
    def double_well(x):
        return (x[..., 0] ** 2 - 1) ** 2 + x[..., 1] ** 2

    found = minimize(double_well, row(1e-6, 1), Newton())
    assert found.points[-1].tolist() == pytest.approx([1, 0], abs=1e-8)
    stuck = minimize(double_well, row(0, 1), Newton())
    assert classify(double_well, stuck.points[-1]).kind is Kind.SADDLE


def test_backtracking_meets_armijo_at_every_step():
    objective = CATALOGUE["rosenbrock"]
    found = minimize(objective, row(-1.2, 1), Backtracking(), steps=50)
    moves = found.points.diff(dim=0).norm(dim=-1)
    lengths = moves / found.gradient_norms[:-1]
    promised = 1e-4 * lengths * found.gradient_norms[:-1] ** 2
    assert (found.values[:-1] - found.values[1:] >= promised * (1 - 1e-9)).all()
    halvings = torch.log2(lengths)
    torch.testing.assert_close(halvings, halvings.round(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("rule", [BFGS(), Newton(), Backtracking()], ids=repr)
def test_search_stalls_at_the_bottom_and_says_so(rule):
    found = minimize(
        CATALOGUE["booth"], row(4, 4), rule, steps=5000, gradient_below=None
    )
    assert found.status is Status.STALLED
    assert found.values[-1] < 1e-20
    assert len(found.points) == int(found.steps) + 1


@pytest.mark.parametrize("rule", [BFGS(), Newton(), Backtracking()], ids=repr)
def test_search_takes_a_derivative_by_hand_and_float32(rule):
    start = torch.tensor([3.0, -2.0])
    found = minimize(
        lambda x: (x**2).sum() / 2, start, rule, gradient=lambda x: x, steps=20
    )
    assert found.points.dtype == torch.float32
    assert found.values[-1] < 1e-10


def test_a_wall_of_infinity_is_not_crossed():
    def barrier(x):
        return (x - x.log()).sum(-1)  # NaN for x < 0, minimum at 1

    for rule in (BFGS(), Newton(), Backtracking()):
        found = minimize(barrier, row(20, 0.01), rule)
        torch.testing.assert_close(found.points[-1], row(1, 1), atol=1e-4, rtol=0)


def test_backtracking_names_a_bad_rate():
    with pytest.raises(ValueError, match="lr: expected a number in"):
        Backtracking(lr=-1.0)
