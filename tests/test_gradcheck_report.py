"""What a report says: its words, its numbers, and the names in it."""

import re

import pytest
import torch
from gradcheck_corpora.bugs import normal, with_backward
from torch import nn

from autodiff_guide.gradcheck import (
    assert_gradient,
    check_gradient,
    check_loss,
    check_module,
)

X = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
KINK = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)


def leaky(x):
    return torch.where(x > 0, x, 0.1 * x)


# -------------------------------------------------------------------- resolution


def rescaled_tanh(x):
    return (x.exp().sum().log() * x).tanh()


@pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float64, 1e-5), (torch.float32, 0.02)]
)
def test_resolution_is_what_would_have_been_seen(dtype, most):
    x = torch.linspace(0.1, 2, 6, dtype=dtype)
    right = torch.func.grad(lambda x: rescaled_tanh(x).sum())(x.double()).to(dtype)
    resolution = check_gradient(rescaled_tanh, x, gradient=lambda x: right).resolution
    assert 1e-7 <= resolution <= most
    assert check_gradient(rescaled_tanh, x).resolution <= most
    for error, seen in ((4 * resolution, True), (resolution / 50, False)):
        wrong = right * (1 + error)
        report = check_gradient(rescaled_tanh, x, gradient=lambda x, g=wrong: g)
        assert bool(report) is not seen


# --------------------------------------------------------------------- localized


def test_threshold_is_told_by_a_number_on_either_side():
    x = torch.tensor([-2.0, -1.5, -0.7, -0.2, 0.4, 0.9, 1.3, 2.0]).double()
    report = check_gradient(
        leaky, x, gradient=lambda x: torch.where(x > 0, 1.0, 0.2).to(x)
    )
    assert report.kinds == ("localized",)
    assert "where x <= -0.2, and right where x >= 0.4 (4 of 8" in report.sentence
    assert "2 times" in report.sentence
    report = check_gradient(lambda p: leaky(-p), -x, gradient=lambda p: 0 * p - 1)
    assert "where p >= 0.2, and right where p <= -0.4" in report.sentence


def test_threshold_of_a_size():
    x = torch.tensor([-2.0, -1.5, -0.7, 0.2, 0.4, -0.9, 1.3, 2.0]).double()
    report = check_gradient(lambda x: x.clamp(-1, 1), x, gradient=torch.ones_like)
    assert "where |x| >= 1.3, and right where |x| <= 0.9" in report.sentence


def test_number_of_elements_measured():
    x = normal(20_480)

    def wrong(x):
        return 2 * x * (1 + 0.1 * (torch.arange(len(x)) == 123))

    report = check_gradient(lambda x: x.square().sum(), x, gradient=wrong)
    assert report.kind == "localized"
    assert re.search(r"only at \[123\] \(1 of 2\d\d elements mea", report.sentence)


def test_missing_one_hot_is_told_even_if_a_threshold_splits():
    x = torch.tensor([[2.0, 0.1, 0.3], [-0.2, 3.0, 0.5]]).double()
    report = check_gradient(
        lambda x: -x.log_softmax(-1).amax(-1).sum(),
        torch.cat([x, x + 0.01]),
        gradient=lambda x: x.softmax(-1),
    )
    assert report.kind == "offset"
    assert "one-hot" in report.sentence


def test_mask_may_leave_an_element_out():
    def inverted(x):
        return torch.cat([0 * x[:1], (x[1:] < 0).to(x)])

    report = check_gradient(lambda x: x[1:].relu().sum(), normal(7), gradient=inverted)
    assert report.kind == "mask"


# -------------------------------------------------------------------------- words


def test_text_is_wrapped():
    reports = [
        check_gradient(torch.relu, KINK),
        check_gradient(leaky, normal(12), gradient=torch.ones_like),
        check_gradient(torch.sin, X, gradient=torch.sin),
        check_gradient(lambda x: x.float().sin().double(), X),
    ]
    for report in reports:
        assert max(map(len, str(report).splitlines())) <= 88


@pytest.mark.parametrize(
    ("zeros", "words"), [(1, "x[0] sits on"), (2, "2 elements sit on")]
)
def test_kinks_are_counted(zeros, words):
    report = check_gradient(torch.relu, torch.cat([0 * X[:zeros], X]))
    assert words.replace("x[0]", "input 0[0]") in report.remarks[0]


def test_allowed_kink_is_no_worst_element():
    report = check_gradient(torch.relu, KINK)
    assert report.kinds == ("kink", "agree")
    assert "one slope" in report.sentence
    assert report.inputs[0].error < 1e-8
    assert abs(report.worst.yours - report.worst.numeric) < 1e-8
    apart = (report.comparison.yours - report.comparison.numeric).abs()
    assert bool((apart <= report.comparison.bar + 1e-9).all())
    assert check_gradient(torch.abs, KINK[:1], full=True).worst is None


def test_passing_probes_have_no_worst_element():
    report = check_gradient(torch.sin, X)
    assert report.worst is None
    assert "worst: " not in str(report)
    assert "relative error" not in str(report)


def test_one_is_singular():
    one = str(check_gradient(torch.sin, X[0], probes=1))
    assert "1 probe, " in one
    ended = str(check_gradient(lambda x: x * torch.nan, X))
    assert "1 evaluation, 0 vector-Jacobian products" in ended


@pytest.mark.parametrize("factor", [8.0, 0.5])
def test_error_is_relative_to_the_true_slope(factor):
    report = check_gradient(torch.sin, X, gradient=lambda x: factor * x.cos())
    assert report.inputs[0].error == pytest.approx(abs(factor - 1), rel=1e-6)


def test_error_where_the_slope_is_zero():
    report = check_gradient(torch.round, X, gradient=torch.ones_like)
    assert report.inputs[0].error == torch.inf


def test_html_holds_a_table_and_a_list():
    html = check_gradient(lambda x: x**2, X, gradient=lambda x: x)._repr_html_()
    assert "<caption>FAIL (factor): your gradient is 1/2 times" in html
    assert html.count("<li>") == 3
    assert html.endswith("</ul>")


def test_sentence_of_a_kink_names_it_once():
    fn = with_backward(torch.abs, lambda g, x: g * torch.where(x == 0, 3.0, x.sign()))
    assert check_gradient(fn, KINK).sentence.startswith("the slope is -1 on the left")


# -------------------------------------------------------------------------- names


def test_inputs_have_the_names_of_the_function():
    def energy(position, charge, *rest):
        return position * charge * rest[0]

    report = check_gradient(energy, X, X, X)
    assert [row.name for row in report.inputs] == ["position", "charge", "input 2"]
    assert [r.name for r in check_gradient(torch.mul, X, X).inputs] == [
        "input 0",
        "input 1",
    ]
    assert check_gradient(nn.Softplus(), X).inputs[0].name == "input"


def test_formulas_use_the_names():
    missing = with_backward(lambda p: p * p.sin(), lambda g, p: g * p.sin())
    report = check_gradient(lambda p: missing(p), normal(9))
    assert report.kind == "chain"
    assert "misses the term p*cos(p), element by element" in report.sentence
    swapped = with_backward(torch.mul, lambda g, a, b: (g * a, g * b))
    report = check_gradient(lambda a, b: swapped(a, b), normal(5), normal(5, seed=1))
    assert "gradients of a and b are swapped" in report.sentence


def test_parameter_and_input_of_one_name():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.x

    report = check_module(Scale(), data=X, wrt="both")
    assert [row.name for row in report.inputs] == ["x", "input 0"]


# ----------------------------------------------------------------------- settings

SETTINGS = {"probes": 7, "seed": 3, "full": True, "strict": True}


def test_every_check_takes_the_settings():
    loss = nn.functional.mse_loss
    for report in (
        check_gradient(torch.sin, X, **SETTINGS),
        check_loss(loss, X, X.flip(0), **SETTINGS),
        check_module(nn.Linear(3, 2), data=torch.rand(4, 3), **SETTINGS),
    ):
        assert report
        assert (report.probes, report.seed) == (7, 3)
        assert report.comparison.what == "element"
    assert_gradient(torch.sin, X, **SETTINGS)


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: check_gradient(torch.sin, X, **options),
        lambda **options: check_loss(torch.sub, X, X, **options),
        lambda **options: check_module(nn.ReLU(), data=X, wrt="inputs", **options),
        lambda **options: assert_gradient(torch.sin, X, **options),
    ],
)
def test_option_of_another_name(call):
    with pytest.raises(TypeError, match=r"probs: .* check_gradient; it has probes, "):
        call(probs=3)


def test_strict_of_a_loss_and_of_a_module():
    hinge = nn.functional.relu
    assert check_loss(lambda p, t: hinge(p - t), KINK, 0 * KINK)
    assert not check_loss(lambda p, t: hinge(p - t), KINK, 0 * KINK, strict=True)
    assert not check_module(nn.ReLU(), data=KINK, wrt="inputs", strict=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: check_loss(torch.sub, X, X, probes=0),
        lambda: check_module(nn.Linear(3, 2), data=X, probes=0),
    ],
)
def test_settings_out_of_range(call):
    with pytest.raises(ValueError, match="probes: expected at least 1"):
        call()


def test_unchecked_output_is_no_worst_element():
    point = torch.tensor([1.0, torch.nan], dtype=torch.float64)
    report = check_gradient(torch.sin, point)
    assert report.kinds == ("nonfinite", "agree")
    assert report.worst is not None
    assert report.worst.output == (0,)
    assert report.inputs[0].error < 1e-9
