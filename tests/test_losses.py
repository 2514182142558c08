"""Losses against torch's own, SymPy, and numbers worked out by hand."""

import warnings

import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from autodiff_guide import check_gradient
from autodiff_guide.losses import (
    CATALOGUE,
    log_softmax,
    log_sum_exp,
    softmax,
    softmax_jacobian,
    softmax_vjp,
)

EVERY = pytest.mark.parametrize("loss", CATALOGUE.values(), ids=lambda x: x.name)
REDUCTION = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
DTYPE = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])

ELEMENTWISE = [
    "mse", "mae", "huber", "smooth_l1", "poisson_nll", "bce", "bce_with_logits", "kl",
    "hinge_embedding", "soft_margin", "gaussian_nll", "margin_ranking",
]  # fmt: skip


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
    """Our value, its autograd gradient and the gradient by hand, against torch's."""
    before = [x.clone() for x in operands]
    n = len(loss.outputs)
    value, gradients = value_and_gradients(loss.torch_twin, operands, n, **settings)
    own_value, own = value_and_gradients(loss, operands, n, **settings)
    by_hand = as_tuple(loss.gradient(*operands, **settings))
    torch.testing.assert_close(own_value, value, equal_nan=True)
    torch.testing.assert_close(own, gradients, equal_nan=True)
    torch.testing.assert_close(by_hand, gradients, equal_nan=True)
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
    ("huber", {"delta": 0.3}),
    ("huber", {"delta": 3.0}),
    ("smooth_l1", {"beta": 0.3}),
    ("smooth_l1", {"beta": 0.0}),
    ("poisson_nll", {"full": True}),
    ("gaussian_nll", {"full": True}),
    ("gaussian_nll", {"eps": 1.0}),
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
    ("nll", {"weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("nll", {"ignore_index": 0}),
    ("bce", {"weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("bce_with_logits", {"weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("bce_with_logits", {"pos_weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("multi_margin", {"p": 2}),
    ("multi_margin", {"margin": 0.2, "weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("multi_margin", {"p": 2, "weight": torch.tensor([0.5, 1.0, 3.0])}),
    ("hinge_embedding", {"margin": 2.0}),
    ("margin_ranking", {"margin": 0.5}),
    ("cosine_embedding", {"margin": 0.2}),
    ("triplet_margin", {"margin": 0.3}),
    ("triplet_margin", {"p": 1.0}),
    ("triplet_margin", {"p": 3.0, "swap": True}),
    ("triplet_margin", {"swap": True}),
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
        ("nll", {}),
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
    target = softmax(torch.randn(3, 4, 2, dtype=torch.float64), dim=1)
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
    assert_equals_torch(CATALOGUE["multi_margin"], (output, torch.tensor(1)))


@REDUCTION
def test_one_variance_for_a_row(reduction):
    loss = CATALOGUE["gaussian_nll"]
    mean, variance, target = loss.sample(5, 3, generator=seeded())
    operands = (mean, variance[:, :1].clone(), target)
    assert_equals_torch(loss, operands, reduction=reduction)


def test_poisson_nll_of_a_rate():
    output, target = CATALOGUE["poisson_nll"].sample(5, 3, generator=seeded())
    operands = (output.exp(), target)
    assert_equals_torch(CATALOGUE["poisson_nll"], operands, log_input=False)


def test_kinks_take_the_side_that_torch_takes():
    one, zero = torch.ones(1), torch.zeros(1)
    assert_equals_torch(CATALOGUE["mae"], (one, one))
    assert_equals_torch(CATALOGUE["hinge_embedding"], (one, -one))
    assert_equals_torch(CATALOGUE["margin_ranking"], (one, one, one))
    assert_equals_torch(CATALOGUE["soft_margin"], (zero, one))
    assert_equals_torch(CATALOGUE["huber"], (one, zero))
    assert_equals_torch(CATALOGUE["smooth_l1"], (one, zero))
    assert_equals_torch(
        CATALOGUE["multi_margin"], (torch.tensor([[0.0, -1.0]]), torch.tensor([0]))
    )


def test_bce_by_hand_is_torchs_even_at_certainty():
    output, target = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0, 1])
    loss = CATALOGUE["bce"]
    value, (gradient,) = value_and_gradients(loss.torch_twin, (output, target), 1)
    torch.testing.assert_close(loss(output, target), value)
    torch.testing.assert_close(loss.gradient(output, target), gradient)


@DTYPE
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_logits_of_any_size_lose_nothing(dtype, size):
    logits = torch.tensor([[size, -size, 0.0], [-size, size, 0.0]], dtype=dtype)
    assert_equals_torch(CATALOGUE["cross_entropy"], (logits, torch.tensor([1, 1])))
    signs = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]], dtype=dtype)
    assert_equals_torch(CATALOGUE["bce_with_logits"], (logits, signs))


def test_soft_margin_is_finite_where_torchs_overflows():
    loss = CATALOGUE["soft_margin"]
    output, target = torch.tensor([-100.0, 100.0, -1e30]), torch.ones(3)
    value, (gradient,) = value_and_gradients(
        loss.torch_twin, (output, target), 1, reduction="none"
    )
    assert value[0].isinf()
    assert gradient[0].isnan()
    expected = torch.tensor([100.0, 0.0, 1e30])
    torch.testing.assert_close(loss(output, target, reduction="none"), expected)
    by_hand = loss.gradient(output, target, reduction="sum")
    torch.testing.assert_close(by_hand, torch.tensor([-1.0, 0.0, -1.0]))


def test_a_class_ruled_out_costs_nothing():
    logits = torch.tensor([[-torch.inf, 0.0, 0.0]])
    assert_equals_torch(CATALOGUE["cross_entropy"], (logits, torch.tensor([1])))


def test_nothing_but_ignored_samples():
    operands = (torch.randn(2, 3), torch.full((2,), -100))
    assert_equals_torch(CATALOGUE["cross_entropy"], operands, reduction="sum")
    assert CATALOGUE["cross_entropy"](*operands).isnan()


@EVERY
@REDUCTION
def test_our_checker_and_torchs_find_nothing_wrong(loss, reduction):
    operands = loss.sample(4, 3, generator=seeded(6))
    n = len(loss.outputs)

    def value(*operands):
        return loss(*operands, reduction=reduction)

    def by_hand(*operands):
        return loss.gradient(*operands, reduction=reduction)

    report = check_gradient(value, *operands, gradient=by_hand, wrt=list(range(n)))
    assert report.kind == "agree", str(report)
    leaves = tuple(x.requires_grad_() for x in operands[:n])
    assert torch.autograd.gradcheck(lambda *o: value(*o, *operands[n:]), leaves)


# The formulas in SymPy, of one output x (or μ) and its target y.
x, y, v = sympy.symbols("x y v", real=True)
SYMBOLIC = {
    "mse": (x - y) ** 2,
    "mae": sympy.Abs(x - y),
    "huber": sympy.Piecewise(
        ((x - y) ** 2 / 2, sympy.Abs(x - y) <= 1),
        (sympy.Abs(x - y) - sympy.Rational(1, 2), True),
    ),
    "smooth_l1": sympy.Piecewise(
        ((x - y) ** 2 / 2, sympy.Abs(x - y) < 1),
        (sympy.Abs(x - y) - sympy.Rational(1, 2), True),
    ),
    "poisson_nll": sympy.exp(x) - y * x,
    "gaussian_nll": (sympy.log(v) + (x - y) ** 2 / v) / 2,
    "bce": -y * sympy.log(x) - (1 - y) * sympy.log(1 - x),
    "bce_with_logits": (1 - y) * x + sympy.log(1 + sympy.exp(-x)),
    "kl": y * (sympy.log(y) - x),
    "hinge_embedding": sympy.Piecewise((x, y > 0), (sympy.Max(0, 1 - x), True)),
    "soft_margin": sympy.log(1 + sympy.exp(-y * x)),
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


def midpoint_gaps(loss, moving):
    """Mean of the ends minus the middle, along random chords of the named outputs."""
    size = (4000, 3)
    start, stop = (loss.sample(*size, generator=seeded(seed)) for seed in (3, 4))
    stop = tuple(
        b if name in moving else a
        for a, b, name in zip(start, stop, [*loss.outputs, "target"], strict=False)
    )
    middle = tuple(
        (a + b) / 2 if a.is_floating_point() else a
        for a, b in zip(start, stop, strict=True)
    )
    ends = loss(*start, reduction="none") + loss(*stop, reduction="none")
    return ends / 2 - loss(*middle, reduction="none")


@EVERY
def test_losses_are_convex_where_they_say_and_nowhere_else(loss):
    if loss.convex_in:
        assert midpoint_gaps(loss, loss.convex_in).min() > -1e-12
    for name in loss.outputs:
        if name not in loss.convex_in:
            assert midpoint_gaps(loss, (name, *loss.convex_in)).min() < -1e-3


@EVERY
def test_entries_describe_themselves(loss):
    assert CATALOGUE[loss.name] is loss
    assert loss.formula
    assert loss.gradient_formula
    assert loss.notes.endswith(".")
    assert loss.source
    assert "0x" not in repr(loss)
    first, again = (loss.sample(4, 3, generator=seeded(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert set(loss.convex_in) <= set(loss.outputs)


logit_lists = st.lists(st.floats(-50, 50), min_size=1, max_size=8)


@given(logit_lists)
def test_softmax_has_the_properties_of_probabilities(numbers):
    logits = torch.tensor(numbers, dtype=torch.float64)
    p = softmax(logits)
    assert (p >= 0).all()
    assert p.sum().item() == pytest.approx(1)
    assert (p[logits.argsort()].diff() >= 0).all()
    torch.testing.assert_close(p, torch.softmax(logits, 0))
    torch.testing.assert_close(log_softmax(logits), torch.log_softmax(logits, 0))
    torch.testing.assert_close(log_sum_exp(logits), torch.logsumexp(logits, 0))


@given(logit_lists, st.integers(0, 2**31))
def test_softmax_jacobian_and_vjp_equal_autograds(numbers, seed):
    logits = torch.tensor(numbers, dtype=torch.float64)
    truth = torch.autograd.functional.jacobian(lambda t: torch.softmax(t, 0), logits)
    torch.testing.assert_close(softmax_jacobian(logits), truth)
    cotangent = torch.randn(len(numbers), dtype=logits.dtype, generator=seeded(seed))
    torch.testing.assert_close(softmax_vjp(logits, cotangent), cotangent @ truth)


def test_softmax_in_batches_and_along_any_axis():
    logits = torch.randn(2, 3, 4, dtype=torch.float64)
    assert softmax_jacobian(logits).shape == (2, 3, 4, 4)
    for dim in (0, 1, 2):
        torch.testing.assert_close(softmax(logits, dim), torch.softmax(logits, dim))
        leaf = logits.clone().requires_grad_()
        cotangent = torch.randn_like(logits)
        (truth,) = torch.autograd.grad(torch.softmax(leaf, dim), leaf, cotangent)
        torch.testing.assert_close(softmax_vjp(logits, cotangent, dim), truth)


def test_log_sum_exp_at_the_ends_of_the_range():
    largest = torch.finfo(torch.float32).max
    rows = [[largest, 0.0], [-torch.inf, -torch.inf], [torch.inf, 0], [-1e4, -1e4]]
    logits = torch.tensor(rows)
    torch.testing.assert_close(log_sum_exp(logits), torch.logsumexp(logits, -1))


def test_our_losses_are_differentiated_twice():
    logits = torch.randn(3, dtype=torch.float64)
    target = torch.tensor(1)
    hessian = torch.func.jacrev(
        torch.func.grad(lambda z: CATALOGUE["cross_entropy"](z, target))
    )
    torch.testing.assert_close(hessian(logits), softmax_jacobian(logits))


LOGITS = torch.zeros(2, 3)
BAD = [
    ("mse", (LOGITS, torch.zeros(2)), ValueError, "target: expected shape \\(2, 3\\)"),
    ("mse", ([0.0], torch.zeros(1)), TypeError, "output: expected a torch.Tensor"),
    ("mse", (torch.zeros(1), 0.0), TypeError, "target: expected a torch.Tensor"),
    ("mse", (torch.zeros(1, dtype=torch.long), LOGITS), TypeError, "floating-point"),
    ("cross_entropy", (LOGITS, torch.zeros(3, dtype=torch.long)), ValueError, "target"),
    ("cross_entropy", (LOGITS, torch.tensor([0, 3])), ValueError, "from 0 to 2"),
    ("cross_entropy", (LOGITS, torch.zeros(2)), ValueError, "target: expected shape"),
    ("cross_entropy", (torch.tensor(0.0), torch.tensor(0)), ValueError, "output"),
    ("multi_margin", (LOGITS, torch.tensor([0, -1])), ValueError, "from 0 to 2"),
    ("gaussian_nll", (LOGITS, torch.ones(2), LOGITS), ValueError, "variance"),
    ("margin_ranking", (LOGITS, LOGITS, torch.ones(2)), ValueError, "target"),
    ("cosine_embedding", (LOGITS, LOGITS, LOGITS), ValueError, "target"),
    ("triplet_margin", (LOGITS, LOGITS, torch.zeros(3)), ValueError, "negative"),
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


def test_a_softmax_needs_an_axis_and_weights_one_per_class():
    with pytest.raises(ValueError, match="logits: expected shape"):
        softmax_jacobian(torch.tensor(1.0))
    with pytest.raises(TypeError, match="floating-point"):
        softmax(torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="weight: expected shape \\(3,\\)"):
        CATALOGUE["nll"](LOGITS, torch.tensor([0, 1]), weight=torch.ones(2))
