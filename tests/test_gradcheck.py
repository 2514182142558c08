"""The checker's interface: reports, bad input, and a user's state left alone."""

import pytest
import torch
from gradcheck_corpora.bugs import normal, positive, with_backward
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import autodiff_guide as ag
from autodiff_guide.gradcheck import (
    KINDS,
    assert_gradient,
    check_gradient,
    check_loss,
    check_module,
)

X = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
WRONG = with_backward(torch.sin, lambda g, x: 2 * g * x.cos())


# ------------------------------------------------------------------------ reports


def test_passing_report():
    report = check_gradient(torch.sin, X)
    assert report
    assert (report.verdict, report.kinds, report.kind) == ("pass", ("agree",), "agree")
    assert report.resolution == 1e-7
    assert report.inputs[0].shape == (3,)
    assert report.inputs[0].dtype == "float64"
    assert report.seed == 0
    assert report.steps[0] == pytest.approx(
        2 * torch.finfo(torch.float64).eps ** (1 / 3)
    )
    assert str(report).startswith("PASS (agree)")


def test_failing_report_names_the_worst_element():
    report = check_gradient(WRONG, X)
    assert not report
    assert report.kind == "factor"
    worst = report.worst
    assert worst.input == "input 0"
    assert worst.index == worst.output
    assert worst.numeric == pytest.approx(
        float(X[worst.index].cos()), abs=5 * worst.bar
    )
    assert worst.yours == pytest.approx(2 * float(X[worst.index].cos()))
    assert "2 times" in str(report)
    assert "<table>" in report._repr_html_()


def test_every_kind_of_a_report_is_defined():
    assert all(text.endswith(".") for text in KINDS.values())
    assert len(KINDS) == 28


def test_top_level_verbs():
    assert ag.check_gradient is check_gradient
    assert ag.check_loss is check_loss
    assert ag.check_module is check_module
    assert ag.assert_gradient is assert_gradient


def test_same_seed_same_report():
    first, second = (check_gradient(WRONG, normal(50), seed=5) for _ in range(2))
    assert str(first) == str(second)


def test_assert_gradient():
    assert_gradient(torch.sin, X)
    with pytest.raises(AssertionError, match=r"FAIL \(factor"):
        assert_gradient(WRONG, X)
    with pytest.raises(AssertionError, match="strict"):
        assert_gradient(torch.relu, -positive(3), strict=True)


@settings(max_examples=25, deadline=None)
@given(
    exponent=st.integers(-10, 10),
    error=st.sampled_from([0.0, 1e-4, -0.5, 3.0]),
    seed=st.integers(0, 2**31),
)
def test_verdict_depends_neither_on_scale_nor_on_seed(exponent, error, seed):
    scale = 10.0**exponent
    fn = with_backward(
        lambda x: scale * x.exp() * x,
        lambda g, x: (1 + error) * scale * g * x.exp() * (1 + x),
    )
    assert bool(check_gradient(fn, X, seed=seed)) is (error == 0)


def test_one_wrong_direction_in_a_jacobian_is_found_by_full():
    report = check_gradient(lambda x: x.sin(), normal(200), full=True)
    assert report
    assert report.comparison.what == "element"
    assert report.comparison.yours.shape == (200,)


# ----------------------------------------------------------------------- remarks


def test_vacuous_passes_with_a_remark_and_fails_under_strict():
    report = check_gradient(torch.relu, -positive(3))
    assert report.verdict == "pass"
    assert report.kind == "vacuous"
    assert "nothing was tested" in report.sentence
    assert check_gradient(torch.relu, -positive(3), strict=True).verdict == "fail"


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
def test_kink_passes_between_its_slopes_and_fails_under_strict(slope):
    fn = with_backward(
        torch.relu, lambda g, x: g * torch.where(x == 0, slope, (x > 0) * 1.0)
    )
    x = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
    assert check_gradient(fn, x).verdict == "pass"
    assert check_gradient(fn, x).kind == "kink"
    assert check_gradient(fn, x, strict=True).verdict == "fail"


def test_kink_outside_its_slopes_fails():
    fn = with_backward(
        torch.relu, lambda g, x: g * torch.where(x == 0, 1.5, (x > 0) * 1.0)
    )
    report = check_gradient(fn, torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64))
    assert (report.verdict, report.kind) == ("fail", "kink")
    assert "0 on the left and 1 on the right" in report.sentence


def test_unused_input_is_named():
    report = check_gradient(lambda x, y: x.sin(), X, X)
    assert report
    assert report.kind == "no-dependence"
    assert "with y" in report.remarks[0]


def test_low_precision_inside_is_seen():
    report = check_gradient(lambda x: x.float().sin().double(), X)
    assert report.kind == "low-precision"
    assert "float32" in report.remarks[0]


def test_low_precision_inside_hides_no_zero_gradient():
    fn = with_backward(lambda x: x.float().sin().double(), lambda g, x: 0 * g)
    report = check_gradient(fn, X)
    assert (report.verdict, report.kind) == ("fail", "zero")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_inputs_are_computed_in_double(dtype):
    double, low = (check_gradient(torch.sin, X.to(d)) for d in (torch.float64, dtype))
    assert low
    assert low.resolution == double.resolution
    assert low.inputs[0].dtype == str(dtype).removeprefix("torch.")
    assert not check_gradient(WRONG, X.to(dtype))


# ------------------------------------------------------------------------ by hand


def test_three_ways_agree():
    report = check_gradient(lambda x: x**3, X, gradient=lambda x: 3 * x**2)
    assert report.verdict == report.autograd.verdict == "pass"


def test_wrong_by_hand_is_named():
    report = check_gradient(lambda x: x**3, X, gradient=lambda x: -3 * x**2)
    assert (report.verdict, report.kind) == ("fail", "sign")
    assert report.autograd.verdict == "pass"


def test_right_by_hand_shows_autograd_wrong():
    report = check_gradient(WRONG, X, gradient=torch.cos)
    assert (report.verdict, report.kind) == ("fail", "factor")
    assert "by hand agrees" in report.sentence


def test_by_hand_where_autograd_cannot():
    report = check_gradient(
        lambda x: torch.from_numpy(x.detach().numpy() ** 2), X, gradient=lambda x: 2 * x
    )
    assert report
    assert report.autograd.kind == "detached"


def test_by_hand_of_several_inputs():
    report = check_gradient(torch.mul, X, X + 1, gradient=lambda a, b: (b, a))
    assert report


def test_by_hand_of_a_wrong_shape():
    with pytest.raises(
        ValueError, match=r"gradient: expected tensors of shapes \[\(3,\)\]"
    ):
        check_gradient(torch.sin, X, gradient=lambda x: x.sum())


def test_second_derivative():
    third = torch.func.grad(lambda x: (x**4).sum())
    assert check_gradient(third, X)
    wrong = with_backward(lambda x: 4 * x**3, lambda g, x: g * 4 * x**2)
    assert not check_gradient(lambda x: wrong(x), X)


def test_second_derivative_by_autograd_inside():
    def slope(x):
        with torch.enable_grad():
            if not x.requires_grad:
                x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad((x**4).sum(), x, create_graph=True)
        return g

    assert check_gradient(slope, X)


# ----------------------------------------------------------- losses and modules


def test_check_loss_differentiates_the_prediction_only():
    report = check_loss(nn.functional.mse_loss, X, X.flip(0).requires_grad_())
    assert report
    assert [row.name for row in report.inputs] == ["prediction"]


def test_check_loss_with_classes():
    target = torch.tensor([0, 2])
    report = check_loss(
        nn.CrossEntropyLoss(),
        normal(2, 3),
        target,
        gradient=lambda x, t: (x.softmax(-1) - nn.functional.one_hot(t, 3)) / 2,
    )
    assert report


def test_check_module_names_parameters():
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    report = check_module(module, lambda y: y.square().mean(), (torch.rand(5, 3),))
    assert report
    assert [r.name for r in report.inputs] == [
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
    ]


def test_check_module_with_a_target():
    data = torch.rand(5, 3), torch.tensor([0, 1, 2, 3, 0])
    assert check_module(nn.Linear(3, 4), nn.functional.cross_entropy, data)


def test_check_module_with_several_arguments():
    arguments, target = (torch.rand(5, 3), torch.rand(5, 2)), torch.rand(5, 4)
    module = nn.Bilinear(3, 2, 4)
    assert check_module(module, data=arguments)
    report = check_module(module, nn.MSELoss(), (arguments, target), wrt="both")
    assert report
    assert [row.name for row in report.inputs] == ["weight", "bias", "input1", "input2"]


@pytest.mark.parametrize(
    ("wrt", "names"),
    [("inputs", ["input"]), ("both", ["weight", "bias", "input"])],
)
def test_check_module_with_respect_to(wrt, names):
    report = check_module(nn.Linear(3, 2), data=torch.rand(4, 3), wrt=wrt)
    assert report
    assert [row.name for row in report.inputs] == names


def test_check_module_finds_a_wrong_layer():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.rand(3))
            self.multiply = with_backward(
                torch.mul, lambda g, x, s: (g * s, (g * x)[0])
            )

        def forward(self, x):
            return self.multiply(x, self.scale)

    report = check_module(Scale(), data=torch.rand(4, 3))
    assert report.verdict == "fail"
    assert report.worst.input == "scale"


def test_check_module_names_dropout():
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    report = check_module(module, data=torch.rand(4, 3))
    assert (report.verdict, report.kind) == ("fail", "nondeterministic")
    assert report.sentence.startswith("1: random")
    assert "module.eval()" in report.sentence
    assert check_module(module.eval(), data=torch.rand(4, 3))


def test_check_module_names_batch_norm():
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    report = check_module(module, data=torch.rand(6, 3))
    assert report
    assert report.remarks[-1].startswith("1: batch-norm in training mode")
    assert int(module[1].num_batches_tracked) == 0


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("fn", "inputs", "options", "error", "match"),
    [
        (3, (X,), {}, TypeError, "fn: expected a function"),
        (torch.sin, (), {}, TypeError, "inputs: expected floating.* got no input"),
        (torch.sin, (torch.arange(3),), {}, TypeError, "got torch.int64"),
        (torch.sin, ([1.0, 2.0],), {}, TypeError, "got list"),
        (torch.sin, ((X,),), {}, TypeError, "got tuple; pass tensors one by one"),
        (lambda x: None, (X,), {}, TypeError, "got NoneType"),
        (lambda x: {"y": x}, (X,), {}, TypeError, "got dict"),
        (lambda x: "y", (X,), {}, TypeError, "got str"),
        (lambda x: x > 0, (X,), {}, TypeError, "got a tensor of torch.bool"),
        (lambda x: (), (X,), {}, TypeError, "got tuple of"),
        (torch.sin, (X,), {"wrt": 1}, ValueError, "wrt: expected positions below 1"),
        (torch.sin, (X,), {"wrt": []}, ValueError, "at least one position"),
        (torch.pow, (X, 2), {"wrt": 1}, TypeError, "input 1: expected floating"),
        (torch.sin, (X,), {"probes": 0}, ValueError, "probes: expected at least 1"),
        (torch.sin, (X,), {"rtol": -1.0}, ValueError, "rtol"),
        (torch.sin, (X,), {"atol": torch.nan}, ValueError, "atol"),
    ],
)
def test_bad_input(fn, inputs, options, error, match):
    with pytest.raises(error, match=match):
        check_gradient(fn, *inputs, **options)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: check_loss(None, X, X), TypeError, "loss: expected"),
        (lambda: check_loss(torch.sub, [1.0], X), TypeError, "prediction: expected"),
        (lambda: check_loss(torch.sub, torch.arange(3), X), TypeError, "prediction"),
        (lambda: check_module(torch.sin, data=X), TypeError, "module: expected"),
        (lambda: check_module(nn.ReLU(), data=X), ValueError, "no parameters"),
        (lambda: check_module(nn.Linear(3, 2), X), TypeError, "loss: expected"),
        (lambda: check_module(nn.ReLU(), torch.sum, X), TypeError, "data: expected"),
        (lambda: check_module(nn.ReLU(), torch.sum, ()), TypeError, "data: expected"),
        (
            lambda: check_module(nn.ReLU(), data=X, wrt="all"),
            ValueError,
            "wrt: expected",
        ),
        (
            lambda: check_gradient(lambda x: x * 1j, X, gradient=lambda x: x),
            TypeError,
            "expected a real tensor",
        ),
    ],
)
def test_bad_input_of_the_others(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_error_of_the_function_itself_is_passed_on():
    with pytest.raises(IndexError):
        check_gradient(lambda x: x[7], X)


def test_nan_input_is_inconclusive():
    report = check_gradient(torch.sin, X * torch.nan)
    assert (report.verdict, report.kind) == ("inconclusive", "nonfinite")


def test_one_nan_input_is_left_out():
    x = torch.tensor([0.5, torch.nan, 1.0], dtype=torch.float64)
    report = check_gradient(torch.sin, x)
    assert report
    assert report.kind == "nonfinite"
    assert "1 of 3 outputs" in report.remarks[0]


@pytest.mark.parametrize("x", [torch.empty(0), torch.empty(2, 0)])
def test_empty_tensor_is_vacuous(x):
    report = check_gradient(torch.sin, x)
    assert (report.verdict, report.kind) == ("pass", "vacuous")


def test_empty_output_is_vacuous():
    assert check_gradient(lambda x: x[:0], X).kind == "vacuous"


def test_shape_that_depends_on_the_values():
    assert check_gradient(lambda x: x[x > 0].square(), X)
    report = check_gradient(lambda x: x[x >= 2.0].square(), X)
    assert report.verdict in ("inconclusive", "pass")


def test_shape_that_changes_by_itself():
    sizes = iter(range(1, 100))
    report = check_gradient(lambda x: x.sum().expand(next(sizes)), X)
    assert (report.verdict, report.kind) == ("fail", "nondeterministic")


def test_backward_that_raises_is_an_error():
    def fail(g, x):
        raise RuntimeError("no backward here")

    report = check_gradient(with_backward(torch.sin, fail), X)
    assert report.verdict == "error"
    assert "no backward here" in report.sentence


def test_backward_of_a_wrong_shape():
    report = check_gradient(
        with_backward(lambda x: x.T * 1, lambda g, x: g), normal(2, 3)
    )
    assert (report.verdict, report.kind) == ("error", "transposed")


def test_constants_and_keywords_pass_through():
    assert check_gradient(torch.pow, X.abs(), 2)
    assert check_gradient(torch.where, torch.tensor([True, False, True]), X, 2 * X)


def test_default_is_what_requires_grad():
    y = X.clone().requires_grad_()
    assert [row.name for row in check_gradient(torch.mul, X, y).inputs] == ["input 1"]
    assert [row.name for row in check_gradient(torch.mul, X, y, wrt=0).inputs] == [
        "input 0"
    ]


# --------------------------------------------------------- nothing of the user's


def test_nothing_of_the_users_is_changed():
    x = X.clone().requires_grad_()
    x.grad = torch.ones_like(x)
    fired = []
    x.register_hook(lambda g: fired.append(g))
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    state = {k: v.clone() for k, v in module.state_dict().items()}
    dtype, rng, grad_mode = (
        torch.get_default_dtype(),
        torch.get_rng_state(),
        torch.is_grad_enabled(),
    )

    check_gradient(lambda x: x.sin() + torch.rand(3), x)
    check_gradient(WRONG, x, full=True)
    generator = torch.Generator().manual_seed(0)
    check_module(module, data=torch.rand(4, 3, generator=generator))

    assert torch.equal(x.detach(), X)
    assert torch.equal(x.grad, torch.ones(3, dtype=x.dtype))
    assert not fired
    assert module.training
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert all(p.grad is None and p.dtype == torch.float32 for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), rng)
    assert torch.get_default_dtype() is dtype
    assert torch.is_grad_enabled() is grad_mode


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_without_grad_mode(mode):
    with mode():
        assert check_gradient(torch.sin, X.clone())


def test_function_that_overwrites_its_input_spares_the_users():
    x = X.clone()
    assert check_gradient(lambda x: x.mul_(2), x).kind == "inplace"
    assert torch.equal(x, X)


# ----------------------------------------------------------------------- fallbacks


def test_function_that_vmap_refuses():
    report = check_gradient(lambda x: x * float(x.detach().sum() > 0), X)
    assert report


def test_vmap_that_is_silently_wrong_is_noticed():
    class Squares(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

        @staticmethod
        def vmap(info, dims, x):
            return 3 * x * x, 0

    assert check_gradient(Squares.apply, X)


def test_function_that_looks_beside_its_view():
    def fn(a, b):
        return torch.as_strided(b, (2, 2), (1, 2), 1).square() * a

    assert check_gradient(fn, normal(2, 2), normal(6))
