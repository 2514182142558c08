"""The drop-in for torch's gradcheck and gradgradcheck: same calls, same answers."""

import inspect
import math
import warnings

import pytest
import torch
from gradcheck_corpora.bugs import BUGS
from gradcheck_corpora.right import RIGHT
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.autograd.gradcheck import GradcheckError
from torch.autograd.gradcheck import gradcheck as torchs_gradcheck
from torch.autograd.gradcheck import gradgradcheck as torchs_gradgradcheck

from autodiff_guide.gradcheck import check_gradient, gradcheck, gradgradcheck

# An error that torch's unit vectors cannot show.
SEEN_BY_OURS_ONLY = "half in the backward"


@pytest.fixture(autouse=True)
def _warnings_of_torchs_own_check_are_not_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def point(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(len(shape))
    x = torch.rand(shape, dtype=dtype, generator=generator)
    return x.requires_grad_()


def custom(forward, backward=None, jvp=None, *, undefined=False):
    """Return a Function of the tensors it saves; `undefined` passes None on."""

    def remember(ctx, *inputs):
        ctx.set_materialize_grads(not undefined)
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)
        return forward(*inputs)

    methods = {"forward": remember}
    if backward is not None:
        methods["backward"] = lambda ctx, *g: backward(*g, *ctx.saved_tensors)
    if jvp is not None:
        methods["jvp"] = lambda ctx, *t: jvp(*t, *ctx.saved_tensors)
    static = {name: staticmethod(method) for name, method in methods.items()}
    return type("Custom", (Function,), static).apply


def outcome(check, *arguments, **options):
    """Return what a check returned, or the type of what it raised."""
    try:
        return check(*arguments, **options)
    except Exception as error:
        return type(error)


def same_outcome(fn, inputs, **options):
    found = outcome(gradcheck, fn, inputs, **options)
    assert found == outcome(torchs_gradcheck, fn, inputs, **options)
    return found


def parameters(fn):
    found = inspect.signature(fn).parameters.values()
    return [(p.name, p.kind, p.default) for p in found]


# -------------------------------------------------------------------- like torch's


def test_signatures_are_torchs():
    assert parameters(gradcheck) == parameters(torchs_gradcheck)
    assert parameters(gradgradcheck) == parameters(torchs_gradgradcheck)


def required(inputs):
    return tuple(
        x.detach().clone().requires_grad_()
        if x.is_floating_point() or x.is_complex()
        else x
        for x in inputs
    )


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_what_torch_finds_is_found(bug):
    inputs = required(bug.inputs)
    found = outcome(gradcheck, bug.fn, inputs)
    torchs = outcome(torchs_gradcheck, bug.fn, inputs)
    if bug.name != SEEN_BY_OURS_ONLY:
        # Of one that overwrites its input torch says so by a plain RuntimeError.
        assert found == torchs or (torchs is RuntimeError and found is GradcheckError)


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.name)
def test_what_is_right_passes(right):
    inputs = required(right.inputs)
    if not right.hard or outcome(torchs_gradcheck, right.fn, inputs) is True:
        assert gradcheck(right.fn, inputs)


def test_message_is_the_report():
    wrong = custom(torch.sin, lambda g, x: 2 * g * x.cos())
    with pytest.raises(GradcheckError, match=r"FAIL \(factor\): .* 2 times") as caught:
        gradcheck(wrong, point(4))
    assert isinstance(caught.value, RuntimeError)
    assert not gradcheck(wrong, point(4), raise_exception=False)


def test_tolerances_are_torchs():
    nearly = custom(torch.sin, lambda g, x: 1.01 * g * x.cos())
    assert outcome(gradcheck, nearly, point(4)) is GradcheckError
    assert gradcheck(nearly, point(4), rtol=0.02)
    assert gradcheck(nearly, point(4), atol=0.1)
    assert gradcheck(custom(torch.sin, lambda g, x: 1.0005 * g * x.cos()), point(4))


def test_kinks_pass_where_torchs_step_fails():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(torch.relu, x)
    assert outcome(torchs_gradcheck, torch.relu, x) is GradcheckError


def test_precision_is_double_inside():
    assert gradcheck(torch.sin, point(5, dtype=torch.float32))
    wrong = custom(torch.sin, lambda g, x: 1.01 * g * x.cos())
    assert outcome(gradcheck, wrong, point(5, dtype=torch.float32)) is GradcheckError


LINEAR = nn.Linear(3, 2).double()
ELSEWHERE = torch.rand(3, dtype=torch.float64, requires_grad=True)
HALF_AGAIN = custom(torch.sin, lambda g, x: g * x.cos() * 1.5)


def filtered(*inputs):
    return tuple(y for y in (inputs[0].sin(), inputs[1] * 2) if y.requires_grad)


@pytest.mark.parametrize(
    ("fn", "inputs", "expected"),
    [
        (torch.sin, point(4), True),
        (torch.mul, [point(4), point(4)], True),
        (torch.mul, (point(4), point(4).detach()), True),
        (lambda a, b: 2 * a, (point(4), None), True),
        (torch.sin, (point(4).detach(),), ValueError),
        (torch.sin, point(1).detach().expand(3).requires_grad_(), RuntimeError),
        (lambda x: x.to_sparse(), point(3, 3), ValueError),
        (torch.argmax, point(4), True),
        (lambda x: 2 * x.detach(), point(4), GradcheckError),
        (lambda x: (x - 2).log(), point(4), GradcheckError),
        (lambda x: x.reshape(7), point(3), RuntimeError),
        (torch.sin, point(0), True),
        (custom(torch.sin, lambda g, x: 1 / 0), point(3), ZeroDivisionError),
        (custom(lambda x: x.sum(0), lambda g, x: g), point(3, 2), RuntimeError),
        (torch.sin, point(3, dtype=torch.complex128), True),
        (lambda x: x.conj() * x, point(3, dtype=torch.complex128), True),
        (filtered, (point(3), point(3)), True),
        (filtered, (point(3), point(3).detach()), True),
        (lambda _: ELSEWHERE.sin(), ELSEWHERE, True),
        (lambda _: HALF_AGAIN(ELSEWHERE), ELSEWHERE, GradcheckError),
        (lambda x, *_: LINEAR(x), (point(4, 3), *LINEAR.parameters()), True),
    ],
)
def test_answers_are_torchs(fn, inputs, expected):
    assert same_outcome(fn, inputs) is expected


def test_function_that_looks_at_requires_grad():
    def fn(x):
        return 3 * x.detach() + HALF_AGAIN(x) if x.requires_grad else x.sin()

    assert outcome(gradcheck, fn, point(3)) is GradcheckError
    assert gradcheck(lambda x: x.sin() if x.requires_grad else 7 * x, point(3))
    assert gradcheck(lambda x: x.sin() if torch.is_grad_enabled() else x, point(3))


@pytest.mark.parametrize("masked", [True, False])
def test_sparse_inputs_are_torchs_to_check(masked):
    x = torch.eye(3, dtype=torch.float64).to_sparse().requires_grad_()
    same_outcome(lambda s: s.to_dense(masked_grad=masked), x, masked=masked)


def test_report_is_a_note_where_torch_decides():
    def shapes(g, x):
        return g

    with pytest.raises(RuntimeError, match="invalid gradient") as caught:
        gradcheck(custom(lambda x: x.sum(0), shapes), point(3, 2))
    assert "ERROR" in caught.value.__notes__[0]


# ------------------------------------------------------------------------ options


FORWARD = {"check_forward_ad": True}
ONLY_FORWARD = {"check_forward_ad": True, "check_backward_ad": False}
BATCHED_FORWARD = {"check_forward_ad": True, "check_batched_forward_grad": True}
NO_UNDEFINED = {"check_undefined_grad": False}


def cos_times(g, x):
    return g * x.cos()


def read_out(g, x):
    return g * x.cos() + 0 * float(g.sum())


def one_for_none(g, x):
    return torch.ones_like(x) if g is None else g * x.cos()


def moved_by_none(s, t, x, y):
    first = x if s is None else s * y
    return first + (0 * x if t is None else x * t)


def noisy(g, x):
    return g * x.cos() * (1 + 1e-4 * torch.rand(()))


RIGHT_JVP = custom(torch.sin, cos_times, cos_times)
WRONG_JVP = custom(torch.sin, cos_times, lambda t, x: 2 * t * x.cos())
ONLY_JVP = custom(torch.sin, None, cos_times)
ONLY_WRONG_JVP = custom(torch.sin, None, lambda t, x: 2 * t * x.cos())
NO_JVP = custom(torch.sin, cos_times)
UNBATCHED = custom(torch.sin, read_out)
UNBATCHED_JVP = custom(torch.sin, cos_times, read_out)
FORGETS_NONE = custom(torch.sin, one_for_none, undefined=True)
MOVES = custom(
    torch.mul,
    lambda g, x, y: (None, None) if g is None else (g * y, g * x),
    moved_by_none,
    undefined=True,
)
NOISY = custom(torch.sin, noisy)


@pytest.mark.parametrize(
    ("fn", "count", "options", "expected"),
    [
        (FORGETS_NONE, 1, {}, GradcheckError),
        (FORGETS_NONE, 1, NO_UNDEFINED, True),
        (UNBATCHED, 1, {}, True),
        (UNBATCHED, 1, {"check_batched_grad": True}, GradcheckError),
        (torch.sin, 1, {"check_batched_grad": True, "check_grad_dtypes": True}, True),
        (RIGHT_JVP, 1, FORWARD, True),
        (WRONG_JVP, 1, {}, True),
        (WRONG_JVP, 1, FORWARD, GradcheckError),
        (WRONG_JVP, 1, ONLY_FORWARD, GradcheckError),
        (ONLY_JVP, 1, ONLY_FORWARD, True),
        (ONLY_WRONG_JVP, 1, ONLY_FORWARD, GradcheckError),
        (ONLY_JVP, 1, FORWARD, NotImplementedError),
        (NO_JVP, 1, FORWARD, NotImplementedError),
        (UNBATCHED_JVP, 1, FORWARD, True),
        (UNBATCHED_JVP, 1, BATCHED_FORWARD, GradcheckError),
        (torch.sin, 1, BATCHED_FORWARD, True),
        (MOVES, 2, FORWARD, GradcheckError),
        (MOVES, 2, {**FORWARD, **NO_UNDEFINED}, True),
        (torch.mul, 2, FORWARD, True),
        (NOISY, 1, {}, GradcheckError),
        (NOISY, 1, {"nondet_tol": 1e-5}, GradcheckError),
        (NOISY, 1, {"nondet_tol": 1e-3}, True),
        (torch.sin, 1, {"eps": 1e-4, "fast_mode": True, "masked": False}, True),
        (torch.sin, 1, {"check_backward_ad": False}, AssertionError),
        (torch.sin, 1, {**ONLY_FORWARD, "check_batched_grad": True}, AssertionError),
        (torch.sin, 1, {"check_batched_forward_grad": True}, AssertionError),
    ],
)
def test_each_option_shows_what_it_is_for(fn, count, options, expected):
    inputs = tuple(point(3) for _ in range(count))
    assert same_outcome(fn, inputs, **options) is expected


def test_all_options_on_a_complex_function():
    options = {**BATCHED_FORWARD, "check_batched_grad": True}
    assert gradcheck(torch.tanh, point(3, dtype=torch.complex128), **options)


def test_forward_mode_is_named():
    with pytest.raises(GradcheckError, match=r"in forward mode \(jvp\)"):
        gradcheck(WRONG_JVP, point(3), check_forward_ad=True)


# ------------------------------------------------------------- second derivatives


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos()


def wrong_twice(g, x):
    return custom(
        lambda g, x: g * x.cos(), lambda h, g, x: (h * x.cos(), h * g * x.sin())
    )(g, x)


WRONG_TWICE = custom(torch.sin, wrong_twice)
CUT_TWICE = custom(torch.sin, lambda g, x: g * x.detach().cos())
FORWARD_OVER = {"check_fwd_over_rev": True}
ONLY_FORWARD_OVER = {
    "check_fwd_over_rev": True,
    "check_rev_over_rev": False,
    "check_undefined_grad": False,
}


@pytest.mark.parametrize(
    ("fn", "inputs", "options", "expected"),
    [
        (torch.sin, point(4), {}, True),
        (torch.mul, (point(4), point(4)), {}, True),
        (lambda x: 2 * x, point(4), {}, True),
        (NO_JVP, point(4), {}, True),
        (Once.apply, point(4), {}, GradcheckError),
        (WRONG_TWICE, point(4), {}, GradcheckError),
        (CUT_TWICE, point(4), {}, GradcheckError),
        (filtered, (point(3), point(3)), {}, True),
        (filtered, (point(3), point(3).detach()), {}, True),
        (lambda _: ELSEWHERE.sin(), ELSEWHERE, {}, True),
        (torch.sin, point(3, dtype=torch.complex128), {}, True),
        (torch.sin, point(3), FORWARD_OVER, True),
        (torch.sin, point(3), ONLY_FORWARD_OVER, True),
        (WRONG_TWICE, point(3), ONLY_FORWARD_OVER, NotImplementedError),
        (torch.sin, point(3), {"gen_non_contig_grad_outputs": True}, True),
        (torch.sin, point(3), {"check_batched_grad": True}, True),
        (torch.sin, point(3), {"grad_outputs": torch.ones(3).double()}, True),
        (torch.sin, point(3).detach(), {}, ValueError),
        (torch.sin, point(3), {"check_rev_over_rev": False}, AssertionError),
    ],
)
def test_second_derivatives(fn, inputs, options, expected):
    found = outcome(gradgradcheck, fn, inputs, **options)
    assert found is outcome(torchs_gradgradcheck, fn, inputs, **options)
    assert found is expected


@pytest.mark.parametrize(
    ("fn", "kind"), [(WRONG_TWICE, "sign"), (CUT_TWICE, "zero"), (Once.apply, "zero")]
)
def test_second_derivative_is_named(fn, kind):
    x = point(4).detach()
    assert check_gradient(fn, x)
    report = check_gradient(fn, x, order=2)
    assert (report.verdict, report.kind) == ("fail", kind)
    assert report.sentence.startswith("of the second derivative: ")
    assert report.worst.input in ("input 0", "grad_output")


def test_second_derivatives_of_right_functions():
    names = [row.name for row in check_gradient(torch.mul, *RIGHT_PAIR, order=2).inputs]
    assert names == ["input 0", "input 1", "grad_output"]
    assert check_gradient(torch.sin, torch.rand(3), order=2)
    assert check_gradient(torch.tanh, torch.rand(3, dtype=torch.complex128), order=2)
    assert check_gradient(lambda x: (x.sin(), x.exp()), RIGHT_PAIR[0], order=2)


RIGHT_PAIR = torch.rand(3).double(), torch.rand(3).double()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"order": 3}, "order: expected 1"),
        ({"order": 2, "gradient": torch.cos}, "gradient: expected None with order=2"),
    ],
)
def test_order_is_one_or_two(options, match):
    with pytest.raises(ValueError, match=match):
        check_gradient(torch.sin, torch.rand(3), **options)


def test_second_derivative_needs_a_first():
    with pytest.raises(ValueError, match="expected an output with a gradient"):
        check_gradient(lambda x: x.detach(), torch.rand(3), order=2)


# -------------------------------------------------------------------- forward mode


def test_forward_mode_agrees():
    assert check_gradient(RIGHT_JVP, torch.rand(3), forward=True)
    assert check_gradient(torch.matmul, torch.rand(3, 3), torch.rand(3), forward=True)
    assert check_gradient(torch.sin, torch.rand(3), order=2, forward=True)


def test_wrong_forward_mode_is_named():
    x = torch.rand(3, dtype=torch.float64)
    assert check_gradient(WRONG_JVP, x)
    report = check_gradient(WRONG_JVP, x, forward=True)
    assert (report.verdict, report.kind) == ("fail", "factor")
    assert report.sentence.startswith("in forward mode (jvp), ")


def test_wrong_forward_mode_of_very_many_outputs_is_named():
    def spread(fn):
        return lambda x: (fn(x)[:, None] * torch.arange(1.0, 1501.0)).flatten()

    x = torch.rand(3)
    assert check_gradient(spread(RIGHT_JVP), x, forward=True)
    report = check_gradient(spread(WRONG_JVP), x, forward=True)
    assert (report.verdict, report.kind) == ("fail", "factor")
    assert report.inputs[0].dtype == "float32"


def test_forward_mode_off_by_less_than_differences_resolve():
    slightly = custom(torch.sin, cos_times, lambda t, x: (1 + 1e-9) * t * x.cos())
    report = check_gradient(slightly, torch.rand(3).double(), forward=True)
    assert (report.verdict, report.kind) == ("fail", "mismatch")
    assert "less than differences resolve" in report.sentence


def test_no_forward_mode_is_an_error():
    report = check_gradient(NO_JVP, torch.rand(3), forward=True)
    assert report.verdict == "error"
    assert "leave forward=False" in report.sentence


# -------------------------------------------------------------- nothing is changed


def test_callers_tensors_and_generator_are_left_alone():
    x = point(3)
    x.grad = torch.ones_like(x)
    constant = torch.rand(3, dtype=torch.float64)
    before, state = x.detach().clone(), torch.get_rng_state()
    options = {**BATCHED_FORWARD, "check_batched_grad": True}
    gradcheck(torch.mul, (x, constant), **options)
    gradgradcheck(torch.mul, (x, constant), check_fwd_over_rev=True)
    gradcheck(lambda x: x.detach() * x, x, raise_exception=False)
    assert torch.equal(x, before)
    assert torch.equal(x.grad, torch.ones_like(x))
    assert x.requires_grad
    assert not constant.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert math.isfinite(float(x.sum()))
