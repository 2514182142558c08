"""What the checker once got wrong: a right gradient flagged, a wrong one passed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gradcheck_corpora.bugs import normal, positive, with_backward
from peak_memory import RESET_PEAK
from torch import nn

from autodiff_guide.gradcheck import check_gradient, check_module

X = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
WHOLE = 2**20  # Jacobians beyond this many entries were sampled, and named less well

MEASURE = """
import torch
from gradcheck_corpora.bugs import with_backward
from peak_memory import megabytes_added
from autodiff_guide.gradcheck import check_gradient

torch.set_num_threads(1)
check_gradient(torch.sin, torch.rand(3, dtype=torch.float64))  # imports on first use
fn = with_backward(torch.sin, lambda g, x: {factor} * g * x.cos())
x, found = torch.linspace(-1, 1, 10**6, dtype=torch.float64), []
added = megabytes_added(lambda: found.append(check_gradient(fn, x).verdict))
print(*found, added)
"""


def wrong_or_error(report):
    return report.verdict in ("fail", "error")


# ------------------------------------------------- an output that nobody used


class Pair(torch.autograd.Function):
    """sin and exp; a gradient that did not come is None, not zeros."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.exp()


class RightPair(Pair):
    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        total = torch.zeros_like(x)
        if g is not None:
            total = total + g * x.cos()
        if h is not None:
            total = total + h * x.exp()
        return total


class PairThatNeedsBoth(Pair):
    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return g * x.cos() + h * x.exp()


class PairWrongAlone(Pair):
    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        if h is None:
            return 2 * g * x.cos()
        return RightPair.backward(ctx, g, h)


class PairSilentAlone(Pair):
    @staticmethod
    def backward(ctx, g, h):
        if g is None:
            return None
        return RightPair.backward(ctx, g, h)


def test_backward_that_expects_an_absent_gradient_is_reported():
    assert check_gradient(RightPair.apply, X)
    assert wrong_or_error(check_gradient(PairThatNeedsBoth.apply, X))


def test_output_that_nobody_used_changes_no_gradient():
    alone = check_gradient(PairWrongAlone.apply, X)
    assert alone.verdict == "fail"
    assert "only output 0 is used" in alone.sentence
    silent = check_gradient(PairSilentAlone.apply, X)
    assert silent.verdict == "fail"
    assert "only output 1 is used" in silent.sentence


# ------------------------------------------------------- grad mode and no_grad


def test_value_of_grad_mode_is_the_value_without():
    report = check_gradient(
        lambda x: x.sin() if torch.is_grad_enabled() else x.cos(), X
    )
    assert report.verdict == "fail"
    assert "nondeterministic" in report.kinds
    assert "grad mode" in report.sentence
    assert check_gradient(
        lambda x: x.sin() if torch.is_grad_enabled() else x.detach().sin(), X
    )


def force(energy):
    def minus_slope(x):
        (slope,) = torch.autograd.grad(energy(x).sum(), x, create_graph=True)
        return -slope

    return minus_slope


def test_function_that_differentiates_inside_itself():
    assert check_gradient(force(lambda x: x**4), X)
    square = with_backward(torch.square, lambda g, x: g * 3 * x)
    cube = with_backward(lambda x: x**3, lambda g, x: g * 3 * square(x))
    report = check_gradient(force(cube), X)  # value -3 x², slope -9 x
    assert (report.verdict, report.kind) == ("fail", "factor")


def test_error_of_a_function_that_differentiates_inside_is_passed_on():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        check_gradient(lambda x: force(lambda x: x @ normal(2, 2))(x[None]), X)


def second_derivative(fn, count):
    """Return the function that `torch.autograd.gradgradcheck` checks."""

    def backward(*arguments):
        inputs, cotangents = arguments[:-count], arguments[-count:]
        outputs = fn(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        outputs = tuple(y for y in outputs if y.requires_grad)
        inputs = tuple(x for x in inputs if x.requires_grad)
        if not outputs:
            return ()
        found = torch.autograd.grad(
            outputs, inputs, cotangents, create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None)

    return backward


def test_function_that_looks_at_requires_grad():
    def able(fn):
        return lambda x: tuple(y for y in (fn(x), x.exp()) if y.requires_grad)

    wrong = with_backward(torch.sin, lambda g, x: 2 * g * x.cos())
    for x in (X, X.clone().requires_grad_()):
        assert check_gradient(able(torch.sin), x)
        assert check_gradient(able(wrong), x).verdict == "fail"


def test_second_derivative_as_torch_makes_it():
    assert check_gradient(second_derivative(torch.tanh, 1), X, X.flip(0))
    multiply = second_derivative(torch.mul, 1)
    assert check_gradient(multiply, X, X.exp(), X.flip(0))
    slope = with_backward(torch.cos, lambda g, x: g * x.sin())
    wrong = with_backward(torch.sin, lambda g, x: g * slope(x))
    assert check_gradient(wrong, X)
    report = check_gradient(second_derivative(wrong, 1), X, X.flip(0))
    assert report.verdict == "fail"


# ------------------------------------------------------------ order of the inputs


def test_gradient_by_hand_comes_in_the_order_of_wrt():
    def fn(a, b):
        return a * b.exp()

    a, b = normal(4), normal(4, seed=1)
    ways = {(0, 1): (b.exp(), a * b.exp()), (1, 0): (a * b.exp(), b.exp())}
    for wrt, slopes in ways.items():
        right = check_gradient(fn, a, b, wrt=wrt, gradient=lambda a, b, s=slopes: s)
        assert right, str(right)
        assert [row.name for row in right.inputs] == ["ab"[i] for i in wrt]
        swapped = check_gradient(
            fn, a, b, wrt=wrt, gradient=lambda a, b, s=slopes: s[::-1]
        )
        assert (swapped.verdict, swapped.kind) == ("fail", "swapped")


def test_wrt_out_of_order_with_inputs_of_different_shapes():
    report = check_gradient(
        lambda a, k, b: (a * b).sum() * k,
        normal(4, 3),
        2,
        normal(3),
        wrt=(-1, 0),
        gradient=lambda a, k, b: (k * a.sum(0), k * b.expand_as(a)),
    )
    assert report, str(report)
    assert [row.shape for row in report.inputs] == [(3,), (4, 3)]
    assert [row.name for row in report.inputs] == ["b", "a"]


# ------------------------------------------------------------------ flat and steps


@pytest.mark.parametrize("slope", [2.0, -1.0, 100.0])
@pytest.mark.parametrize("levels", [1, 8, 255])
def test_quantised_with_a_straight_through_slope_is_a_step(slope, levels):
    fn = with_backward(lambda x: (x * levels).round() / levels, lambda g, x: slope * g)
    report = check_gradient(fn, normal(9))
    assert (report.verdict, report.kind) == ("fail", "step"), str(report)
    assert check_gradient(lambda x: (x * levels).round() / levels, normal(9))


@pytest.mark.parametrize("levels", [1, 8, 255])
def test_slope_of_the_stairs_is_told(levels):
    fn = with_backward(lambda x: (x * levels).round() / levels, lambda g, x: g)
    report = check_gradient(fn, normal(9))
    # The slope of a tread is 0, that of the stairs is 1: something was tested.
    assert (report.verdict, report.kind) in (("fail", "step"), ("pass", "agree"))
    assert "vacuous" not in report.kinds


def test_straight_through_slope_is_a_step_in_a_loss_too():
    quantise = with_backward(lambda x: (x * 8).round() / 8, lambda g, x: 2 * g)
    report = check_gradient(lambda x: (quantise(x) - 0.3).square().mean(), normal(9))
    assert (report.verdict, report.kind) == ("fail", "step"), str(report)


# ------------------------------------------------------------------------ strides


def as_if_contiguous(x):
    strides = torch.empty(x.shape, device="meta").stride()
    return torch.as_strided(x, x.shape, strides)


@pytest.mark.parametrize(
    "x",
    [normal(3, 5).T, normal(2, 3, 4).permute(2, 0, 1), normal(4, 4).T],
    ids=["transposed", "permuted", "square"],
)
def test_backward_that_ignores_the_strides_of_its_input(x):
    class Sin(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * as_if_contiguous(x).cos()

    assert wrong_or_error(check_gradient(Sin.apply, x))
    assert check_gradient(torch.sin, x)


@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (2, 3, 4)])
def test_backward_that_ignores_the_strides_of_grad_output(shape):
    class Sin(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return as_if_contiguous(g) * x.cos()

    assert wrong_or_error(check_gradient(Sin.apply, normal(*shape)))


def test_backward_that_reads_grad_output_flat():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            flat = torch.empty(0, dtype=g.dtype).set_(g.untyped_storage())
            return 2 * flat[: g.numel()].reshape(g.shape)

    assert wrong_or_error(check_gradient(Double.apply, normal(4, 6)))


# ------------------------------------------------------------------- grad_output


def unit(g):
    return g / g.norm()


def clipped_norm(g):
    return g / g.norm().clamp_min(1)


INCOMING = {
    "forgotten": torch.ones_like,
    "its mean": lambda g: g.mean() + 0 * g,
    "its sum": lambda g: g.sum() + 0 * g,
    "its first element": lambda g: g.flatten()[0] + 0 * g,
    "its sign": torch.sign,
    "its size": torch.abs,
    "squared": torch.square,
    "cubed": lambda g: g**3,
    "its direction": unit,
    "clipped at 0.1": lambda g: g.clamp(-0.1, 0.1),
    "clipped at 1": lambda g: g.clamp(-1, 1),
    "clipped at 5": lambda g: g.clamp(-5, 5),
    "clipped to length 1": clipped_norm,
    "rounded": torch.round,
    "without what is small": lambda g: g.where(g.abs() > 0.01, 0.0),
    "positive part": torch.relu,
}
# One number is its own mean, sum and first element.
OF_SEVERAL = ("its mean", "its sum", "its first element")


@pytest.mark.parametrize("name", INCOMING)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_backward_that_is_right_for_some_grad_output_only(name, size):
    incoming = INCOMING[name]
    fn = with_backward(torch.sin, lambda g, x: incoming(g) * x.cos())
    report = check_gradient(fn, normal(size))
    right = size == 1 and name in OF_SEVERAL
    assert report.verdict == ("pass" if right else "fail"), str(report)


@pytest.mark.parametrize("name", [name for name in INCOMING if name not in OF_SEVERAL])
def test_loss_that_is_right_for_some_grad_output_only(name):
    incoming = INCOMING[name]
    fn = with_backward(lambda x: x.square().sum(), lambda g, x: incoming(g) * 2 * x)
    assert check_gradient(fn, normal(5)).verdict == "fail"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_length_of_grad_output_overflows_nothing(dtype):
    x = normal(5).to(dtype)
    largest = torch.finfo(dtype).max / 8
    assert check_gradient(lambda x: largest * x, x)
    assert check_gradient(lambda x: (x / largest).sum(), x)


# --------------------------------------------------------- tensors of inference mode


def test_input_of_inference_mode():
    with torch.inference_mode():
        x, w = normal(3), normal(3, seed=1)
        low = x.float()
    weight = w.clone()
    assert check_gradient(torch.mul, x, w)
    assert check_gradient(torch.mul, weight, w, wrt=0)
    assert check_gradient(torch.mul, X.clone().requires_grad_(), low)
    assert not check_gradient(
        with_backward(torch.mul, lambda g, a, b: (g * b, g)), x, w
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_captured_tensor_of_inference_mode_ends_in_a_report(dtype):
    with torch.inference_mode():
        w = normal(3).to(dtype)
    report = check_gradient(lambda x: (x * w).sum(), X)
    # A plain backward raises here: inference tensors cannot be saved for it.
    assert report.verdict in ("pass", "error")
    assert report or "nference" in report.sentence
    assert check_gradient(lambda x: x + w, X)


def test_module_of_inference_mode():
    with torch.inference_mode():
        module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        x = torch.rand(5, 3)
    assert check_module(module, data=x)
    assert check_module(module.double(), data=x, wrt="both")


# ------------------------------------------------- modules that are not all double


class Grid(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 3))
        self.grid = torch.linspace(0, 1, 3)
        self.others = [torch.eye(3), {"bias": torch.rand(3)}]

    def forward(self, x):
        y = nn.functional.linear(x, self.weight * self.grid) @ self.others[0]
        return nn.functional.linear(y, self.others[0], self.others[1]["bias"])


class Cells(nn.Module):
    """A loop over time, its state made in the forward and written in place."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        h = torch.zeros(x.shape[0], 4)
        c = torch.zeros_like(h)
        states = torch.zeros(x.shape[0], x.shape[1], 4)
        for t in range(x.shape[1]):
            if isinstance(self.cell, nn.LSTMCell):
                h, c = self.cell(x[:, t], (h, c))
            else:
                h = self.cell(x[:, t], h)
            states[:, t] = h
        return states


class Recurrent(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        start = torch.zeros(1, x.shape[0], 4)
        if isinstance(self.layer, nn.LSTM):
            return self.layer(x, (start, start.clone()))[0]
        return self.layer(x, start)[0]


class Mask(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3))

    def forward(self, x):
        mask = torch.full((x.shape[-1],), float("-inf"))
        mask[:2] = 0
        buffer = torch.empty(x.shape, dtype=torch.float32)
        buffer.copy_(x * self.weight)
        buffer += mask.exp()
        return (buffer + mask).softmax(-1)


MODULES = {
    "plain attributes": (Grid, (5, 3)),
    "RNN cell": (lambda: Cells(nn.RNNCell(3, 4)), (2, 5, 3)),
    "GRU cell": (lambda: Cells(nn.GRUCell(3, 4)), (2, 5, 3)),
    "LSTM cell": (lambda: Cells(nn.LSTMCell(3, 4)), (2, 5, 3)),
    "RNN": (lambda: Recurrent(nn.RNN(3, 4, batch_first=True)), (2, 5, 3)),
    "GRU": (lambda: Recurrent(nn.GRU(3, 4, batch_first=True)), (2, 5, 3)),
    "LSTM": (lambda: Recurrent(nn.LSTM(3, 4, batch_first=True)), (2, 5, 3)),
    "mask and buffer": (Mask, (4, 3)),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("wrt", ["parameters", "both"])
def test_module_that_makes_single_precision_tensors(name, wrt):
    make, shape = MODULES[name]
    report = check_module(make(), data=torch.rand(shape), wrt=wrt)
    assert report.verdict == "pass", str(report)


def test_module_that_keeps_single_precision_tensors_can_be_wrong():
    class Wrong(Grid):
        def forward(self, x):
            wrong = with_backward(torch.tanh, lambda g, x: g * 0.99 / x.cosh() ** 2)
            return wrong(super().forward(x))

    report = check_module(Wrong(), data=torch.rand(5, 3))
    assert report.verdict == "fail"
    assert report.worst.input == "weight"


def test_loss_with_a_single_precision_weight():
    loss = nn.CrossEntropyLoss(weight=torch.rand(4))
    data = torch.rand(5, 3), torch.tensor([0, 1, 2, 3, 0])
    report = check_module(nn.Linear(3, 4), loss, data)
    assert report.verdict == "pass", str(report)


# -------------------------------------------------------------- names of large ones


def test_many_outputs_are_counted_right():
    x = torch.linspace(-1, 1, 5000, dtype=torch.float64)
    for factor in (8, 0.125):
        report = check_gradient(
            with_backward(torch.sin, lambda g, x, c=factor: c * g * x.cos()), x
        )
        assert report.kind == "factor", str(report)
        assert "number of output elements" not in report.sentence
    report = check_gradient(
        with_backward(torch.sin, lambda g, x: g * x.cos() / len(x)), x
    )
    assert report.kind == "reduction"
    assert "5000" in report.sentence


LARGE = {
    "sign": (torch.cos, lambda g, x: g * x.sin(), [normal(1500)]),
    "factor": (torch.square, lambda g, x: g * x, [normal(1500)]),
    "transposed": (
        torch.matmul,
        lambda g, a, b: (g @ b, a.T @ g),
        [normal(36, 36), normal(36, 36, seed=1)],
    ),
    "shift": (
        lambda x: x.roll(1) ** 3,
        lambda g, x: g * 3 * x.roll(1) ** 2,
        [normal(1500)],
    ),
    "flip": (
        lambda x: x.square().flip(0),
        lambda g, x: 2 * g * x.flip(0),
        [normal(1500)],
    ),
    "diagonal": (
        lambda x: x.softmax(-1),
        lambda g, x: g * x.softmax(-1) * (1 - x.softmax(-1)),
        [normal(300, 5)],
    ),
    "swapped": (
        torch.mul,
        lambda g, a, b: (g * a, g * b),
        [normal(1200), normal(1200, seed=1)],
    ),
    "mask": (torch.relu, lambda g, x: g * (x < 0), [normal(1500)]),
    "chain": (
        lambda x: x.square().sin(),
        lambda g, x: g * x.square().cos(),
        [normal(1500)],
    ),
    "broadcast": (
        torch.add,
        lambda g, x, b: (g, g[0]),
        [normal(375, 4), normal(4)],
    ),
    "offset": (
        torch.sin,
        lambda g, x: g * x.cos() + 0.01 * g.sum(),
        [normal(1500)],
    ),
    "zero": (
        torch.mul,
        lambda g, x, w: (g * w, None),
        [normal(1200), normal(1200, seed=1)],
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_name_of_a_large_jacobian(kind):
    forward, backward, inputs = LARGE[kind]
    fn = with_backward(forward, backward)
    assert sum(x.numel() for x in inputs) * fn(*inputs).numel() > WHOLE
    report = check_gradient(fn, *inputs)
    assert (report.verdict, report.kind) == ("fail", kind), str(report)


SQUARES = {
    "shift by one": lambda x: x.flatten().roll(1).view(x.shape),
    "shift by a row": lambda x: x.roll(1, 0),
    "flip": lambda x: x.flip(1),
    "sign": lambda x: -x,
    "chain": torch.ones_like,
}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, (150, 150)) for name in SQUARES),
        ("shift by one", (400, 401)),
        ("flip", (400, 401)),
    ],
)
def test_name_of_a_large_gradient_of_a_loss(name, shape):
    fn = with_backward(
        lambda x: x.square().sum(), lambda g, x: 2 * g * SQUARES[name](x)
    )
    report = check_gradient(fn, normal(*shape))
    assert report.verdict == "fail"
    assert report.kind == name.split()[0], str(report)


def test_transposed_large_gradient_of_a_loss():
    a = normal(201, 200, seed=2)
    fn = with_backward(
        lambda x: (x @ a).diagonal().sum(), lambda g, x: (g * a).reshape(x.shape)
    )
    report = check_gradient(fn, normal(200, 201))
    assert (report.verdict, report.kind) == ("fail", "transposed"), str(report)


@pytest.mark.skipif(not RESET_PEAK.exists(), reason="measures memory by /proc")
@pytest.mark.parametrize(
    ("factor", "verdict", "most"), [(1.0, "pass", 500), (1.5, "fail", 1000)]
)
def test_a_million_outputs_are_checked_in_bounded_memory(factor, verdict, most):
    run = subprocess.run(
        [sys.executable, "-c", MEASURE.format(factor=factor)],
        cwd=Path(__file__).parent,
        check=True,
        capture_output=True,
        text=True,
    )
    found, megabytes = run.stdout.split()
    assert found == verdict
    assert float(megabytes) <= most


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_loss_of_a_million_elements_is_settled_by_probes(dtype):
    report = check_gradient(lambda x: x.square().sum(), normal(10**6).to(dtype))
    assert report.verdict == "pass", str(report)
    assert report.evaluations < 1000


# --------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    "x", [X, normal(9), torch.linspace(-2, 2, 8, dtype=torch.float64), positive(6)]
)
def test_no_branch_where_a_formula_is_wrong_everywhere(x):
    report = check_gradient(
        with_backward(torch.tanh, lambda g, x: g * (1 - x.square())), x
    )
    assert report.verdict == "fail"
    assert "branch" not in report.sentence
    assert "threshold" not in report.sentence
    assert "and right" not in report.sentence


ROUGH = {
    "log-sum-exp": lambda x: x.logsumexp(0),
    "sum of tanh": lambda x: x.tanh().sum(),
    "exp": torch.exp,
    "stairs": lambda x: (8 * x).round() / 8,
}


@pytest.mark.parametrize("name", ROUGH)
@pytest.mark.parametrize("low", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("n", [6, 40])
def test_no_figure_is_divided_by_a_zero_value(name, low, n):
    rough, x = ROUGH[name], normal(n)
    there = rough(x.to(low)).double()
    report = check_gradient(lambda x: rough(x.to(low)).double() - there, x)
    assert not re.search(r"e\+([2-9]\d|\d{3})", str(report)), str(report)


# ----------------------------------------------------------- 16 bits in the middle


@pytest.mark.parametrize("fn", [torch.sin, torch.exp, torch.tanh, torch.sigmoid])
@pytest.mark.parametrize("n", [3, 6, 12, 40])
def test_sixteen_bits_inside_are_no_shift(fn, n):
    x = torch.linspace(-1.2, 1.4, n, dtype=torch.float64)
    report = check_gradient(lambda x: fn(x.bfloat16()).double(), x)
    assert report.verdict == "pass", str(report)
    assert "shift" not in report.kinds
    assert any("bfloat16" in remark for remark in report.remarks)
    wrong = with_backward(
        lambda x: fn(x.bfloat16()).double(),
        lambda g, x: 2 * torch.func.vjp(fn, x)[1](g)[0],
    )
    report = check_gradient(wrong, x)
    assert report.verdict == "fail", str(report)
    assert "shift" not in report.kinds


# ------------------------------------------------ small elements among large ones


@pytest.mark.parametrize("n", [3, 10, 50])
@pytest.mark.parametrize(
    ("small", "size"),
    [(1e-3, 1), (1e-5, 1), (1e-7, 1), (1e-5, 10), (1e-3, 100)],
)
@pytest.mark.parametrize("factor", [1.0, 2.0, 0.0, -1.0])
def test_small_slope_among_large_ones(n, small, size, factor):
    def value(z):
        return z.square().sum() + small * z[0]

    def slope(g, z):
        return g * (2 * z + small * factor * (torch.arange(n) == 0))

    z = size * torch.linspace(0, 3, n, dtype=torch.float64)
    report = check_gradient(with_backward(value, slope), z)
    assert report.verdict == ("pass" if factor == 1 else "fail"), str(report)
    if factor != 1:
        assert report.worst.index == (0,)


@pytest.mark.parametrize("n", [3, 10, 50])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_small_weight_among_large_ones(n, factor):
    weight = torch.ones(n, dtype=torch.float64)
    weight[n // 2] = 1e-7
    share = torch.where(weight < 1, factor, 1.0)
    fn = with_backward(
        lambda z: (weight * z.sin()).sum(), lambda g, z: g * weight * z.cos() * share
    )
    report = check_gradient(fn, normal(n))
    assert report.verdict == ("pass" if factor == 1 else "fail"), str(report)


@pytest.mark.parametrize("n", [3, 10, 50])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_input_of_little_influence_among_others(n, factor):
    fn = with_backward(
        lambda x, b: x.exp().sum() + 1e-7 * b.sin(),
        lambda g, x, b: (g * x.exp(), factor * 1e-7 * g * b.cos()),
    )
    report = check_gradient(fn, normal(n), positive())
    assert report.verdict == ("pass" if factor == 1 else "fail"), str(report)
    if factor != 1:
        assert report.worst.input == "input 1"


@pytest.mark.parametrize("off", [5e-7, 1e-6, 1.0000005e-6, 2e-6])
def test_a_factor_close_to_one_has_a_name(off):
    report = check_gradient(
        torch.sin, normal(6), gradient=lambda z: (1 + off) * z.cos()
    )
    assert report.verdict != "pass", str(report)


def test_a_tie_whose_mean_slope_is_right_is_a_kink():
    tied = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
    assert "kink" in check_gradient(lambda x: x.max(), tied).kinds
    assert not check_gradient(lambda x: x.max(), tied, strict=True)


@pytest.mark.parametrize("elements", [1, 2])
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_dropout_of_very_few_elements_is_never_taken_for_a_function(elements, p):
    x = torch.rand(elements, dtype=torch.float64)
    for seed in range(40):
        torch.manual_seed(seed)
        report = check_gradient(lambda x: torch.nn.functional.dropout(x, p), x)
        assert report.kind == "nondeterministic"


def test_function_that_seeds_itself_is_checked():
    calls = []

    def fn(x):
        calls.append(x)
        torch.manual_seed(0)
        return x.sin() * torch.rand(3, dtype=torch.float64)

    assert check_gradient(fn, torch.rand(3, dtype=torch.float64))
    assert len(calls) < 12


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x**3,
        lambda x: x**7,
        lambda x: x.sin() - x,
        lambda x: x**2 * x.abs(),
        lambda x: 1 - x.cos(),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_slope_of_zero_among_others_is_resolved(fn, dtype):
    x = torch.linspace(-2, 2, 9, dtype=dtype)
    assert check_gradient(fn, x).kind == "agree"
    (right,) = torch.autograd.grad(fn(y := x.clone().requires_grad_()).sum(), y)
    wrong = right.clone()
    wrong[4] += 1e-4
    assert not check_gradient(fn, x, gradient=lambda x: wrong)
