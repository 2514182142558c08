"""Every rule against torch.optim, step by step and bit by bit.

The rules and these objectives add, multiply, divide and take roots, element by element.
IEEE 754 leaves one result to each of these operations, so that neither the shape nor
the processor nor the number of threads can make a difference between two ways that do
the same operations. A product of matrices adds in an order of its own.
"""

import functools

import pytest
import torch

from autodiff_guide.descent import (
    Adam,
    FromTorch,
    GradientDescent,
    GradientRule,
    Momentum,
    RMSprop,
    minimize,
)
from autodiff_guide.objectives import CATALOGUE

STEPS = 200
ALL_STEPS = {"steps": STEPS, "gradient_below": None}
OBJECTIVES = ("sphere", "rosenbrock", "himmelblau", "beale")
PAIRS = {
    "sgd": (GradientDescent(1e-3), torch.optim.SGD, {"lr": 1e-3}),
    "momentum": (Momentum(1e-3), torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9}),
    "nesterov": (
        Momentum(1e-3, nesterov=True),
        torch.optim.SGD,
        {"lr": 1e-3, "momentum": 0.9, "nesterov": True},
    ),
    "rmsprop": (RMSprop(), torch.optim.RMSprop, {}),
    "adam": (Adam(0.01), torch.optim.Adam, {"lr": 0.01}),
}
LISTED = {
    torch.optim.SGD: {"lr": 1e-3, "momentum": 0.5, "weight_decay": 0.1},
    torch.optim.Adam: {"lr": 0.01, "amsgrad": True},
    torch.optim.AdamW: {"lr": 0.01, "weight_decay": 0.1},
    torch.optim.Adagrad: {"lr": 0.1, "lr_decay": 0.01},
    torch.optim.Adadelta: {},
    torch.optim.Adamax: {},
    torch.optim.NAdam: {},
    torch.optim.RAdam: {},
    torch.optim.RMSprop: {"momentum": 0.5, "centered": True},
    torch.optim.Rprop: {},
    torch.optim.ASGD: {"lr": 1e-3},
}


def by_torch(optimizer, settings, fn, start, steps=STEPS):
    """The tutorial's loop."""
    point = start.clone().requires_grad_()
    stepper = optimizer([point], **settings)
    points = [point.detach().clone()]
    for _ in range(steps):
        stepper.zero_grad()
        fn(point).backward()
        stepper.step()
        points.append(point.detach().clone())
    return torch.stack(points)


def starts(objective, dtype, count=None):
    low, high = torch.tensor(objective.domain, dtype=dtype).T
    shape = (objective.dimension,) if count is None else (count, objective.dimension)
    return low + (high - low) * torch.rand(shape, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("pair", PAIRS)
def test_one_start_is_torch_bit_for_bit(pair, name, dtype):
    rule, optimizer, settings = PAIRS[pair]
    objective = CATALOGUE[name]
    start = starts(objective, dtype) / 4
    ours = minimize(objective, start, rule, **ALL_STEPS).points
    assert torch.equal(
        ours, by_torch(optimizer, settings, objective, start)[: len(ours)]
    )
    assert len(ours) == STEPS + 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
def test_many_starts_are_torch_bit_for_bit(pair, batched, dtype):
    rule, optimizer, settings = PAIRS[pair]
    objective = CATALOGUE["himmelblau"]
    start = starts(objective, dtype, 5) / 4
    ours = minimize(objective, start, rule, batched=batched, **ALL_STEPS).points
    for i in range(5):
        alone = by_torch(optimizer, settings, objective, start[i])
        assert torch.equal(ours[:, i], alone)


def test_a_batched_matrix_product_differs_by_rounding_only():
    """No step stretches a difference, and each adds a few roundings to it."""
    matrix = torch.randn(8, 8, dtype=torch.float64) / 8

    def fn(point):
        return ((point @ matrix) ** 2).sum(-1)

    start = torch.randn(50, 8, dtype=torch.float64)
    together = minimize(fn, start, GradientDescent(0.1), steps=STEPS).points
    alone = torch.stack(
        [minimize(fn, s, GradientDescent(0.1), steps=STEPS).points for s in start], 1
    )
    assert torch.linalg.matrix_norm(matrix, 2) < 10**0.5  # rate 0.1 < 2 / curvature
    rounding = torch.finfo(torch.float64).eps * float(start.abs().max())
    torch.testing.assert_close(together, alone, atol=10 * STEPS * rounding, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("optimizer", LISTED)
def test_from_torch_is_torch_one_by_one_and_batched(optimizer, dtype):
    objective, settings = CATALOGUE["himmelblau"], LISTED[optimizer]
    rule = FromTorch(optimizer, **settings)
    start = starts(objective, dtype, 4)
    for batched in (True, False):
        ours = minimize(
            objective, start, rule, steps=50, batched=batched, gradient_below=None
        ).points
        for i in range(4):
            alone = by_torch(optimizer, settings, objective, start[i], steps=50)
            assert torch.equal(ours[:, i], alone)


def test_rates_may_differ_by_start_and_by_step():
    objective = CATALOGUE["booth"]
    start = starts(objective, torch.float64)
    rates = torch.tensor([0.001, 0.01, 0.05], dtype=torch.float64)
    for rule in (GradientDescent, Momentum, RMSprop, Adam):
        swept = minimize(objective, start.expand(3, 2), rule(lr=rates), steps=50)
        for i, rate in enumerate(rates.tolist()):
            alone = minimize(objective, start, rule(lr=rate), steps=50)
            torch.testing.assert_close(swept.points[:, i], alone.points)

    def decay(t):
        return 0.05 / (1 + t)

    point = start.clone()
    ours = minimize(objective, start, GradientDescent(decay), steps=20)
    for t in range(20):
        leaf = point.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective(leaf), leaf)
        point = point - decay(t) * slope
    torch.testing.assert_close(ours.points[-1], point)


@pytest.mark.parametrize(
    "rule",
    [
        torch.optim.SGD,
        functools.partial(torch.optim.SGD, lr=1e-3),
        lambda parameters: torch.optim.SGD(parameters, lr=1e-3),
        FromTorch(functools.partial(torch.optim.SGD, momentum=0.0), lr=1e-3),
    ],
)
def test_an_optimizer_of_torch_is_a_rule(rule):
    objective = CATALOGUE["booth"]
    start = starts(objective, torch.float64)
    found = minimize(objective, start, rule, steps=50)
    expected = by_torch(torch.optim.SGD, {"lr": 1e-3}, objective, start, steps=50)
    assert torch.equal(found.points, expected)
    assert found.rule.startswith("FromTorch(SGD")


def test_a_schedule_drives_torchs_optimizer():
    objective = CATALOGUE["booth"]
    start = starts(objective, torch.float64)

    def decay(t):
        return 0.05 / (1 + t)

    ours = minimize(objective, start, GradientDescent(decay), steps=20)
    torchs = minimize(objective, start, FromTorch(torch.optim.SGD, lr=decay), steps=20)
    assert torch.equal(ours.points, torchs.points)


def test_a_scalar_tensor_is_its_number():
    objective = CATALOGUE["booth"]
    start = starts(objective, torch.float64)
    by_number = minimize(objective, start, GradientDescent(0.05), steps=20)
    by_tensor = minimize(
        objective,
        start,
        GradientDescent(torch.tensor(0.05, dtype=torch.float64)),
        steps=20,
    )
    assert torch.equal(by_number.points, by_tensor.points)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (GradientDescent(0.1), "GradientDescent(lr=0.1)"),
        (GradientDescent(1), "GradientDescent(lr=1)"),
        (GradientDescent(torch.tensor(0.5)), "GradientDescent(lr=0.5)"),
        (
            GradientDescent(torch.linspace(0.1, 0.3, 41)),
            "GradientDescent(lr=0.1…0.3 (41))",
        ),
        (Momentum(0.1, momentum=0.5), "Momentum(lr=0.1, momentum=0.5)"),
        (Momentum(0.1, nesterov=True), "Momentum(lr=0.1, nesterov=True)"),
        (Adam(), "Adam()"),
        (Adam(betas=(0.8, 0.9)), "Adam(betas=(0.8, 0.9))"),
        (RMSprop(lr=0.01, alpha=0.9), "RMSprop(alpha=0.9)"),
        (GradientDescent(starts), "GradientDescent(lr=starts)"),
        (FromTorch(torch.optim.NAdam, lr=0.1), "FromTorch(NAdam, lr=0.1)"),
    ],
)
def test_repr_shows_what_is_not_default(rule, text):
    assert repr(rule) == text


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: GradientDescent(-1), ValueError, "lr: expected a number in [0, inf)"),
        (lambda: GradientDescent(-0.1), ValueError, "lr"),
        (lambda: GradientDescent(float("nan")), ValueError, "lr"),
        (lambda: GradientDescent("fast"), TypeError, "lr"),
        (lambda: GradientDescent(True), TypeError, "lr"),
        (lambda: GradientDescent(torch.tensor([0.1, -1])), ValueError, "lr: expected"),
        (lambda: GradientDescent(torch.ones(2).long()), TypeError, "floating"),
        (lambda: Momentum(0.1, momentum=1.0), ValueError, "momentum"),
        (lambda: RMSprop(eps=-1e-8), ValueError, "eps"),
        (lambda: RMSprop(alpha=-0.1), ValueError, "alpha"),
        (lambda: Adam(betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda: FromTorch(torch.optim.LBFGS, lr=1.0), ValueError, "LBFGS"),
        (lambda: FromTorch(torch.optim.Adafactor), ValueError, "Adafactor"),
        (lambda: FromTorch(lambda given: given), TypeError, "got list"),
        (lambda: FromTorch("Adam"), TypeError, "must be callable"),
        (lambda: FromTorch(torch.optim.Adam, lr=torch.ones(2)), ValueError, "lr"),
        (lambda: FromTorch(torch.optim.Adam, speed=1), TypeError, "speed"),
        (lambda: FromTorch(torch.optim.Adam, eps=-1.0), ValueError, "epsilon"),
    ],
)
def test_bad_settings_are_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_repr_of_a_rule_that_is_no_dataclass():
    class Bare(GradientRule):
        init = step = None

    assert repr(Bare()) == "Bare()"
