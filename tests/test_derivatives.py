"""Derivatives held against closed forms in 50 digits, SymPy and torch's own."""

import functools
import itertools
import math

import mpmath as mp
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, vmap

from autodiff_guide.derivatives import (
    _numeric,
    grad,
    hessian,
    jacobian,
    jvp,
    numeric_derivative,
    one_sided_derivatives,
    value_and_grad,
    vjp,
)
from autodiff_guide.gradcheck import check_gradient


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def logistic(x):
    return 1 / (1 + mp.exp(-x))


# Elementwise functions: name -> (function, derivative in mpmath, range of points).
ELEMENTWISE = {
    "exp": (torch.exp, mp.exp, -3, 3),
    "log": (torch.log, lambda x: 1 / x, 1e-3, 5),
    "log near 0": (torch.log, lambda x: 1 / x, 1e-9, 1e-7),
    "sin": (torch.sin, mp.cos, -10, 10),
    "sin far out": (torch.sin, mp.cos, 1e3, 2e3),
    "cos": (torch.cos, lambda x: -mp.sin(x), -10, 10),
    "tan": (torch.tan, lambda x: mp.sec(x) ** 2, -1.5, 1.5),
    "1 / x": (torch.reciprocal, lambda x: -1 / x**2, 0.01, 4),
    "sqrt": (torch.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), 1e-6, 4),
    "x ** 0.1": (
        lambda x: x**0.1,
        lambda x: mp.mpf(0.1) * x ** (mp.mpf(0.1) - 1),
        1e-3,
        4,
    ),
    "x ** x": (lambda x: x**x, lambda x: x**x * (mp.log(x) + 1), 0.1, 5),
    "sigmoid": (torch.sigmoid, lambda x: logistic(x) * logistic(-x), -40, 40),
    "tanh": (torch.tanh, lambda x: mp.sech(x) ** 2, -6, 6),
    "softplus": (torch.nn.functional.softplus, logistic, -10, 10),
    "erf": (torch.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), -4, 4),
    "polynomial": (
        lambda x: 3 * x**5 - 2 * x**3 + x - 7,
        lambda x: 15 * x**4 - 6 * x**2 + 1,
        -3,
        3,
    ),
    "with cancellation": (
        lambda x: (x + 100) ** 2 - 10_000,
        lambda x: 2 * (x + 100),
        -3,
        3,
    ),
    "x * |x|": (lambda x: x * x.abs(), lambda x: 2 * abs(x), -3, 3),
    "atan": (torch.atan, lambda x: 1 / (1 + x * x), -9, 9),
    "asin": (torch.asin, lambda x: 1 / mp.sqrt(1 - x * x), -0.99, 0.99),
    "cosh": (torch.cosh, mp.sinh, -4, 4),
    "log(1 + x)": (lambda x: torch.log(1 + x), lambda x: 1 / (1 + x), -0.5, 1),
    "bell": (lambda x: torch.exp(-x * x), lambda x: -2 * x * mp.exp(-x * x), -3, 3),
    "sin(x) / x": (
        lambda x: torch.sin(x) / x,
        lambda x: (x * mp.cos(x) - mp.sin(x)) / x**2,
        0.01,
        20,
    ),
    "lgamma": (torch.lgamma, mp.digamma, 0.1, 20),
    "relu": (torch.relu, lambda x: mp.mpf(x > 0), -3, 3),
}


def softmax_jacobian(x):
    weights = [mp.exp(v) for v in x]
    p = [w / mp.fsum(weights) for w in weights]
    return [[p[i] * ((i == j) - p[j]) for j in range(len(p))] for i in range(len(p))]


def square(x):
    side = math.isqrt(len(x))
    return mp.matrix([list(x[i : i + side]) for i in range(0, len(x), side)])


def logdet_gradient(x):
    inverse = mp.inverse(square(x))
    return [[inverse[j, i] for i in range(3) for j in range(3)]]


def inverse_jacobian(x):
    b = mp.inverse(square(x))
    places = [(i, j) for i in range(3) for j in range(3)]
    return [[-b[i, k] * b[m, j] for k, m in places] for i, j in places]


def matrix(x):
    return x.reshape(3, 3)


# Functions of vectors: name -> (function, Jacobian in mpmath).
OF_VECTORS = {
    "softmax": (lambda x: x.softmax(0), softmax_jacobian),
    "inverse": (lambda x: torch.linalg.inv(matrix(x)).flatten(), inverse_jacobian),
    "log determinant": (lambda x: matrix(x).det().abs().log()[None], logdet_gradient),
    "sum of squares": (
        lambda x: (x * x).sum()[None],
        lambda x: [[2 * v for v in x]],
    ),
}
SCALES = (1e-8, 1e-4, 1.0, 1e4, 1e8)


def measure(fn, truth, x, wide, tall):
    """True error, error bar and size of the derivative of x -> tall * fn(wide * x).

    An elementwise function has slopes for its truth, others have a Jacobian's rows.
    """
    found = numeric_derivative(lambda x: tall * fn(wide * x), x)
    with mp.workdps(50):
        exact = truth([mp.mpf(wide) * mp.mpf(v) for v in x.tolist()])
        elementwise = not isinstance(exact[0], list)
        rows = [exact] if elementwise else exact
        exact = [mp.mpf(tall) * mp.mpf(wide) * v for row in rows for v in row]
        value, error = (
            (t.diagonal() if elementwise else t).flatten()
            for t in (found.value, found.error)
        )
        wrong = [abs(v - e) for v, e in zip(value.tolist(), exact, strict=True)]
        return tensor(*map(float, wrong)), error, tensor(*map(float, map(abs, exact)))


def campaign(seed):
    """`measure` every function, at scales of 1e-8 to 1e8 in x and in f."""
    generator = torch.Generator().manual_seed(seed)

    def points(n, low, high):
        return low + (high - low) * torch.rand(n, generator=generator).double()

    results = {}
    for wide, tall in itertools.product(SCALES, SCALES):
        for name, (fn, slope, low, high) in ELEMENTWISE.items():
            slopes = functools.partial(map, slope)
            result = measure(
                fn,
                lambda x, f=slopes: list(f(x)),
                points(6, low, high) / wide,
                wide,
                tall,
            )
            results.setdefault(name, []).append(result)
        for name, (fn, rows) in OF_VECTORS.items():
            result = measure(fn, rows, points(9, -2, 2) / wide, wide, tall)
            results.setdefault(name, []).append(result)
    return {
        name: [torch.cat(part) for part in zip(*result, strict=True)]
        for name, result in results.items()
    }


@pytest.fixture(scope="module")
def measured():
    return campaign(seed=20261121)


def test_error_bars_cover_the_true_error(measured):
    assert len(measured) >= 25
    error, bar, _ = (torch.cat(part) for part in zip(*measured.values(), strict=True))
    assert torch.isfinite(bar).all()
    assert (error <= bar).double().mean() >= 0.99


def test_every_function_is_covered(measured):
    for name, (error, bar, _) in measured.items():
        assert (error <= bar).double().mean() >= 0.95, name


def test_error_bars_are_not_absurdly_wide(measured):
    error, bar, _ = (torch.cat(part) for part in zip(*measured.values(), strict=True))
    wrong = error > 0
    assert (bar / error)[wrong].median() <= 50
    assert (bar / error)[wrong].quantile(0.9) <= 1000


def test_median_error_of_each_smooth_function(measured):
    for name, (error, _, size) in measured.items():
        slanted = size > 0
        assert (error / size)[slanted].median() <= 1e-10, name


def test_sine_of_a_large_number():
    x = tensor(1e6, -3e7, 1e8)
    found = numeric_derivative(lambda x: torch.sin(x), x)
    error = (found.value.diagonal() - torch.cos(x)).abs()
    assert (error <= found.error.diagonal()).all()
    assert (error <= 1e-12).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    coefficients=st.lists(st.floats(-10, 10), min_size=1, max_size=5),
    x=st.floats(-5, 5),
)
def test_any_polynomial(coefficients, x):
    def polynomial(x):
        return sum(c * x**k for k, c in enumerate(coefficients)) + 0 * x

    found = numeric_derivative(polynomial, torch.tensor(x))
    with mp.workdps(50):
        point = mp.mpf(float(torch.tensor(x)))
        slope = mp.fsum(
            k * c * point ** (k - 1) for k, c in enumerate(coefficients) if k
        )
        assert abs(mp.mpf(found.value.item()) - slope) <= mp.mpf(found.error.item())


def test_an_irrelevant_input_has_derivative_zero():
    found = numeric_derivative(lambda x: x[:1] * 3 + 7, tensor(1.0, 2.0))
    assert found.value.tolist() == [[pytest.approx(3), 0]]
    assert found.error[0, 1] < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("x", [0.0, 0.25, 3.0])
def test_hidden_low_precision_widens_the_bar(dtype, x):
    found = numeric_derivative(lambda x: torch.exp(x.to(dtype)), tensor(x)[0])
    error = (found.value - math.exp(x)).abs()
    assert error <= found.error
    roundings = found.error / (torch.finfo(dtype).eps * math.exp(x))
    assert 0.01 < roundings < 1000


def test_noise_is_measured():
    quiet = numeric_derivative(torch.sin, tensor(2.2)[0])
    noisy = numeric_derivative(
        lambda x: torch.sin(x) + 1e-6 * torch.sin(1e14 * x), tensor(2.2)[0]
    )
    assert (noisy.value - math.cos(2.2)).abs() <= noisy.error
    assert noisy.error > 1e6 * quiet.error


def test_domain_ends_before_the_step_does():
    x = tensor(1e-12, 0.5, 1 - 1e-9)
    found = numeric_derivative(lambda x: torch.log(x) + torch.log1p(-x), x)
    error = (found.value.diagonal() - (1 / x - 1 / (1 - x))).abs()
    assert (error <= found.error.diagonal()).all()


def test_undefined_is_nan_with_an_infinite_bar():
    for fn, x in ((torch.log, -1.0), (torch.sqrt, 0.0), (torch.reciprocal, 0.0)):
        found = numeric_derivative(fn, torch.tensor(x))
        assert found.value.isnan()
        assert found.error.isinf()


def test_singular_matrices_are_outside_the_domain():
    def factor(x):
        return torch.linalg.cholesky(
            torch.stack([x.new_ones(()), x, x, x + 1]).view(2, 2)
        )

    x = torch.tensor(0.5, dtype=torch.float64)
    found = numeric_derivative(factor, x)
    exact = jacobian(factor)(x)
    assert ((found.value - exact).abs() <= found.error).all()


def test_a_function_may_refuse_points_outside_its_domain():
    def guarded(x):
        return torch.as_tensor(math.log(x.item()), dtype=x.dtype)

    found = numeric_derivative(guarded, tensor(0.25)[0])
    assert (found.value - 4).abs() <= found.error < 1e-9


def test_steps_are_powers_of_two_so_that_a_line_is_exact():
    x = tensor(0.1, 1e8, -1e-8, math.pi)
    found = numeric_derivative(lambda x: x, x)
    assert torch.equal(found.value, torch.eye(4, dtype=torch.float64))
    step = numeric_derivative(torch.exp, x / 1e8).step
    assert (step.frexp().mantissa == 0.5).all()


def test_chunks_and_loop_agree_with_one_call(monkeypatch):
    x = torch.rand(7, 3, dtype=torch.float64)

    def fn(x):
        return torch.tanh(x @ x.T)

    def stubborn(x):
        x.sum().item()  # vmap refuses
        return fn(x)

    whole, looped = numeric_derivative(fn, x), numeric_derivative(stubborn, x)
    monkeypatch.setattr(_numeric, "MEMORY", 1)
    for other in (looped, numeric_derivative(fn, x)):
        gap = (other.value - whole.value).abs()
        assert (gap <= other.error + whole.error).all()
    assert whole.value.shape == whole.error.shape == whole.step.shape == (7, 7, 7, 3)


def test_memory_bound_bounds_the_rows(monkeypatch):
    calls = []
    rows = _numeric._Black.rows

    def counted(black, points):
        calls.append(len(points))
        return rows(black, points)

    monkeypatch.setattr(_numeric._Black, "rows", counted)
    x = torch.ones(50)
    numeric_derivative(lambda x: x.sum(), x)
    assert calls == 2 * [50 * _numeric.LEVELS]
    calls.clear()
    monkeypatch.setattr(_numeric, "MEMORY", 2**18)
    numeric_derivative(lambda x: x.sum(), x)
    assert max(calls) <= 10 * _numeric.LEVELS
    assert sum(calls) == 2 * 50 * _numeric.LEVELS


def test_a_matrix_as_input():
    weight, x = torch.rand(3, 2), torch.rand(2).double()
    found = numeric_derivative(lambda w: w @ x, weight)
    exact = torch.einsum("ij,k->ijk", torch.eye(3).double(), x)
    assert found.value.shape == (3, 3, 2)
    assert torch.allclose(found.value, exact, atol=1e-12)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: torch.ones(3, 3) @ x,
        lambda x: torch.nn.functional.linear(x, torch.ones(3, 3)),
        lambda x: torch.dot(torch.ones(3), x),
        lambda x: torch.nn.Conv1d(1, 1, 1)(x[None, None]),
        lambda x: torch.nn.RNN(3, 3)(x[None])[0],
    ],
)
def test_captured_tensor_of_another_dtype(fn):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        numeric_derivative(fn, torch.ones(3))
    assert "float64; what it captures must be so too" in caught.value.__notes__[0]


def test_an_error_of_the_function_itself_is_not_disguised():
    with pytest.raises(RuntimeError, match="shape"):
        numeric_derivative(lambda x: x.reshape(5), torch.ones(3))


def test_empty_input_and_scalar_output():
    assert numeric_derivative(lambda x: x.sum(), torch.ones(0, 2)).value.shape == (0, 2)
    assert numeric_derivative(lambda x: x * 2, torch.ones(())).value.shape == ()


def test_kink_and_slope_are_told_apart():
    x = tensor(-1.0, 0.0, 1e-6, 2.0)
    sides = one_sided_derivatives(torch.relu, x)
    assert sides.kink.diagonal().tolist() == [False, True, False, False]
    assert torch.allclose(sides.left.value.diagonal(), tensor(0, 0, 1, 1))
    assert torch.allclose(sides.right.value.diagonal(), tensor(0, 1, 1, 1))
    smooth = one_sided_derivatives(lambda x: torch.sin(x) * x.abs() * x, x)
    assert not smooth.kink.any()


def test_one_sided_bars_cover_too():
    x = torch.linspace(0.2, 3, 40, dtype=torch.float64)
    sides = one_sided_derivatives(torch.log, x)
    for side in (sides.left, sides.right):
        error = (side.value.diagonal() - 1 / x).abs()
        assert (error <= side.error.diagonal()).double().mean() >= 0.97
        assert (error * x).median() <= 1e-10


def test_edge_of_the_domain_has_one_side():
    sides = one_sided_derivatives(lambda x: x * torch.sqrt(x), torch.tensor(0.0))
    assert sides.left.value.isnan()
    assert 0 <= sides.right.value < 1e-6
    assert not sides.kink


def test_tables_name_value_bar_and_step():
    found = numeric_derivative(lambda x: x**2, torch.arange(1.0, 5.0))
    text = str(found)
    assert "shape (4, 4), first 12 of 16 elements" in text
    assert "error bar" in text
    assert len(text.splitlines()) == 15
    assert found._repr_html_().count("<tr>") == 13


ANALYTIC = [
    (lambda x: (x**3).sum(), lambda x: 3 * x**2),
    (lambda x: torch.exp(-(x**2).sum()), lambda x: -2 * x * torch.exp(-(x**2).sum())),
    (lambda x: x.logsumexp(0), lambda x: x.softmax(0)),
]


@pytest.mark.parametrize(("fn", "exact"), ANALYTIC)
def test_gradient(fn, exact):
    x = torch.randn(5, dtype=torch.float64)
    value, gradient = value_and_grad(fn)(x)
    assert torch.equal(value, fn(x))
    assert torch.allclose(gradient, exact(x), rtol=1e-12)
    assert torch.equal(grad(fn)(x), gradient)
    found = numeric_derivative(fn, x)
    assert ((found.value - gradient).abs() <= found.error + 1e-15).all()


@pytest.mark.parametrize(("fn", "exact"), ANALYTIC)
def test_second_derivatives(fn, exact):
    x = torch.randn(4, dtype=torch.float64)
    second = hessian(fn)(x)
    assert second.shape == (4, 4)
    assert torch.allclose(second, torch.autograd.functional.hessian(fn, x))
    assert torch.allclose(second, torch.func.hessian(fn)(x))
    found = numeric_derivative(grad(fn), x)
    assert torch.allclose(found.value, second, atol=1e-9)


def test_hessian_of_the_mean_squared_error():
    x, y = torch.randn(2, 5, dtype=torch.float64)
    found = hessian(lambda x: torch.nn.functional.mse_loss(x, y))(x)
    assert torch.allclose(found, torch.eye(5, dtype=torch.float64) * 2 / 5)


def test_jacobian_against_torch_and_both_products():
    x = torch.randn(2, 3, dtype=torch.float64)

    def fn(x):
        return torch.sin(x).sum(1) * x[:, 0]

    J = jacobian(fn)(x)
    assert torch.allclose(J, torch.autograd.functional.jacobian(fn, x))
    v, w = torch.randn_like(x), torch.randn(2, dtype=torch.float64)
    value, push = jvp(fn, (x,), (v,))
    assert torch.equal(value, fn(x))
    assert torch.allclose(push, torch.einsum("ijk,jk->i", J, v))
    value, pullback = vjp(fn, x)
    assert torch.equal(value, fn(x))
    assert torch.allclose(pullback(w)[0], torch.einsum("i,ijk->jk", w, J))
    assert torch.allclose(pullback(2 * w)[0], 2 * pullback(w)[0])


def test_several_arguments():
    x, y = tensor(2.0)[0], tensor(3.0)[0]

    def fn(x, y):
        return x**2 * y

    assert grad(fn, argnums=1)(x, y) == 4
    assert grad(fn, argnums=(0, 1))(x, y) == (12, 4)
    assert jacobian(fn, argnums=(1, 0))(x, y) == (4, 12)
    assert hessian(fn, argnums=1)(x, y) == 0
    assert jvp(fn, (x, y), (y, x))[1] == 44
    assert vjp(fn, x, y)[1](x) == (24, 8)


@pytest.mark.parametrize(
    "formula", ["sin(x)**2", "exp(-x)*x", "log(1 + x**2)", "x**3/(1 + x)", "tanh(2*x)"]
)
def test_against_sympy(formula):
    x = sympy.Symbol("x")
    expression = sympy.sympify(formula)
    fn, first, second = (
        sympy.lambdify(x, expression.diff(x, order) if order else expression, torch)
        for order in range(3)
    )
    point = tensor(0.7)[0]
    assert torch.allclose(grad(fn)(point), first(point), rtol=1e-13)
    assert torch.allclose(grad(grad(fn))(point), second(point), rtol=1e-13)
    found = numeric_derivative(fn, point)
    assert (found.value - first(point)).abs() <= found.error


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6))
def test_pushing_and_pulling_agree(values):
    x = tensor(*values)
    v = torch.linspace(-1, 1, len(values), dtype=torch.float64)

    def fn(x):
        return torch.tanh(x).cumsum(0)

    pushed = jvp(fn, (x,), (v,))[1]
    pulled = vjp(fn, x)[1](v)[0]
    assert torch.allclose(pushed @ v, pulled @ v)


def test_results_compose():
    x = torch.rand(6, dtype=torch.float64)
    third = vmap(grad(grad(grad(torch.sin))))(x)
    assert torch.allclose(third, -torch.cos(x))
    per_sample = vmap(hessian(lambda x: (x**3).sum()))(x.view(3, 2))
    assert torch.allclose(per_sample, torch.diag_embed(6 * x.view(3, 2)))
    assert vmap(lambda x: jvp(torch.sin, (x,), (x,))[1])(x).shape == (6,)


@pytest.mark.parametrize("again", [grad, jacobian, hessian])
def test_derivative_of_a_constant_derivative_is_zero(again):
    inner = grad(lambda x: 3 * x)
    assert again(inner)(torch.tensor(2.0)) == 0
    square = hessian(lambda x: 3 * x**2)
    assert again(square)(torch.tensor(2.0)) == 0
    one = torch.tensor(1.0)
    assert again(lambda x: jvp(lambda x: 2 * x, (x,), (one,))[1])(one) == 0
    assert again(lambda x: vjp(lambda x: 2 * x, x)[1](one)[0])(one) == 0


def test_gradients_reach_outer_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    grad(lambda x: (x**3).sum())(x).sum().backward()
    assert torch.equal(x.grad, torch.tensor([6.0, 12.0]))
    assert grad(lambda x: (3 * x).sum())(x).requires_grad


def test_parameters_of_a_module():
    module = torch.nn.Linear(3, 1)
    x, weight = torch.rand(3), module.weight

    def fn(weight):
        return functional_call(module, {"weight": weight}, (x,)).sum()

    assert torch.allclose(grad(fn)(weight).detach(), x[None])
    assert weight.grad is None


def test_nothing_of_the_users_is_changed():
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    before, random = x.detach().clone(), torch.random.get_rng_state()

    def spoil(x):
        y = x * 1
        return y.mul_(2).sum()

    def careless(x):
        return x.mul_(2).sum() if not x.requires_grad else spoil(x)

    numeric_derivative(careless, x)
    one_sided_derivatives(careless, x)
    for verb in (grad, value_and_grad, jacobian, hessian):
        verb(spoil)(x)
    jvp(spoil, (x,), (torch.ones_like(x),))
    vjp(spoil, x)[1](torch.ones((), dtype=torch.float64))
    assert torch.equal(x, before)
    assert x.grad is None
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


X = torch.ones(3)


@pytest.mark.parametrize("verb", [grad, value_and_grad, jacobian, hessian])
@pytest.mark.parametrize(
    ("fn", "x", "error", "message"),
    [
        (torch.sum, torch.ones(3, dtype=torch.int64), TypeError, r"input 0: .*int64"),
        (torch.sum, [1.0], TypeError, r"input 0: expected a torch.Tensor, got list"),
        (lambda x: x.detach().sum(), X, ValueError, "detached"),
        (lambda x: torch.tensor(2.0), X, ValueError, "detached"),
        (lambda x: x.sum().long(), X, TypeError, "fn's result: .*int64"),
        (lambda x: 3.0, X, TypeError, "fn's result: .*float"),
    ],
)
def test_bad_input(verb, fn, x, error, message):
    with pytest.raises(error, match=message):
        verb(fn)(x)


@pytest.mark.parametrize("verb", [grad, value_and_grad, hessian])
def test_gradient_needs_a_scalar(verb):
    with pytest.raises(ValueError, match=r"scalar, got shape \(3,\).*jacobian"):
        verb(torch.square)(X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grad(torch.sum, argnums=1)(X), ValueError, "argnums: .* got 1"),
        (lambda: jvp(torch.sin, X, (X,)), TypeError, r"primals: .*\(primal,\)"),
        (lambda: jvp(torch.sin, (X,), X), TypeError, r"tangents: .*\(tangent,\)"),
        (lambda: jvp(torch.sin, (X,), ()), ValueError, "tangents: expected 1"),
        (lambda: jvp(torch.sin, (X,), (X[:2],)), ValueError, r"\(3,\).*\(2,\)"),
        (lambda: jvp(torch.sin, (X,), (X.double(),)), ValueError, "float64"),
        (lambda: jvp(lambda x: x.detach(), (X,), (X,)), ValueError, "detached"),
        (lambda: vjp(lambda x: x.detach(), X), ValueError, "detached"),
        (lambda: vjp(torch.sin, X)[1](X[:2]), ValueError, r"cotangent: .*\(2,\)"),
        (
            lambda: numeric_derivative(torch.sin, X.long()),
            TypeError,
            "x: .*int64",
        ),
        (lambda: numeric_derivative(torch.sin, 1.0), TypeError, "got float"),
        (lambda: numeric_derivative(lambda x: x > 0, X), TypeError, "result: .*bool"),
        (lambda: numeric_derivative(lambda x: 1.0, X), TypeError, "result: .*float"),
    ],
)
def test_bad_call(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda f, x: grad(f)(x),
        lambda f, x: hessian(f)(x),
        lambda f, x: jacobian(f)(x),
        lambda f, x: jvp(f, (x,), (x,)),
        lambda f, x: vjp(f, x),
        lambda f, x: check_gradient(grad(f), x),
    ],
)
def test_function_without_setup_context_is_explained(differentiate):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * g * x**2

    with pytest.raises(TypeError, match=r"setup_context.*create_graph=True"):
        differentiate(Cube.apply, torch.tensor(2.0))
    x = torch.tensor(2.0, requires_grad=True)
    (slope,) = torch.autograd.grad(Cube.apply(x), x, create_graph=True)  # as advised
    assert torch.autograd.grad(slope, x)[0] == 12


def test_other_errors_of_the_function_are_its_own():
    def refuse(x):
        raise RuntimeError("too cold")

    with pytest.raises(RuntimeError, match="too cold"):
        grad(refuse)(torch.tensor(1.0))
