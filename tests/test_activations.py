"""The catalogue of activations, entry by entry, against independent truths."""

import math
import pickle

import matplotlib.pyplot as plt
import mpmath
import numpy as np
import pytest
import torch
import torch.nn.modules.activation as torch_activations
from hypothesis import given
from hypothesis import strategies as st
from torch_modules import torch_module

from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE, Activation
from autodiff_guide.derivatives import numeric_derivative

INF, NAN = math.inf, math.nan
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
ELEMENTWISE = [entry for entry in CATALOGUE.values() if not entry.vector]
VECTOR = [entry for entry in CATALOGUE.values() if entry.vector]
OTHER_SETTINGS = {  # and where the kinks are then
    "softplus": ({"beta": 2.0}, ()),
    "leaky_relu": ({"negative_slope": 0.25}, (0.0,)),
    "prelu": ({"weight": -0.5}, (0.0,)),
    "rrelu": ({"lower": 0.25, "upper": 0.75}, (0.0,)),
    "elu": ({"alpha": 2.0}, (0.0,)),
    "celu": ({"alpha": 2.0}, ()),
    "hardtanh": ({"min_val": -0.5, "max_val": 2.0}, (-0.5, 2.0)),
    "hardshrink": ({"lambd": 1.5}, (-1.5, 1.5)),
    "softshrink": ({"lambd": 1.5}, (-1.5, 1.5)),
    "threshold": ({"threshold": -1.0, "value": 3.0}, (-1.0,)),
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


def test_every_activation_of_torch_is_here():
    ours = {entry.title for entry in CATALOGUE.values()}
    not_activations_of_a_vector = {"MultiheadAttention", "Softmax2d"}
    assert set(torch_activations.__all__) - ours == not_activations_of_a_vector
    assert set(TRUTH) == {entry.name for entry in ELEMENTWISE}


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda e: e.name)
def test_the_value_is_that_of_torchs_module(entry):
    x = torch.randn(3, 6, dtype=torch.float64)
    if entry.name not in ("step", "identity"):
        assert torch.equal(entry(x), torch_module(entry.name)(x))


def test_entries_show_themselves_and_travel():
    assert repr(CATALOGUE["softsign"]) == r"<Activation softsign: \frac{x}{1 + |x|}>"
    assert CATALOGUE["leaky_relu"].title == "LeakyReLU"
    x = torch.randn(6)
    for name, copy in pickle.loads(pickle.dumps(CATALOGUE)).items():
        assert torch.equal(copy(x), CATALOGUE[name](x))
        assert torch.equal(copy.derivative(x), CATALOGUE[name].derivative(x))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_within_two_units_of_the_truth_unless_the_note_says_otherwise(entry, dtype):
    x = points(dtype)
    truths = [TRUTH[entry.name](mpf(v)) for v in x.tolist()]
    assert entry.note or worst(entry(x), x, truths, dtype) <= 2


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
    assert worst(entry(x), x, truth, dtype) > 2
    assert entry.note


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_specials(entry, dtype):
    eps = torch.finfo(dtype).eps
    subnormal = torch.finfo(dtype).smallest_normal * eps
    x = torch.tensor([0.0, -0.0, subnormal, -subnormal, INF, -INF, NAN], dtype=dtype)
    value = entry(x)
    assert value[-1].isnan()
    assert value[:-1].isnan().any() == ("NaN" in entry.note)
    assert not entry.derivative(x)[:-1].isnan().any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_other_settings_value_and_slope(name, dtype):
    entry, (settings, kinks) = CATALOGUE[name], OTHER_SETTINGS[name]
    x = away_from(points(dtype), kinks)
    eps = torch.finfo(dtype).eps
    module = torch_module(entry.name, **settings).to(dtype)
    off = max(4 * eps, TORCH_SLOPE_IS_OFF_BY.get(entry.name, 0))
    assert torch.equal(entry(x, **settings), module(x).detach())
    torch.testing.assert_close(
        entry.derivative(x, **settings),
        slope_by_autograd(module, x),
        rtol=4 * eps,
        atol=off,
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_derivative_is_autograds(entry, dtype):
    x = away_from(points(dtype), entry.kinks)
    by_hand, eps = entry.derivative(x), torch.finfo(dtype).eps
    theirs = slope_by_autograd(entry, x)
    off = max(16 * eps, TORCH_SLOPE_IS_OFF_BY.get(entry.name, 0))
    torch.testing.assert_close(by_hand, theirs, rtol=8 * eps, atol=off)
    if entry.name in TORCH_SLOPE_IS_OFF_BY and dtype == torch.float64:
        assert (by_hand - theirs).abs().max() > 16 * eps


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_derivative_is_mpmaths(entry):
    x = away_from(torch.linspace(-12, 12, 97, dtype=torch.float64), entry.kinks)
    truths = [float(MP.diff(TRUTH[entry.name], mpf(v))) for v in x.tolist()]
    truth = torch.tensor(truths, dtype=torch.float64)
    torch.testing.assert_close(entry.derivative(x), truth, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda e: e.name)
def test_derivative_is_the_numeric_one_within_its_error_bar(entry):
    x = torch.linspace(-4.9, 4.7, 24, dtype=torch.float64)
    by_hand = entry.derivative(x)
    numeric = numeric_derivative(entry, x)
    if not entry.vector:
        by_hand = torch.diag(by_hand)
    assert ((by_hand - numeric.value).abs() <= numeric.error + 1e-15).all()
    assert numeric.error.max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_kinks_are_what_torch_returns(entry, dtype):
    at = torch.tensor(list(entry.kinks), dtype=dtype)
    returned = torch.tensor(list(entry.kinks.values()), dtype=dtype)
    torch.testing.assert_close(entry.derivative(at), returned)
    torch.testing.assert_close(slope_by_autograd(entry, at), returned)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_other_kinks_are_what_torch_returns(name, dtype):
    entry, (settings, kinks) = CATALOGUE[name], OTHER_SETTINGS[name]
    at = torch.tensor(kinks, dtype=dtype)
    returned = slope_by_autograd(lambda x: entry(x, **settings), at)
    torch.testing.assert_close(entry.derivative(at, **settings), returned)


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_kinks_and_jumps_are_all_there_are(entry):
    """One-sided slopes differ at each kink and nowhere else; so do values at jumps."""
    candidates = {0.0, *entry.kinks, *entry.jumps, -3.0, -1.0, -0.5, 0.5, 1.0, 3.0, 6.0}
    h = 1e-7
    for at in candidates:
        x = torch.tensor([at - h, at, at + h], dtype=torch.float64)
        left, middle, right = entry(x).tolist()
        jumped = abs(right - left) > 1e-3
        kinked = jumped or abs((right - middle) - (middle - left)) > 1e-3 * h
        assert jumped == (at in entry.jumps), at
        assert kinked == (at in entry.kinks), at


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_range_is_reached_and_never_left(entry):
    x = torch.cat([points(torch.float64), torch.linspace(-3, 3, 60_001).double()])
    value = entry(x)
    low, high = entry.range
    assert value.min() >= low
    assert value.max() <= high
    ends = zip(entry.range, (value.min(), value.max()), strict=True)
    for end, reached in ends:
        assert reached.abs() > 50 if math.isinf(end) else abs(reached - end) < 1e-3


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
def test_vector_within_two_units_of_the_truth_or_as_the_note_says(entry, dtype):
    scales = torch.tensor([0.01, 1.0, 30.0, 300.0])
    rows = (torch.randn(30, 4, 6) * scales[:, None]).flatten(0, 1).to(dtype)
    truths = [t for row in rows.tolist() for t in VECTOR_TRUTH[entry.name](row)]
    off = worst(entry(rows).flatten(), torch.ones(len(truths)), truths, dtype)
    assert entry.note or off <= 2
    if entry.name != "glu" and dtype == torch.float64:
        assert off > 2


@pytest.mark.parametrize("entry", VECTOR, ids=lambda e: e.name)
def test_vector_agrees_with_autograds_jacobian(entry):
    x = torch.randn(3, 2, 6, dtype=torch.float64)
    expected = torch.func.vmap(torch.func.vmap(torch.func.jacrev(entry.function)))
    torch.testing.assert_close(entry.derivative(x), expected(x))


@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=8),
    st.sampled_from(["softmax", "log_softmax", "softmin"]),
)
def test_jacobians_of_any_vector_are_autograds(numbers, name):
    x, entry = torch.tensor(numbers, dtype=torch.float64), CATALOGUE[name]
    truth = torch.autograd.functional.jacobian(entry, x)
    torch.testing.assert_close(entry.derivative(x), truth)


def test_softmax_of_the_curriculum():
    p = CATALOGUE["softmax"](torch.tensor([3.0, 1.0, -3.0]))
    torch.testing.assert_close(
        p, torch.tensor([0.8789, 0.1189, 0.0022]), atol=5e-5, rtol=0
    )


def test_masked_entries_of_a_softmax():
    x = torch.tensor([0.0, -INF, 1.0])
    for name in ("softmax", "log_softmax"):
        jacobian = CATALOGUE[name].derivative(x)
        assert jacobian.isfinite().all()
        assert (jacobian[[0, 2], 1] == 0).all()


@given(st.floats(-1e4, 1e4))
def test_bounds_of_the_slopes(x):
    at = torch.tensor([x], dtype=torch.float64)
    assert 0 <= CATALOGUE["sigmoid"].derivative(at).item() <= 0.25
    assert 0 <= CATALOGUE["tanh"].derivative(at).item() <= 1
    assert CATALOGUE["relu"].derivative(at).item() in (0, 1)


@given(st.floats(-700, 700))
def test_symmetries(x):
    at = torch.tensor([x], dtype=torch.float64)

    def slope(name, at):
        return CATALOGUE[name].derivative(at)

    odd = ("tanh", "softsign", "softshrink", "hardshrink", "tanhshrink")
    for name in (*odd, "sigmoid"):
        assert torch.equal(slope(name, -at), slope(name, at))
    assert torch.equal(slope("logsigmoid", at), slope("softplus", -at))
    for name in ("silu", "gelu", "gelu_tanh"):
        one = slope(name, at) + slope(name, -at)
        torch.testing.assert_close(one, torch.ones_like(at), rtol=0, atol=1e-15)


def test_tensors_of_any_shape_and_learned_weight():
    x = torch.randn(2, 3, 4)
    for entry in ELEMENTWISE:
        assert entry(x).shape == x.shape
        assert entry.derivative(x[0, 0, 0]).shape == ()
        assert entry.derivative(x[:0]).shape == (0, 3, 4)
    weight = torch.tensor([0.1, 0.2, 0.3, 0.4], requires_grad=True)
    CATALOGUE["prelu"](-torch.ones(2, 4), weight=weight).sum().backward()
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
    for function in (entry, entry.derivative):
        with pytest.raises(TypeError, match=message):
            function(bad)


def test_glu_of_an_odd_vector():
    for function in (CATALOGUE["glu"], CATALOGUE["glu"].derivative):
        with pytest.raises(RuntimeError, match=r"Halving|multiply up to the size"):
            function(torch.ones(3))


def test_unknown_setting():
    for function in (CATALOGUE["elu"], CATALOGUE["elu"].derivative):
        with pytest.raises(TypeError, match=r"unexpected keyword argument 'slope'"):
            function(torch.ones(3), slope=1.0)


def test_an_entry_of_ones_own():
    double = Activation(
        name="double",
        formula="2x",
        function=lambda x: 2 * x,
        by_hand=lambda x: torch.full_like(x, 2),
        source="here",
    )
    assert double.title == "double"
    assert double.range == (-INF, INF)
    assert double.derivative(torch.ones(2, dtype=torch.half)).tolist() == [2, 2]
    assert "double" in drawn(plotting.activation(double))


def drawn(ax):
    return {
        line.get_label(): (np.array(line.get_xdata()), np.array(line.get_ydata()))
        for line in ax.lines
    }


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_plot_draws_value_and_slope(entry):
    lines = drawn(plotting.activation(entry))
    x, value = lines[entry.title]
    gaps = np.isnan(value)
    assert sorted(x[gaps]) == sorted(entry.jumps)
    at = torch.from_numpy(x)
    np.testing.assert_array_equal(value[~gaps], entry(at).numpy()[~gaps])
    smooth = ~np.isin(x, list(entry.kinks))
    slope = lines["slope"][1]
    np.testing.assert_array_equal(slope[smooth], entry.derivative(at).numpy()[smooth])
    assert np.isnan(slope[~smooth]).all()
    assert ("kink" in lines) == bool(entry.kinks)
    if entry.kinks:
        assert dict(zip(*lines["slope there"], strict=True)) == entry.kinks


def test_plot_shades_where_it_is_saturated():
    ax = plotting.activation(CATALOGUE["sigmoid"])
    (shade,) = ax.collections
    inside = [path.get_extents().intervalx for path in shade.get_paths()]
    edge = math.log(99)  # not exactly: e / (1 + e)**2 = 0.01 at e = 0.0102...
    assert len(inside) == 2
    np.testing.assert_allclose(inside, [[-5, -edge], [edge, 5]], atol=0.02)


def test_plot_of_what_is_no_elementwise_activation():
    with pytest.raises(ValueError, match="expected an element-wise activation"):
        plotting.activation(CATALOGUE["softmax"])
    assert not plt.get_fignums()
