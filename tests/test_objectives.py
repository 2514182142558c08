"""Every objective against its formula by SymPy, or against SciPy's function."""

import math

import pytest
import scipy.optimize
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff_guide.objectives import (
    CATALOGUE,
    linear_regression,
    quadratic,
    rosenbrock,
)

X, Y, Z = sympy.symbols("x y z", real=True)
# Written from the sources, not from the package.
FORMULAS = {
    "parabola": 2 * X**2,
    "shifted_parabola": 2 * X**2 - 8 * X + 12,
    "sphere": X**2 + Y**2 + Z**2,
    "quadratic": X**2 / 2 + 50 * Y**2,
    "rosenbrock": (1 - X) ** 2 + 100 * (Y - X**2) ** 2,
    "himmelblau": (X**2 + Y - 11) ** 2 + (X + Y**2 - 7) ** 2,
    "beale": sum(
        (c - X * (1 - Y**k)) ** 2
        for k, c in (
            (1, sympy.Rational(3, 2)),
            (2, sympy.Rational(9, 4)),
            (3, sympy.Rational(21, 8)),
        )
    ),
    "booth": (X + 2 * Y - 7) ** 2 + (2 * X + Y - 5) ** 2,
    "matyas": sympy.Rational(26, 100) * (X**2 + Y**2) - sympy.Rational(48, 100) * X * Y,
    "rastrigin": 20
    + X**2
    + Y**2
    - 10 * (sympy.cos(2 * sympy.pi * X) + sympy.cos(2 * sympy.pi * Y)),
    "ackley": -20 * sympy.exp(-sympy.sqrt((X**2 + Y**2) / 2) / 5)
    - sympy.exp((sympy.cos(2 * sympy.pi * X) + sympy.cos(2 * sympy.pi * Y)) / 2)
    + sympy.E
    + 20,
    "styblinski_tang": (X**4 - 16 * X**2 + 5 * X + Y**4 - 16 * Y**2 + 5 * Y) / 2,
    "three_hump_camel": 2 * X**2
    - sympy.Rational(105, 100) * X**4
    + X**6 / 6
    + X * Y
    + Y**2,
    "saddle": X**2 - Y**2,
    "monkey_saddle": X**3 - 3 * X * Y**2,
    "linear_regression": ((X + Y - 5) ** 2 + (2 * X + Y - 7) ** 2) / 2,
}
NAMES = list(CATALOGUE)


def gradient(objective, points):
    points = points.clone().requires_grad_()
    return torch.autograd.grad(objective(points).sum(), points)[0]


def inside(objective, count):
    low, high = torch.tensor(objective.domain, dtype=torch.float64).T
    return low + (high - low) * torch.rand(count, objective.dimension).double()


def test_every_entry_has_an_independent_formula():
    assert set(FORMULAS) == set(CATALOGUE)
    assert len(CATALOGUE) == 16


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_agree_with_sympy(name):
    objective = CATALOGUE[name]
    symbols = (X, Y, Z)[: objective.dimension]
    value = sympy.lambdify(symbols, FORMULAS[name], "math")
    slopes = [sympy.lambdify(symbols, FORMULAS[name].diff(s), "math") for s in symbols]
    points = inside(objective, 20)
    for point, found, slope in zip(
        points.tolist(), objective(points), gradient(objective, points), strict=True
    ):
        expected = value(*point)
        assert float(found) == pytest.approx(expected, rel=1e-12, abs=1e-12)
        expected = [derivative(*point) for derivative in slopes]
        assert slope.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_minimizers_have_the_minimum_and_no_slope(name):
    objective = CATALOGUE[name]
    if not objective.minimizers:
        assert objective.minimum == -math.inf
        assert objective(torch.tensor([[1e3, 1e4], [-1e3, 1e4]])).min() < -1e6
        return
    points = torch.tensor(objective.minimizers, dtype=torch.float64)
    assert points.shape[1] == objective.dimension
    scale = 1 + abs(objective.minimum)
    torch.testing.assert_close(
        objective(points),
        torch.full((len(points),), objective.minimum, dtype=torch.float64),
        atol=1e-13 * scale,
        rtol=0,
    )
    assert gradient(objective, points).abs().max() < 1e-10
    assert (objective(inside(objective, 2000)) >= objective.minimum - 1e-12).all()
    low, high = torch.tensor(objective.domain, dtype=torch.float64).T
    assert ((low <= points) & (points <= high)).all()


@pytest.mark.parametrize("name", [n for n in NAMES if CATALOGUE[n].saddles])
def test_saddles_have_no_slope_and_go_up_and_down(name):
    objective = CATALOGUE[name]
    for saddle in torch.tensor(objective.saddles, dtype=torch.float64):
        assert gradient(objective, saddle).abs().max() < 1e-8
        angle = torch.linspace(0, 2 * torch.pi, 65, dtype=torch.float64)
        ring = saddle + 1e-2 * torch.stack([angle.cos(), angle.sin()], -1)
        rises = objective(ring) - objective(saddle)
        assert rises.min() < 0 < rises.max()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_broadcast_and_dtypes_are_kept(name, dtype):
    objective = CATALOGUE[name]
    points = torch.rand(4, 3, objective.dimension, dtype=dtype)
    values = objective(points)
    assert values.shape == (4, 3)
    assert values.dtype == dtype
    torch.testing.assert_close(objective(points[1, 2]), values[1, 2])


@pytest.mark.parametrize("n", [2, 3, 7])
def test_rosenbrock_is_scipys(n):
    points = torch.randn(10, n, dtype=torch.float64)
    expected = torch.as_tensor(scipy.optimize.rosen(points.T.numpy()))
    torch.testing.assert_close(rosenbrock(n)(points), expected)
    slopes = torch.as_tensor(scipy.optimize.rosen_der(points.T.numpy()).T)
    torch.testing.assert_close(gradient(rosenbrock(n), points), slopes)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=4))
def test_quadratic_has_the_chosen_curvatures(eigenvalues):
    objective = quadratic(eigenvalues)
    point = torch.zeros(len(eigenvalues), dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(objective, point)
    expected = torch.tensor(sorted(eigenvalues), dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(hessian), expected)


def test_the_regression_agrees_with_a_solver_and_copies_its_data():
    inputs = torch.randn(40, 3, dtype=torch.float64)
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5]).double() + torch.randn(40)
    objective = linear_regression(inputs, targets)
    point = torch.tensor(objective.minimizers[0])
    ones = torch.ones(40, 1, dtype=torch.float64)
    expected, *_ = scipy.linalg.lstsq(torch.cat([inputs, ones], 1), targets)
    torch.testing.assert_close(
        point.double(), torch.as_tensor(expected), rtol=1e-5, atol=1e-6
    )
    before = float(objective(point.double()))
    targets.zero_()
    assert float(objective(point.double())) == before


def test_tables_name_what_is_known():
    text = str(CATALOGUE["himmelblau"])
    assert "(3, 2)" in text
    assert "unbounded" in str(CATALOGUE["saddle"])
    assert "<table>" in CATALOGUE["beale"]._repr_html_()


def test_a_key_is_the_title_in_snake_case_and_the_repr_is_short():
    camel = CATALOGUE["three_hump_camel"]
    assert camel.title == "three-hump camel"
    assert repr(camel) == "Objective('three_hump_camel', n=2)"
    assert all(key == objective.name for key, objective in CATALOGUE.items())


DATA = torch.ones(3, 1)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: CATALOGUE["booth"](torch.zeros(3)), ValueError, "(*, 2)"),
        (lambda: CATALOGUE["booth"](torch.zeros(2).long()), TypeError, "floating"),
        (lambda: CATALOGUE["booth"]([1.0, 2.0]), TypeError, "torch.Tensor"),
        (lambda: CATALOGUE["parabola"](torch.tensor(1.0)), ValueError, "(*, 1)"),
        (lambda: rosenbrock(1), ValueError, "at least 2"),
        (lambda: quadratic([]), ValueError, "numbers > 0"),
        (lambda: quadratic([1.0, -1.0]), ValueError, "numbers > 0"),
        (lambda: linear_regression(DATA, DATA), ValueError, "(N, d) and (N,)"),
        (lambda: linear_regression(DATA.long(), DATA), TypeError, "inputs"),
        (lambda: CATALOGUE["Himelblau"], KeyError, "try 'himmelblau'"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
