"""The catalogue of activations, entry by entry, against independent truths."""

import math

import matplotlib.pyplot as plt
import mpmath
import numpy as np
import pytest
import torch
import torch.nn.modules.activation as torch_activations
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE, Activation
from autodiff_guide.derivatives import numeric_derivative

INF, NAN = math.inf, math.nan
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
ELEMENTWISE = [entry for entry in CATALOGUE.values() if not entry.vector]
VECTOR = [entry for entry in CATALOGUE.values() if entry.vector]
OTHER_PARAMETERS = {
    "softplus": {"beta": 2.0},
    "leaky_relu": {"negative_slope": 0.25},
    "prelu": {"weight": -0.5},
    "rrelu": {"lower": 0.25, "upper": 0.75},
    "elu": {"alpha": 2.0},
    "celu": {"alpha": 2.0},
    "hardtanh": {"min_val": -0.5, "max_val": 2.0},
    "hardshrink": {"lambd": 1.5},
    "softshrink": {"lambd": 1.5},
    "threshold": {"threshold": -1.0, "value": 3.0},
}
TORCH_SLOPE_IS_OFF_BY = {"softplus": 2.1e-9, "hardsigmoid": 5e-9}  # as the notes say
MP = mpmath.mp.clone()
MP.prec = 300
mpf = MP.mpf
SELU_ALPHA, SELU_SCALE = mpf(1.6732632423543772), mpf(1.0507009873554805)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def mp_sigmoid(x):
    return 1 / (1 + MP.exp(-x))


def mp_between(x, low, high):
    return min(max(x, mpf(low)), mpf(high))


TRUTH = {
    "step": lambda x: mpf(x > 0),
    "identity": lambda x: x,
    "sigmoid": mp_sigmoid,
    "tanh": MP.tanh,
    "relu": lambda x: max(x, mpf(0)),
    "softplus": lambda x: MP.log1p(MP.exp(x)),
    "leaky_relu": lambda x: x if x > 0 else mpf(0.01) * x,
    "prelu": lambda x: x if x > 0 else x / 4,
    "rrelu": lambda x: x if x > 0 else (mpf(1 / 8) + mpf(1 / 3)) / 2 * x,
    "elu": lambda x: x if x > 0 else MP.expm1(x),
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * MP.expm1(x)),
    "celu": lambda x: x if x > 0 else MP.expm1(x),
    "gelu": lambda x: x * MP.ncdf(x) if x > -60 else mpf(0),
    "gelu_tanh": lambda x: (
        x * mp_sigmoid(MP.sqrt(8 / MP.pi) * (x + mpf("0.044715") * x**3))
    ),
    "silu": lambda x: x * mp_sigmoid(x),
    "mish": lambda x: x * MP.tanh(MP.log1p(MP.exp(x))),
    "softsign": lambda x: x / (1 + abs(x)),
    "hardtanh": lambda x: mp_between(x, -1, 1),
    "relu6": lambda x: mp_between(x, 0, 6),
    "hardsigmoid": lambda x: mp_between(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * mp_between(x + 3, 0, 6) / 6,
    "hardshrink": lambda x: x if abs(x) > 0.5 else mpf(0),
    "softshrink": lambda x: MP.sign(x) * max(abs(x) - mpf(0.5), mpf(0)),
    "tanhshrink": lambda x: x - MP.tanh(x),
    "logsigmoid": lambda x: -MP.log1p(MP.exp(-x)),
    "threshold": lambda x: x if x > 1 else mpf(0),
}


def points(dtype, far=1e4):
    """Points on the far range, round the origin, and towards zero from both sides."""
    near_zero = torch.logspace(-12, 2, 60, dtype=torch.float64)
    return torch.cat(
        [
            torch.linspace(-far, far, 41, dtype=torch.float64),
            torch.linspace(-50, 50, 201, dtype=torch.float64),
            torch.empty(200, dtype=torch.float64).uniform_(-10, 10),
            -torch.linspace(80, 760, 50, dtype=torch.float64),
            -torch.linspace(37, 39, 41, dtype=torch.float64),
            -torch.linspace(700, 752, 53, dtype=torch.float64),
            near_zero,
            -near_zero,
        ]
    ).to(dtype)


def units_in_the_last_place(got, true, dtype):
    """The error in spacings of the dtype at the true value."""
    limits = torch.finfo(dtype)
    subnormal = limits.tiny * limits.eps
    if abs(true) > limits.max:
        return 0.0 if abs(got) == INF else INF
    exponent = math.floor(MP.log(abs(true), 2)) if true else -10_000
    spacing = max(mpf(2) ** exponent * limits.eps, mpf(subnormal))
    return float(abs(mpf(got) - true) / spacing)


def worst(values, x, truths, dtype):
    return max(
        units_in_the_last_place(got, true, dtype)
        for got, at, true in zip(values.tolist(), x.tolist(), truths, strict=True)
    )


def slope_by_autograd(function, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def away_from(x, points):
    """Points further from each kink than its own rounding in half precision."""
    return x[torch.stack([abs(x - p) > 0.05 for p in points]).all(0)] if points else x


def test_names_are_keys():
    assert all(name == entry.name for name, entry in CATALOGUE.items())
    with pytest.raises(TypeError):
        CATALOGUE["mine"] = CATALOGUE["relu"]


def test_every_activation_of_torch_is_here():
    ours = {type(e.torch_module()).__name__ for e in ELEMENTWISE if e.torch_module}
    ours |= {type(e.torch_module()).__name__ for e in VECTOR}
    not_activations_of_a_vector = {"MultiheadAttention", "Softmax2d"}
    assert set(torch_activations.__all__) - ours == not_activations_of_a_vector
    assert set(TRUTH) == {entry.name for entry in ELEMENTWISE}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_within_two_units_of_the_truth(entry, dtype):
    x = points(dtype)
    truths = [TRUTH[entry.name](mpf(v)) for v in x.tolist()]
    assert worst(entry.function(x), x, truths, dtype) <= 2
    if not entry.note:
        assert worst(entry.torch_function(x), x, truths, dtype) <= 2


@pytest.mark.parametrize(
    ("name", "dtype", "at"),
    [
        ("softplus", torch.float64, 20.25),
        ("gelu", torch.float64, -9.0),
        ("gelu", torch.float32, -6.0),
        ("gelu_tanh", torch.float64, -7.0),
        ("sigmoid", torch.float32, -93.0),
        ("silu", torch.float32, -93.0),
        ("tanhshrink", torch.float64, 1e-3),
    ],
)
def test_where_the_note_says_torch_is_less_exact(name, dtype, at):
    entry, x = CATALOGUE[name], torch.tensor([at], dtype=dtype)
    truth = [TRUTH[name](mpf(x.item()))]
    assert worst(entry.torch_function(x), x, truth, dtype) > 2
    assert worst(entry.function(x), x, truth, dtype) <= 2
    assert entry.note


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_specials_as_torch_or_as_the_note_says(entry, dtype):
    """Both round to a neighbour of the truth, so they are two units apart at most.

    Which neighbour depends on the processor: at half of the smallest number a result
    may become that number or zero.
    """
    eps = torch.finfo(dtype).eps
    subnormal = torch.finfo(dtype).smallest_normal * eps
    x = torch.tensor([0.0, -0.0, subnormal, -subnormal, INF, -INF, NAN], dtype=dtype)
    ours, theirs = entry.function(x), entry.torch_function(x, **entry.parameters)
    assert ours[-1].isnan()
    assert not ours[:-1].isnan().any()
    if "NaN" in entry.note:
        keep = ~theirs.isnan() & ~x.isnan()
        ours, theirs = ours[keep], theirs[keep]
    torch.testing.assert_close(
        ours.double(), theirs.double(), equal_nan=True, rtol=2 * eps, atol=2 * subnormal
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_other_parameters_value_and_slope(entry, dtype):
    if entry.name not in OTHER_PARAMETERS:
        assert not entry.parameters
        return
    parameters = OTHER_PARAMETERS[entry.name]
    x = away_from(points(dtype), entry.kinks_at(**parameters))
    eps = torch.finfo(dtype).eps
    module = entry.torch_module(**parameters).to(dtype)
    off = max(4 * eps, TORCH_SLOPE_IS_OFF_BY.get(entry.name, 0))
    ours = entry.function(x, **parameters)
    torch.testing.assert_close(ours, module(x).detach(), rtol=3 * eps, atol=off)
    theirs = entry.torch_function(x, **parameters)
    torch.testing.assert_close(ours, theirs, rtol=3 * eps, atol=off)
    torch.testing.assert_close(
        entry.derivative(x, **parameters),
        slope_by_autograd(module, x),
        rtol=4 * eps,
        atol=off,
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_derivative_is_autograds(entry, dtype):
    x = away_from(points(dtype), entry.kinks_at())
    by_hand, eps = entry.derivative(x), torch.finfo(dtype).eps
    ours = slope_by_autograd(entry.function, x)
    torch.testing.assert_close(by_hand, ours, rtol=16 * eps, atol=16 * eps)
    if entry.torch_module is not None:
        theirs = slope_by_autograd(entry.torch_module().to(dtype), x)
        off = max(16 * eps, TORCH_SLOPE_IS_OFF_BY.get(entry.name, 0))
        torch.testing.assert_close(by_hand, theirs, rtol=8 * eps, atol=off)
        if entry.name in TORCH_SLOPE_IS_OFF_BY and dtype == torch.float64:
            assert (by_hand - theirs).abs().max() > 16 * eps


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_derivative_is_mpmaths(entry):
    x = away_from(torch.linspace(-12, 12, 97, dtype=torch.float64), entry.kinks_at())
    truths = [float(MP.diff(TRUTH[entry.name], mpf(v))) for v in x.tolist()]
    truth = torch.tensor(truths, dtype=torch.float64)
    torch.testing.assert_close(entry.derivative(x), truth, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda e: e.name)
def test_derivative_is_the_numeric_one_within_its_error_bar(entry):
    x = torch.linspace(-4.9, 4.7, 24, dtype=torch.float64)
    by_hand = entry.derivative(x)
    numeric = numeric_derivative(entry.function, x)
    if not entry.vector:
        by_hand = torch.diag(by_hand)
    assert ((by_hand - numeric.value).abs() <= numeric.error + 1e-15).all()
    assert numeric.error.max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("parameters", ["default", "other"])
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_kinks_are_what_torch_returns(entry, parameters, dtype):
    chosen = OTHER_PARAMETERS.get(entry.name, {}) if parameters == "other" else {}
    kinks = entry.kinks_at(**chosen)
    at = torch.tensor(list(kinks), dtype=dtype)
    returned = torch.tensor(list(kinks.values()), dtype=dtype)
    torch.testing.assert_close(entry.derivative(at, **chosen), returned)
    torch.testing.assert_close(
        slope_by_autograd(lambda x: entry.function(x, **chosen), at), returned
    )
    if entry.torch_module is not None:
        module = entry.torch_module(**chosen).to(dtype)
        torch.testing.assert_close(slope_by_autograd(module, at), returned)


@pytest.mark.parametrize("parameters", ["default", "other"])
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_kinks_and_jumps_are_all_there_are(entry, parameters):
    """One-sided slopes differ at each kink and nowhere else; so do values at jumps."""
    chosen = OTHER_PARAMETERS.get(entry.name, {}) if parameters == "other" else {}
    kinks, jumps = entry.kinks_at(**chosen), entry.jumps_at(**chosen)
    candidates = {0.0, *kinks, *jumps, -3.0, -1.0, -0.5, 0.5, 1.0, 3.0, 6.0}
    h = 1e-7
    for at in candidates:
        x = torch.tensor([at - h, at, at + h], dtype=torch.float64)
        left, middle, right = entry.function(x, **chosen).tolist()
        jumped = abs(right - left) > 1e-3
        kinked = jumped or abs((right - middle) - (middle - left)) > 1e-3 * h
        assert jumped == (at in jumps), at
        assert kinked == (at in kinks), at


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_range_is_reached_and_never_left(entry):
    x = torch.cat([points(torch.float64), torch.linspace(-3, 3, 60_001).double()])
    value = entry.function(x)
    low, high = entry.range
    assert value.min() >= low
    assert value.max() <= high
    ends = zip(entry.range, (value.min(), value.max()), strict=True)
    for end, reached in ends:
        assert reached.abs() > 50 if math.isinf(end) else abs(reached - end) < 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["step", "sigmoid", "tanh", "relu", "softplus"])
def test_numpy_twin(name, dtype):
    entry = CATALOGUE[name]
    x = np.append(points(torch.float64).numpy(), [INF, -INF, NAN]).astype(dtype)
    twin = entry.numpy(x)
    assert twin.dtype == dtype
    np.testing.assert_allclose(
        twin,
        entry.function(torch.from_numpy(x)).numpy(),
        rtol=4 * np.finfo(dtype).eps,
        atol=4 * np.finfo(dtype).smallest_subnormal,
    )


def mp_softmax(row):
    powers = [MP.exp(mpf(v)) for v in row]
    return [p / MP.fsum(powers) for p in powers]


def mp_log_softmax(row):
    top = max(row)
    others = [MP.exp(mpf(v) - top) for v in row]
    others[row.index(top)] = mpf(0)
    return [mpf(v) - top - MP.log1p(MP.fsum(others)) for v in row]


def mp_glu(row):
    half = len(row) // 2
    return [
        mpf(a) * mp_sigmoid(mpf(b)) for a, b in zip(row[:half], row[half:], strict=True)
    ]


VECTOR_TRUTH = {
    "softmax": mp_softmax,
    "log_softmax": mp_log_softmax,
    "softmin": lambda row: mp_softmax([-v for v in row]),
    "glu": mp_glu,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", VECTOR, ids=lambda e: e.name)
def test_vector_within_two_units_of_the_truth(entry, dtype):
    scales = torch.tensor([0.01, 1.0, 30.0, 300.0])
    rows = (torch.randn(30, 4, 6) * scales[:, None]).flatten(0, 1).to(dtype)
    truths = [t for row in rows.tolist() for t in VECTOR_TRUTH[entry.name](row)]
    got = entry.function(rows)
    assert worst(got.flatten(), torch.ones(got.numel()), truths, dtype) <= 2
    if entry.note and dtype == torch.float64:
        theirs = entry.torch_function(rows).flatten()
        assert worst(theirs, torch.ones(got.numel()), truths, dtype) > 2


@pytest.mark.parametrize("entry", VECTOR, ids=lambda e: e.name)
def test_vector_agrees_with_torch_and_its_jacobian(entry):
    x = torch.randn(3, 2, 6, dtype=torch.float64)
    torch.testing.assert_close(entry.function(x), entry.torch_module()(x))
    jacobian = entry.derivative(x)
    expected = torch.func.vmap(torch.func.vmap(torch.func.jacrev(entry.torch_function)))
    torch.testing.assert_close(jacobian, expected(x))
    ours = torch.func.vmap(torch.func.vmap(torch.func.jacrev(entry.function)))
    torch.testing.assert_close(jacobian, ours(x))


def test_softmax_of_the_curriculum():
    p = CATALOGUE["softmax"].function(torch.tensor([3.0, 1.0, -3.0]))
    torch.testing.assert_close(
        p, torch.tensor([0.8789, 0.1189, 0.0022]), atol=5e-5, rtol=0
    )


def test_masked_entries_of_a_softmax():
    x = torch.tensor([0.0, -INF, 1.0])
    for name in ("softmax", "log_softmax"):
        entry = CATALOGUE[name]
        torch.testing.assert_close(entry.function(x), entry.torch_function(x))


@given(st.floats(-1e4, 1e4))
def test_bounds_of_the_slopes(x):
    at = torch.tensor([x], dtype=torch.float64)
    assert 0 <= CATALOGUE["sigmoid"].derivative(at).item() <= 0.25
    assert 0 <= CATALOGUE["tanh"].derivative(at).item() <= 1
    assert CATALOGUE["relu"].derivative(at).item() in (0, 1)


@given(st.floats(-700, 700))
def test_symmetries(x):
    at = torch.tensor([x], dtype=torch.float64)

    def value(name, at):
        return CATALOGUE[name].function(at)

    exactly = {"rtol": 0, "atol": 1e-15}
    one = value("sigmoid", at) + value("sigmoid", -at)
    torch.testing.assert_close(one, torch.ones_like(at), **exactly)
    for odd in ("tanh", "softsign", "softshrink", "hardshrink", "tanhshrink"):
        torch.testing.assert_close(value(odd, -at), -value(odd, at), rtol=0, atol=0)
    assert torch.equal(value("logsigmoid", at), -value("softplus", -at))


def test_tensors_of_any_shape_and_learned_weight():
    x = torch.randn(2, 3, 4)
    for entry in ELEMENTWISE:
        assert entry.function(x).shape == x.shape
        assert entry.function(x[0, 0, 0]).shape == ()
        assert entry.function(x[:0]).shape == (0, 3, 4)
    weight = torch.tensor([0.1, 0.2, 0.3, 0.4], requires_grad=True)
    CATALOGUE["prelu"].function(-torch.ones(2, 4), weight=weight).sum().backward()
    torch.testing.assert_close(weight.grad, torch.full((4,), -2.0))


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda e: e.name)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.arange(4), r"x: expected a floating-point tensor, got torch.int64"),
        (torch.ones(4, dtype=torch.complex64), r"x: expected a floating-point tensor"),
        ([1.0, 2.0], r"x: expected a torch.Tensor, got list"),
    ],
)
def test_bad_input(entry, bad, message):
    for function in (entry.function, entry.derivative):
        with pytest.raises(TypeError, match=message):
            function(bad)


def test_glu_of_an_odd_vector():
    with pytest.raises(ValueError, match=r"expected an even last dimension"):
        CATALOGUE["glu"].function(torch.ones(3))


def test_unknown_parameter():
    with pytest.raises(TypeError, match=r"elu: expected parameters \['alpha'\]"):
        CATALOGUE["elu"].kinks_at(slope=1.0)


def test_an_entry_of_ones_own():
    double = Activation(
        name="double",
        formula="2x",
        function=lambda x: 2 * x,
        derivative=lambda x: torch.full_like(x, 2),
        torch_module=nn.Identity,
        torch_function=lambda x: 2 * x,
        range=(-INF, INF),
        source="here",
    )
    assert double.kinks_at() == {}
    assert double.jumps_at() == ()


def drawn(ax):
    return {
        line.get_label(): (np.array(line.get_xdata()), np.array(line.get_ydata()))
        for line in ax.lines
    }


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_plot_draws_value_and_both_slopes(entry):
    lines = drawn(plotting.activation(entry))
    x, value = lines[entry.name]
    gaps = np.isnan(value)
    assert sorted(x[gaps]) == sorted(entry.jumps_at())
    at = torch.from_numpy(x)
    expected = entry.function(at).numpy()[~gaps]  # each within 2 units of the truth
    np.testing.assert_allclose(
        value[~gaps], expected, rtol=4 * np.finfo(float).eps, atol=0
    )
    smooth = ~np.isin(x, list(entry.kinks_at()))
    for label in ("slope by autograd", "slope by hand"):
        np.testing.assert_allclose(
            lines[label][1][smooth], entry.derivative(at).numpy()[smooth], atol=1e-14
        )
        assert np.isnan(lines[label][1][~smooth]).all()
    assert ("kink" in lines) == bool(entry.kinks_at())
    if entry.kinks_at():
        assert dict(zip(*lines["slope there"], strict=True)) == entry.kinks_at()


def test_plot_shades_where_it_is_saturated():
    ax = plotting.activation(CATALOGUE["sigmoid"])
    (shade,) = ax.collections
    inside = [path.get_extents().intervalx for path in shade.get_paths()]
    edge = math.log(99)  # not exactly: e / (1 + e)**2 = 0.01 at e = 0.0102...
    assert len(inside) == 2
    np.testing.assert_allclose(inside, [[-5, -edge], [edge, 5]], atol=0.02)


def test_plot_of_ones_own_function_and_module():
    square = drawn(plotting.activation(lambda x: x * x))
    assert set(square) == {"function", "slope by autograd"}
    x, slope = square["slope by autograd"]
    np.testing.assert_allclose(slope, 2 * x)
    weight = nn.PReLU(init=-0.5)
    assert "PReLU" in drawn(plotting.activation(weight))
    assert weight.weight.grad is None
    bare = drawn(plotting.activation(torch.sign, derivative=False))
    assert set(bare) == {"sign"}
    assert set(drawn(plotting.activation(lambda x: (x > 0).double()))) == {"function"}


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (CATALOGUE["softmax"], ValueError, r"expected an element-wise activation"),
        (torch.sum, ValueError, r"got shape \(\) from \(1000,\)"),
        (nn.GLU(), ValueError, r"got shape \(500,\)"),
        (lambda x: (x, x), TypeError, r"got tuple; pick the tensor"),
    ],
)
def test_plot_of_what_is_no_activation(entry, error, message):
    with pytest.raises(error, match=message):
        plotting.activation(entry)
    assert not plt.get_fignums()


def test_grid_shows_all():
    figure = plotting.activation_grid()
    assert [ax.get_title() for ax in figure.axes] == [e.name for e in ELEMENTWISE]
    assert figure.legends[0].get_texts()[0].get_text() == "value"
