"""The checker where numbers are coarse: float32, 16 bits, and casts inside."""

import pytest
import torch
from gradcheck_corpora.bugs import BUGS

from autodiff_guide.gradcheck import check_gradient

LOW = [torch.float32, torch.float16, torch.bfloat16]


def tanh_exp(x):
    return torch.tanh(x) * x.exp()


def slope_of_tanh_exp(x):
    return x.exp() * (1 - torch.tanh(x) ** 2 + torch.tanh(x))


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(
    ("factor", "kind"),
    [(2, "factor"), (5, "factor"), (0.5, "factor"), (-1, "sign"), (6, "reduction")],
)
def test_constant_factor_is_named(dtype, factor, kind):
    x = torch.linspace(0.2, 1.2, 6).to(dtype)
    report = check_gradient(
        tanh_exp, x, gradient=lambda x: factor * slope_of_tanh_exp(x)
    )
    assert (report.verdict, report.kind) == ("fail", kind)
    assert report.worst.bar > 0
    assert abs(
        report.worst.numeric - slope_of_tanh_exp(x.double()[report.worst.index])
    ) < (5 * report.worst.bar)
    assert check_gradient(tanh_exp, x, gradient=slope_of_tanh_exp)


@pytest.mark.parametrize("dtype", LOW)
def test_sum_for_mean_is_named(dtype):
    x = torch.linspace(-1, 2, 12).view(3, 4).to(dtype)
    report = check_gradient(lambda x: x.square().mean(), x, gradient=lambda x: -2 * x)
    assert report.kinds == ("reduction", "factor", "sign")


@pytest.mark.parametrize("dtype", LOW)
def test_planted_bugs_are_named_at_low_precision(dtype):
    missed = []
    for bug in BUGS:
        to = [torch.complex64 if x.is_complex() else dtype for x in bug.inputs]
        inputs = [x.to(t) for x, t in zip(bug.inputs, to, strict=True)]
        report = check_gradient(bug.fn, *inputs)
        if report.verdict not in ("fail", "error") or report.kind != bug.kind:
            missed.append((bug.name, report.kinds))
    assert not missed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_close_kinks_of_exact_functions_are_acquitted(dtype):
    x = torch.tensor([1.0, 1.03125, 2.0, 2.03125, -1.0], dtype=dtype)
    assert check_gradient(torch.amax, x)
    assert check_gradient(lambda x: x.clamp(max=1.015625), x)
    assert check_gradient(lambda x: x.sort().values, x)


@pytest.mark.parametrize("seed", [27, 30, 34, 42, 47, 51])
def test_normalising_one_element_is_not_flagged(seed):
    # x minus its mean is 0, times 316; backward and forward round it differently.
    generator = torch.Generator().manual_seed(seed)
    x, w, b = (18 * torch.rand(1, generator=generator) - 9 for _ in range(3))
    report = check_gradient(
        lambda x, w, b: torch.nn.functional.layer_norm(x, (1,), w, b), x, w, b
    )
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize(
    "fn", [torch.sin, tanh_exp, lambda x: x.logsumexp(0), lambda x: x.softmax(0)]
)
@pytest.mark.parametrize("seed", range(3))
def test_smooth_function_that_rounds_inside_has_no_kink(fn, seed):
    generator = torch.Generator().manual_seed(seed)
    x = 0.2 + torch.rand(6, dtype=torch.float64, generator=generator)
    report = check_gradient(lambda x: fn(x.float()).double(), x, seed=seed)
    assert report.kinds == ("low-precision", "agree")
    report = check_gradient(lambda x: fn(x.float()).double(), x, full=True)
    assert report.kinds == ("low-precision", "agree")


def test_stairs_are_computed_in_double_and_rounding_is_not():
    x = torch.linspace(0.2, 1.2, 40, dtype=torch.float64)
    assert check_gradient(lambda x: x.bfloat16().logsumexp(0).double(), x)
    through = check_gradient(lambda x: x + (x.float().round() - x).detach(), x)
    assert (through.verdict, through.kind) == ("fail", "step")


@pytest.mark.parametrize("dtype", LOW)
def test_resolution_is_that_of_double(dtype):
    x = torch.linspace(0.2, 1.2, 6).to(dtype)

    def check(error):
        return check_gradient(
            tanh_exp, x, gradient=lambda x: (1 + error) * slope_of_tanh_exp(x)
        )

    resolution = check(0.0).resolution
    assert resolution < 1e-6
    assert check(resolution / 4)
    assert not check(4 * resolution)


def test_numbers_made_of_integers_are_widened_too():
    def rotated(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            angle = 10.0 ** -torch.arange(3)
            return torch.outer(x, x) @ angle.cos().to(x)

    assert check_gradient(rotated, torch.linspace(0.2, 1.2, 3))
