"""What a wrong gradient is called: neither less than is known nor more."""

import pytest
import torch
from gradcheck_corpora.bugs import normal, positive, with_backward
from torch.nn import functional

from autodiff_guide.gradcheck import check_gradient

NOISE = normal(40, seed=5)


def elementwise(forward, derivative, x, **settings):
    fn = with_backward(forward, lambda g, x: g * derivative(x))
    return check_gradient(lambda x: fn(x), x, **settings)


# ------------------------------------------------------------- large Jacobians


@pytest.mark.parametrize(("factor", "kind"), [(8, "factor"), (1 / 5000, "reduction")])
def test_our_own_sums_are_no_size_of_the_user(factor, kind):
    report = elementwise(torch.sin, lambda x: factor * x.cos(), normal(5000))
    assert report.kind == kind
    assert ("5000 is the number" in report.sentence) is (kind == "reduction")
    assert report.worst.output == ()


def test_names_hold_for_large_jacobians():
    w = normal(1100, 1100)
    fn = with_backward(lambda x: w @ x, lambda g, x: w @ g)
    assert check_gradient(fn, normal(1100)).kind == "transposed"
    assert elementwise(torch.erf, torch.exp, normal(1500)).kind == "chain"
    report = elementwise(lambda x: (x**2).sin(), lambda x: (x**2).cos(), normal(2000))
    assert "lacks the factor 2 * x" in report.sentence
    fn = with_backward(lambda x: x.roll(1) ** 3, lambda g, x: g * 3 * x.roll(1) ** 2)
    assert check_gradient(fn, normal(3000)).kind == "shift"


def test_softmax_of_many_without_coupling():
    def uncoupled(x):
        return x.softmax(-1) * (1 - x.softmax(-1))

    report = elementwise(lambda x: x.softmax(-1), uncoupled, normal(1500))
    assert report.kinds == ("diagonal",)


# ------------------------------------------------------------------- functions


@pytest.mark.parametrize("n", [9, 101, 300])
def test_what_yours_is_and_should_be(n):
    x = torch.linspace(-1, 1, n, dtype=torch.float64)
    report = elementwise(torch.tanh, lambda x: 1 - x**2, x)
    assert report.kinds == ("chain",)
    assert "is 1 - x^2, and should be 1 - tanh(x)^2" in report.sentence


def test_error_that_grows_from_nothing_is_no_branch():
    x = torch.linspace(-0.2, 0.2, 101, dtype=torch.float64)
    report = elementwise(torch.erf, lambda x: (1 - x**2 / 3) * 1.128, x)
    assert report.kind == "mismatch"
    assert "branch" not in report.sentence


@pytest.mark.parametrize(
    ("forward", "derivative", "words"),
    [
        (torch.atan, lambda x: 1 / (1 + x), "is 1/(1 + x), and should be 1/(1 + x^2)"),
        (torch.rsqrt, lambda x: -0.5 * x.rsqrt(), "has the factor x too many"),
        (functional.gelu, torch.special.ndtr, "misses the term 0.398942 * (x*exp(-x^2"),
        (lambda x: (3 * x).sin(), lambda x: 3 * x.cos(), "is 3 * cos(x)"),
        (torch.sigmoid, torch.sigmoid, "lacks the factor 1 - sigmoid(x)"),
    ],
)
def test_functions_are_named(forward, derivative, words):
    report = elementwise(forward, derivative, positive(12))
    assert report.kind == "chain"
    assert words in report.sentence


def test_other_inputs_are_named_by_their_functions():
    power = with_backward(
        lambda a, b: a**b, lambda g, a, b: (g * b * a ** (b - 1), g * a**b)
    )
    report = check_gradient(
        lambda a, b: power(a, b), positive(5), positive(5, seed=1) + 1
    )
    assert "for b lacks the factor log|a|" in report.sentence
    assert "(right: a)" in report.sentence


# ------------------------------------------------------------- what must not be said


@pytest.mark.parametrize("tiny", [0.0, 1e-14])
def test_tiny_parts_are_not_transposed(tiny):
    z = torch.complex(normal(3, 3), tiny * normal(3, 3, seed=1))
    fn = with_backward(
        lambda z: z * z, lambda g, z: 2 * g * z.conj() * (1 + 0.1 * z.real)
    )
    report = check_gradient(fn, z)
    assert "transposed" not in report.kinds
    assert "flip" not in report.kinds


def test_zero_block_is_not_rearranged():
    fn = with_backward(
        lambda a, b: a.sin().sum() + 0 * b.sum(),
        lambda g, a, b: (g * a.cos() * (1 + 0.1 * NOISE[:9].view(3, 3)), 0 * b),
    )
    report = check_gradient(fn, normal(3, 3), normal(3, 3))
    assert report.kinds == ("mismatch",)
    assert report.inputs[1].kinds == ("no-dependence",)


@pytest.mark.parametrize("n", [3, 4])
def test_few_elements_have_no_border(n):
    ends = torch.ones(n, dtype=torch.float64)
    ends[0], ends[-1] = 1.3, 1.1
    report = elementwise(lambda x: x**3, lambda x: 3 * x**2 * ends, normal(n))
    assert report.kind == "localized"
    assert f"only at [0], [{n - 1}] (2 of {n} elements)" in report.sentence


def test_wrong_slice_is_told():
    row = torch.ones(6, 5, dtype=torch.float64)
    row[0] = 1.5
    report = elementwise(torch.square, lambda x: 2 * x * row, normal(6, 5))
    assert report.kind == "localized"
    assert "only at index 0 of dim 0 (5 of 30 elements)" in report.sentence
    assert "1.5 times" in report.sentence


def test_flat_tail_is_no_cross_term():
    report = elementwise(functional.softplus, lambda x: (x > 0).to(x), normal(12))
    assert "diagonal" not in report.kinds
    assert "cross" not in report.sentence


def test_offset_of_noise_is_none():
    report = elementwise(torch.exp, lambda x: x.exp() * (1 + 0.1 * NOISE), normal(40))
    assert report.kinds == ("mismatch",)
    assert "a term is missing or wrong" in report.sentence


def test_mismatch_of_little_says_so():
    approximate = torch.func.grad(
        lambda x: functional.gelu(x, approximate="tanh").sum()
    )
    report = elementwise(functional.gelu, approximate, normal(30))
    assert report.kind == "mismatch"
    assert "approximate" in report.sentence
    assert "most at x[" in report.sentence


# -------------------------------------------------------------- new names for mistakes


def test_right_values_at_wrong_elements():
    fn = with_backward(
        lambda x: x.sort().values ** 2, lambda g, x: g * 2 * x.sort().values
    )
    report = check_gradient(fn, normal(7))
    assert report.kind == "shift"
    assert "wrong index" in report.sentence


def test_variance_of_n_for_n_minus_one():
    fn = with_backward(torch.var, lambda g, x: g * 2 * (x - x.mean()) / len(x))
    report = check_gradient(fn, normal(8))
    assert report.kind == "factor"
    assert "7/8" in report.sentence
    assert "n - 1 for n" in report.sentence


def test_second_wrong_input_is_told():
    fn = with_backward(torch.mul, lambda g, a, b: (2 * g * b, -g * a))
    report = check_gradient(lambda a, b: fn(a, b), normal(4), normal(4, seed=1))
    assert report.kinds == ("factor", "sign")
    assert "for a is 2 times" in report.sentence
    assert "for b: sign" in report.sentence


# ------------------------------------------------------------------ tolerances


def test_small_irregular_errors_are_inconclusive():
    report = elementwise(torch.exp, lambda x: x.exp() * (1 + 3e-7 * NOISE), normal(40))
    assert (report.verdict, report.kind) == ("inconclusive", "low-precision")
    assert "rtol=1e-06 accepts it" in report.sentence
    assert elementwise(
        torch.exp, lambda x: x.exp() * (1 + 3e-7 * NOISE), normal(40), rtol=1e-6
    )


@pytest.mark.parametrize("everywhere", [False, True])
def test_larger_errors_fail(everywhere):
    wrong = 1e-5 if everywhere else 1e-5 * (torch.arange(40) == 3)
    report = elementwise(torch.exp, lambda x: x.exp() * (1 + wrong), normal(40))
    assert report.verdict == "fail"
    assert report.kind == ("factor" if everywhere else "localized")


def test_wrong_element_far_below_the_largest_fails():
    x = torch.tensor([1.0, 2.0, 3.0, 1e-7, 4.0], dtype=torch.float64)
    fn = with_backward(
        lambda x: x.square().sum(),
        lambda g, x: g * 2 * x * (1 - 0.5 * (torch.arange(5) == 3)),
    )
    assert check_gradient(fn, x, full=True).kind == "localized"


def test_accepted_differences_are_told():
    def derivative(x):
        return x.exp() * (1 + 3e-6 * NOISE)

    x = normal(40)
    report = elementwise(torch.exp, derivative, x, rtol=1e-3, atol=1e-5)
    assert report
    said = [text for text in report.remarks if text.startswith("accepted")]
    assert len(said) == 1
    assert "e-06 of the slope (rtol=0.001, atol=1e-05)" in said[0]
    assert not any("accepted" in t for t in check_gradient(torch.exp, x).remarks)


def test_silent_inputs_are_named():
    report = check_gradient(lambda a, b: a.sin(), normal(4), normal(4))
    assert report.kinds == ("no-dependence", "agree")
    assert "with b" in report.remarks[0]
    assert [row.kinds for row in report.inputs] == [("agree",), ("no-dependence",)]
    wrong = with_backward(lambda a, b: a.sin(), lambda g, a, b: (2 * g * a.cos(), None))
    report = check_gradient(lambda a, b: wrong(a, b), normal(4), normal(4))
    assert [row.kinds for row in report.inputs] == [("factor",), ("no-dependence",)]
