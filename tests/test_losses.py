"""Losses against torch's own, SymPy, and numbers worked out by hand."""

import pickle
import warnings

import pytest
import sympy
import torch

from autodiff_guide import check_gradient
from autodiff_guide.activations import CATALOGUE as ACTIVATIONS
from autodiff_guide.losses import CATALOGUE

EVERY = pytest.mark.parametrize("loss", CATALOGUE.values(), ids=lambda x: x.name)
REDUCTION = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
DTYPE = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])

ELEMENTWISE = [
    name
    for name in CATALOGUE
    if name
    not in (
        "cross_entropy",
        "nll_loss",
        "multi_margin_loss",
        "cosine_embedding_loss",
        "triplet_margin_loss",
    )
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def cast(operands, dtype):
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in operands)


def value_and_gradients(function, operands, outputs, **settings):
    leaves = [x.clone().requires_grad_() for x in operands[:outputs]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="reduction: 'mean' divides")
        value = function(*leaves, *operands[outputs:], **settings)
    return value.detach(), torch.autograd.grad(value.sum(), leaves)


def assert_equals_torch(loss, operands, **settings):
    """Compare the gradient by hand with torch's; neither changes the operands."""
    before = [x.clone() for x in operands]
    _, truth = value_and_gradients(loss, operands, len(loss.outputs), **settings)
    by_hand = as_tuple(loss.gradient(*operands, **settings))
    torch.testing.assert_close(by_hand, truth, equal_nan=True)
    for x, unchanged in zip(operands, before, strict=True):
        assert torch.equal(x, unchanged)


@EVERY
@REDUCTION
@DTYPE
@pytest.mark.parametrize("size", [(5, 3), (1, 7), (64, 10)])
def test_values_and_gradients_equal_those_of_torch(loss, reduction, dtype, size):
    operands = cast(loss.sample(*size, generator=seeded()), dtype)
    assert_equals_torch(loss, operands, reduction=reduction)


@REDUCTION
@DTYPE
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3, 5), (0,), (2, 1, 3, 1)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_losses_take_any_shape(name, shape, reduction, dtype):
    operands = CATALOGUE[name].sample(6, 5, generator=seeded())
    count = torch.Size(shape).numel()
    shaped = tuple(x.flatten()[:count].reshape(shape) for x in operands)
    assert_equals_torch(CATALOGUE[name], cast(shaped, dtype), reduction=reduction)


SETTINGS = [
    ("huber_loss", {"delta": 0.3}),
    ("huber_loss", {"delta": 3.0}),
    ("smooth_l1_loss", {"beta": 0.3}),
    ("smooth_l1_loss", {"beta": 0.0}),
    ("cross_entropy", {"label_smoothing": 0.1}),
    ("cross_entropy", {"ignore_index": 1}),
    ("cross_entropy", {"weight": torch.tensor([0.5, 1.0, 3.0])}),
    (
        "cross_entropy",
        {
            "weight": torch.tensor([0.0, 1.0, 3.0]),
            "label_smoothing": 0.3,
            "ignore_index": 2,
        },
    ),
    ("nll_loss", {"weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("nll_loss", {"ignore_index": 0}),
    ("multi_margin_loss", {"p": 2}),
    ("multi_margin_loss", {"margin": 0.2}),
    ("hinge_embedding_loss", {"margin": 2.0}),
    ("margin_ranking_loss", {"margin": 0.5}),
    ("cosine_embedding_loss", {"margin": 0.2}),
    ("triplet_margin_loss", {"margin": 0.3}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
@REDUCTION
@DTYPE
def test_settings_mean_what_they_mean_in_torch(name, settings, reduction, dtype):
    operands = cast(CATALOGUE[name].sample(9, 3, generator=seeded(1)), dtype)
    settings = {
        key: value.to(dtype) if isinstance(value, torch.Tensor) else value
        for key, value in settings.items()
    }
    assert_equals_torch(CATALOGUE[name], operands, reduction=reduction, **settings)


@REDUCTION
@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 4, 2), (2, 4, 3, 5)])
def test_cross_entropy_of_images_and_single_samples(shape, reduction):
    output = torch.randn(shape, dtype=torch.float64)
    axis = min(len(shape) - 1, 1)
    target = torch.randint(4, (*shape[:axis], *shape[axis + 1 :]))
    weight = torch.rand(4, dtype=torch.float64)
    for name, settings in [
        ("cross_entropy", {"label_smoothing": 0.2}),
        ("nll_loss", {}),
    ]:
        assert_equals_torch(
            CATALOGUE[name],
            (output, target),
            weight=weight,
            reduction=reduction,
            **settings,
        )


@REDUCTION
def test_cross_entropy_of_probabilities(reduction):
    output = torch.randn(3, 4, 2, dtype=torch.float64)
    target = torch.randn(3, 4, 2, dtype=torch.float64).softmax(dim=1)
    for settings in (
        {},
        {"label_smoothing": 0.2, "weight": torch.rand(4, dtype=torch.float64)},
    ):
        assert_equals_torch(
            CATALOGUE["cross_entropy"],
            (output, target),
            reduction=reduction,
            **settings,
        )


def test_multi_margin_of_one_sample():
    output = torch.tensor([0.3, 0.1, 0.2])
    assert_equals_torch(CATALOGUE["multi_margin_loss"], (output, torch.tensor(1)))


@REDUCTION
def test_one_variance_for_a_row(reduction):
    loss = CATALOGUE["gaussian_nll_loss"]
    mean, variance, target = loss.sample(5, 3, generator=seeded())
    operands = (mean, variance[:, :1].clone(), target)
    assert_equals_torch(loss, operands, reduction=reduction)


def test_kinks_take_the_side_that_torch_takes():
    one, zero = torch.ones(1), torch.zeros(1)
    assert_equals_torch(CATALOGUE["l1_loss"], (one, one))
    assert_equals_torch(CATALOGUE["hinge_embedding_loss"], (one, -one))
    assert_equals_torch(CATALOGUE["margin_ranking_loss"], (one, one, one))
    assert_equals_torch(CATALOGUE["soft_margin_loss"], (zero, one))
    assert_equals_torch(CATALOGUE["huber_loss"], (one, zero))
    assert_equals_torch(CATALOGUE["smooth_l1_loss"], (one, zero))
    assert_equals_torch(
        CATALOGUE["multi_margin_loss"], (torch.tensor([[0.0, -1.0]]), torch.tensor([0]))
    )


def test_bce_by_hand_is_torchs_even_at_certainty():
    output, target = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0, 1])
    assert_equals_torch(CATALOGUE["binary_cross_entropy"], (output, target))


@DTYPE
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_logits_of_any_size_lose_nothing(dtype, size):
    logits = torch.tensor([[size, -size, 0.0], [-size, size, 0.0]], dtype=dtype)
    assert_equals_torch(CATALOGUE["cross_entropy"], (logits, torch.tensor([1, 1])))
    signs = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]], dtype=dtype)
    assert_equals_torch(CATALOGUE["binary_cross_entropy_with_logits"], (logits, signs))


def test_gradient_of_soft_margin_is_finite_where_torchs_overflows():
    loss = CATALOGUE["soft_margin_loss"]
    output, target = torch.tensor([-100.0, 100.0, -1e30]), torch.ones(3)
    value, (gradient,) = value_and_gradients(
        loss, (output, target), 1, reduction="none"
    )
    assert value[0].isinf()
    assert gradient[0].isnan()
    by_hand = loss.gradient(output, target, reduction="sum")
    torch.testing.assert_close(by_hand, torch.tensor([-1.0, 0.0, -1.0]))


def test_a_class_ruled_out_costs_nothing():
    logits = torch.tensor([[-torch.inf, 0.0, 0.0]])
    assert_equals_torch(CATALOGUE["cross_entropy"], (logits, torch.tensor([1])))


def test_nothing_but_ignored_samples():
    operands = (torch.randn(2, 3), torch.full((2,), -100))
    assert_equals_torch(CATALOGUE["cross_entropy"], operands, reduction="sum")
    assert CATALOGUE["cross_entropy"].gradient(*operands).isnan().all()


@EVERY
@REDUCTION
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_our_checker_finds_nothing_wrong(loss, reduction):
    operands = loss.sample(4, 3, generator=seeded(6))
    n = len(loss.outputs)

    def value(*operands):
        return loss(*operands, reduction=reduction)

    def by_hand(*operands):
        return loss.gradient(*operands, reduction=reduction)

    report = check_gradient(value, *operands, gradient=by_hand, wrt=list(range(n)))
    assert report.kind == "agree", str(report)


# The formulas in SymPy, of one output x (or μ) and its target y.
x, y, v = sympy.symbols("x y v", real=True)
SYMBOLIC = {
    "mse_loss": (x - y) ** 2,
    "l1_loss": sympy.Abs(x - y),
    "huber_loss": sympy.Piecewise(
        ((x - y) ** 2 / 2, sympy.Abs(x - y) <= 1),
        (sympy.Abs(x - y) - sympy.Rational(1, 2), True),
    ),
    "smooth_l1_loss": sympy.Piecewise(
        ((x - y) ** 2 / 2, sympy.Abs(x - y) < 1),
        (sympy.Abs(x - y) - sympy.Rational(1, 2), True),
    ),
    "poisson_nll_loss": sympy.exp(x) - y * x,
    "gaussian_nll_loss": (sympy.log(v) + (x - y) ** 2 / v) / 2,
    "binary_cross_entropy": -y * sympy.log(x) - (1 - y) * sympy.log(1 - x),
    "binary_cross_entropy_with_logits": (1 - y) * x + sympy.log(1 + sympy.exp(-x)),
    "kl_div": y * (sympy.log(y) - x),
    "hinge_embedding_loss": sympy.Piecewise((x, y > 0), (sympy.Max(0, 1 - x), True)),
    "soft_margin_loss": sympy.log(1 + sympy.exp(-y * x)),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_elementary_losses_equal_their_formula(name):
    loss, formula = CATALOGUE[name], SYMBOLIC[name]
    operands = loss.sample(4, 3, generator=seeded(2))
    symbols = (x, v, y) if "variance" in loss.outputs else (x, y)
    rows = list(zip(*(t.flatten().tolist() for t in operands), strict=True))

    def truth(expression):
        numbers = [
            float(expression.subs(dict(zip(symbols, row, strict=True))).evalf())
            for row in rows
        ]
        return torch.tensor(numbers, dtype=torch.float64).reshape(4, 3)

    value = loss(*operands, reduction="none")
    torch.testing.assert_close(value, truth(formula))
    gradients = as_tuple(loss.gradient(*operands, reduction="none"))
    for symbol, gradient in zip(symbols, gradients, strict=False):
        torch.testing.assert_close(gradient, truth(sympy.diff(formula, symbol)))


@EVERY
def test_entries_describe_themselves(loss):
    assert getattr(torch.nn.functional, loss.name).__name__ == loss.name
    assert loss.title
    assert repr(loss) == f"<Loss {loss.name}: {loss.formula}>"
    assert loss.gradient_formula
    first, again = (loss.sample(4, 3, generator=seeded(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@EVERY
def test_entries_travel(loss):
    copy = pickle.loads(pickle.dumps(loss))
    operands = loss.sample(4, 3, generator=seeded())
    assert torch.equal(
        copy(*operands, reduction="sum"), loss(*operands, reduction="sum")
    )
    for here, there in zip(loss.curve(5), copy.curve(5), strict=True):
        assert torch.equal(here, there)


@EVERY
def test_the_slope_of_a_curve_is_that_of_the_loss(loss):
    t, values, slopes = loss.curve()
    assert (t[0], t[-1]) == (loss.line.start, loss.line.stop)
    expected = loss.function(*loss.line.operands(t), reduction="none")
    torch.testing.assert_close(values, expected)
    steps = values.diff() / t.diff()
    low, high = torch.stack([slopes[:-1], slopes[1:]]).aminmax(dim=0)
    room = 1e-6 + 0.02 * slopes.abs().max()
    assert (steps > low - room).all()
    assert (steps < high + room).all()


def test_the_gradient_by_hand_has_the_derivative_it_should():
    logits, target = torch.randn(3, dtype=torch.float64), torch.tensor(1)
    loss = CATALOGUE["cross_entropy"]
    hessian = torch.func.jacrev(lambda z: loss.gradient(z, target))
    jacobian = ACTIVATIONS["softmax"].derivative(logits)
    torch.testing.assert_close(hessian(logits), jacobian)


LOGITS = torch.zeros(2, 3)
BAD = [
    ("mse_loss", (LOGITS, torch.zeros(2)), ValueError, r"target: expected shape \(2"),
    ("mse_loss", ([0.0], torch.zeros(1)), TypeError, "output: expected a torch.Tensor"),
    ("mse_loss", (torch.zeros(1), 0.0), TypeError, "target: expected a torch.Tensor"),
    ("mse_loss", (torch.tensor([1]), LOGITS), TypeError, "floating-point"),
    ("cross_entropy", (LOGITS, torch.zeros(3, dtype=torch.long)), ValueError, "target"),
    ("cross_entropy", (LOGITS, torch.zeros(2)), ValueError, "target: expected shape"),
    ("cross_entropy", (torch.tensor(0.0), torch.tensor(0)), ValueError, "output"),
    ("gaussian_nll_loss", (LOGITS, torch.ones(2), LOGITS), ValueError, "variance"),
    ("margin_ranking_loss", (LOGITS, LOGITS, torch.ones(2)), ValueError, "target"),
    ("cosine_embedding_loss", (LOGITS, LOGITS, LOGITS), ValueError, "target"),
    ("triplet_margin_loss", (LOGITS, LOGITS, torch.zeros(3)), ValueError, "negative"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "operands", "error", "message"), BAD)
def test_bad_operands_are_named(name, operands, error, message):
    with pytest.raises(error, match=message):
        CATALOGUE[name](*operands)
    with pytest.raises(error, match=message):
        CATALOGUE[name].gradient(*operands)


@EVERY
def test_an_unknown_reduction_is_refused(loss):
    operands = loss.sample(4, 3, generator=seeded())
    for function in (loss, loss.gradient):
        with pytest.raises(ValueError, match="reduction: expected 'none'"):
            function(*operands, reduction="avg")


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "multi_margin_loss"])
@pytest.mark.parametrize("wrong", [3, -1])
def test_a_class_there_is_not_is_refused(name, wrong):
    operands = LOGITS, torch.tensor([0, wrong])
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        CATALOGUE[name](*operands)
    with pytest.raises(ValueError, match="target: expected classes from 0 to 2"):
        CATALOGUE[name].gradient(*operands)


def test_operands_are_counted_and_weights_are_one_per_class():
    for function in (CATALOGUE["mse_loss"], CATALOGUE["mse_loss"].gradient):
        with pytest.raises(TypeError, match="expected output and target, got 3"):
            function(LOGITS, LOGITS, LOGITS)
    with pytest.raises(ValueError, match="weight: expected shape \\(3,\\)"):
        CATALOGUE["nll_loss"].gradient(
            LOGITS, torch.tensor([0, 1]), weight=torch.ones(2)
        )
