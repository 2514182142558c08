"""The loop: what is recorded, who stops when, what is refused, what is left alone."""

import functools
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff_guide as ag
from autodiff_guide.descent import (
    BFGS,
    Adam,
    FromTorch,
    GradientDescent,
    Kind,
    Momentum,
    Newton,
    Status,
    Trajectory,
    _log,
    _loop,
    classify,
    minimize,
)
from autodiff_guide.descent._problem import Problem
from autodiff_guide.objectives import CATALOGUE, quadratic, rosenbrock

HIMMELBLAU = CATALOGUE["himmelblau"]


def bowl(point):
    return (point**2).sum(-1)


def row(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def test_minimize_is_a_verb_of_the_package():
    assert ag.minimize is minimize


@pytest.mark.parametrize("shape", [(2,), (5, 2)])
@pytest.mark.parametrize("rule", [Momentum(0.01), BFGS()], ids=repr)
def test_everything_recorded_belongs_to_its_point(shape, rule):
    start = torch.randn(shape, dtype=torch.float64)
    found = minimize(HIMMELBLAU, start, rule, steps=70)
    rows = len(found.points)
    assert found.points.shape == (rows, *shape)
    assert found.values.shape == found.gradient_norms.shape == (rows, *shape[:-1])
    assert torch.equal(found.points[0], start)
    leaf = found.points.clone().requires_grad_()
    values = HIMMELBLAU(leaf)
    (slopes,) = torch.autograd.grad(values.sum(), leaf)
    torch.testing.assert_close(found.values, values.detach())
    torch.testing.assert_close(found.gradient_norms, slopes.norm(dim=-1))


def reference(fn, start, lr, steps, stops):
    """One start, one step, one look at a time."""
    point, before, rows = start.clone(), None, []
    for t in range(steps + 1):
        leaf = point.clone().requires_grad_()
        value = fn(leaf)
        (slope,) = torch.autograd.grad(value, leaf)
        rows.append(point)
        norm = slope.norm()
        if not (point.isfinite().all() and value.isfinite() and norm.isfinite()):
            nan = point.isfinite().all() and (value.isnan() or norm.isnan())
            return rows, Status.NAN if nan else Status.DIVERGED
        if value < stops.get("value_below", -torch.inf):
            return rows, Status.VALUE_BELOW
        if before is not None and (point - before).abs().max() < stops.get(
            "step_below", 0
        ):
            return rows, Status.STEP_BELOW
        if norm < stops.get("gradient_below", 0):
            return rows, Status.GRADIENT_BELOW
        if t < steps:
            before, point = point, torch.add(point, slope, alpha=-lr)
    return rows, Status.LIMIT


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["value_below", "step_below", "gradient_below"]),
        st.sampled_from([10.0, 1.0, 0.1, 1e-3, 1e-6]),
    ),
    st.sampled_from([0.002, 0.01, 0.02, 0.3]),
    st.sampled_from([1, 3, 50]),
    st.sampled_from([1, 4, 64]),
    st.integers(0, 1000),
)
def test_each_start_stops_by_itself(stops, lr, steps, size, seed):
    generator = torch.Generator().manual_seed(seed)
    starts = 8 * torch.rand(4, 2, generator=generator, dtype=torch.float64) - 4
    given = {"steps": steps, "gradient_below": None, **stops}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loop, "_together", lambda point: size)
        found = minimize(HIMMELBLAU, starts, GradientDescent(lr), batched=True, **given)
    assert len(found.points) == int(found.steps.max()) + 1
    for i, start in enumerate(starts):
        rows, status = reference(HIMMELBLAU, start, lr, steps, stops)
        assert found.status[i] is status
        assert int(found.steps[i]) == len(rows) - 1
        mine = found.points[:, i]
        assert torch.equal(
            mine[: len(rows)].nan_to_num(), torch.stack(rows).nan_to_num()
        )
        assert torch.equal(
            mine[len(rows) :].nan_to_num(),
            rows[-1].expand(len(mine) - len(rows), -1).nan_to_num(),
        )


def test_chunks_on_a_cpu_fit_its_cache():
    assert _loop._together(torch.zeros(2)) == 256
    assert _loop._together(torch.zeros(10_000, 2)) == 13
    assert _loop._together(torch.zeros(10**6, 2)) == 4
    assert _loop._together(torch.zeros(10**6, 2, device="meta")) == 64


def test_starts_lie_side_by_side_in_memory():
    for starts in (torch.ones(5, 2), torch.ones(2, 5).mT):
        point = Problem(bowl, starts).start.point
        assert point.mT.is_contiguous()
        assert point.data_ptr() != starts.data_ptr()


def test_rows_are_kept_in_the_dtype_and_on_the_device_of_the_start():
    for like in (torch.ones(1).bfloat16(), torch.ones(1, device="meta")):
        room = _log._room(like, 3, 2)
        assert room.shape == (3, 2)
        assert (room.dtype, room.device) == (like.dtype, like.device)


def test_stopping_rules_and_their_order():
    rule, start = GradientDescent(0.25), row(4)  # halves the point at each step
    by_value = minimize(bowl, start, rule, value_below=1.1)
    assert by_value.status is Status.VALUE_BELOW
    assert by_value.points[:, 0].tolist() == [4, 2, 1]
    by_step = minimize(bowl, start, rule, step_below=1.1)
    assert by_step.points[:, 0].tolist() == [4, 2, 1]
    assert by_step.status is Status.STEP_BELOW
    by_gradient = minimize(bowl, start, rule, gradient_below=2.1)
    assert by_gradient.points[:, 0].tolist() == [4, 2, 1]
    assert by_gradient.status is Status.GRADIENT_BELOW
    at_once = minimize(bowl, start, rule, value_below=100)
    assert int(at_once.steps) == 0
    assert at_once.points.tolist() == [[4]]
    calls = []
    minimize(lambda x: [calls.append(1), bowl(x)][1], start, rule, value_below=100)
    assert calls == [1]
    unbounded = minimize(lambda x: -x.sum(), start, rule, value_below=-5)
    assert unbounded.status is Status.VALUE_BELOW


def test_step_below_looks_at_the_largest_component():
    def slope(x):
        return torch.ones_like(x)

    rule = GradientDescent(0.1)
    for n in (1, 100):
        start = torch.zeros(n, dtype=torch.float64)
        found = minimize(
            lambda x: x.sum(-1), start, rule, gradient=slope, step_below=0.11
        )
        assert int(found.steps) == 1


def test_overflow_and_nan_have_their_own_status():
    grown = minimize(bowl, torch.ones(2), GradientDescent(2.0))
    assert grown.status is Status.DIVERGED
    assert not (grown.values[-1] + grown.gradient_norms[-1]).isfinite()
    cliff = minimize(lambda x: x.sqrt().sum(-1), row(1.0), GradientDescent(0.3))
    assert cliff.status is Status.NAN
    assert cliff.points[-1].isfinite().all()
    assert bool(cliff.stopped_by(Status.NAN))


@pytest.mark.parametrize("shape", [(1,), (2, 1)])
def test_a_diverged_start_stops_at_its_first_infinity(shape):
    def steep(x):
        return (x**4).sum(-1)

    found = minimize(steep, torch.full(shape, 3.0), GradientDescent(2.0))
    assert found.stopped_by(Status.DIVERGED).all()
    for rows in (found.points, found.values, found.gradient_norms):
        assert rows[:-1].isfinite().all()
    # Here the gradient's norm overflows, by the squares in it, before all else.
    assert found.gradient_norms[-1].isinf().all()
    assert found.points[-1].isfinite().all()
    assert found.values[-1].isfinite().all()


def test_a_failure_after_the_stop_is_not_the_users():
    def guarded(point):
        if point.detach().abs().max() < 1e-3:
            raise RuntimeError("outside the domain")
        return bowl(point)

    rule = GradientDescent(0.25)
    found = minimize(guarded, row(4.0), rule, value_below=1e-2)
    assert found.status is Status.VALUE_BELOW
    with pytest.raises(RuntimeError, match="outside the domain"):
        minimize(guarded, row(4.0), rule)


def test_ctrl_c_returns_what_there_is():
    calls = []

    def fn(point):
        calls.append(1)
        if len(calls) == 100:
            raise KeyboardInterrupt
        return bowl(point)

    found = minimize(fn, row(1.0), GradientDescent(0.01))
    assert found.status is Status.INTERRUPTED
    assert len(found.points) == 99
    assert int(found.steps) == 98


def test_what_vmap_refuses_may_be_given_for_the_whole_batch():
    def fn(point):
        return bowl(point) if point[0] > 0 else 2 * bowl(point)

    starts = row(1, 2, -1, 2).view(2, 2)
    with pytest.raises(RuntimeError, match="data-dependent"):
        minimize(fn, starts, GradientDescent(0.1))
    found = minimize(
        lambda points: torch.stack([fn(point) for point in points]),
        starts,
        GradientDescent(0.1),
        steps=20,
        batched=True,
    )
    for i, start in enumerate(starts):
        alone = minimize(fn, start, GradientDescent(0.1), steps=20)
        assert torch.equal(found.points[:, i], alone.points)


def test_a_users_own_error_passes_through_vmap():
    def fn(point):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        minimize(fn, torch.ones(3, 2), GradientDescent(0.1))


def test_a_derivative_by_hand_replaces_autograd():
    def detached(x):
        return torch.as_tensor(2 * float(x[0]) ** 2, dtype=x.dtype)

    by_hand = minimize(
        detached, row(777.0), GradientDescent(0.01), gradient=lambda x: 4 * x
    )
    by_torch = minimize(CATALOGUE["parabola"], row(777.0), GradientDescent(0.01))
    torch.testing.assert_close(by_hand.points, by_torch.points)
    torch.testing.assert_close(by_hand.values, by_torch.values)
    assert float(by_hand.points[-1]) == pytest.approx(777 * 0.96**1000)
    many = minimize(
        bowl, torch.ones(3, 2), GradientDescent(0.1), gradient=lambda x: 2 * x, steps=5
    )
    torch.testing.assert_close(many.points[-1], torch.full((3, 2), 0.8**5))


def test_a_sweep_finds_the_largest_rate():
    rates = torch.linspace(0.5, 1.5, 40, dtype=torch.float64) * 0.2
    starts = torch.ones(40, 2, dtype=torch.float64)
    found = minimize(quadratic([1.0, 10.0]), starts, GradientDescent(rates))
    assert torch.equal(found.values[-1] < 1e-3, rates < 0.2)


def test_nothing_of_the_users_is_changed():
    module = torch.nn.Linear(2, 1).double().train()

    def fn(point):
        return module(point).square().sum(-1) + bowl(point)

    start = row(1, 2).requires_grad_()
    before = start.detach().clone()
    state, mode = torch.random.get_rng_state(), torch.is_grad_enabled()
    for rule in (Adam(), BFGS(), Newton(), FromTorch(torch.optim.NAdam)):
        found = minimize(fn, start, rule, steps=3)
        found.points.zero_()
        assert torch.equal(start, before)
        assert start.grad is None
        assert module.weight.grad is None
    classify(fn, start)
    classify(bowl, torch.zeros(100))
    assert module.training
    assert torch.equal(state, torch.random.get_rng_state())
    assert mode == torch.is_grad_enabled()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_runs_where_gradients_are_off(mode):
    with mode():
        for rule in (GradientDescent(0.25), Newton(), FromTorch(torch.optim.SGD)):
            found = minimize(bowl, torch.ones(2), rule, steps=2)
            assert found.values[-1] < found.values[0]
        assert classify(bowl, torch.zeros(2)).kind is Kind.MINIMUM
        assert not torch.is_grad_enabled()


def test_tables_say_how_it_ended():
    one = minimize(bowl, row(1, 1), GradientDescent(0.1), gradient_below=1e-3)
    text = str(one)
    assert text.startswith("GradientDescent(lr=0.1)")
    assert str(Status.GRADIENT_BELOW) in text
    assert f"{int(one.steps)}" in text
    rates = torch.tensor([0.1, 0.1, 3.0], dtype=torch.float64)
    many = minimize(bowl, torch.ones(3, 9).double(), GradientDescent(rates))
    assert "2 of 3" in str(many)
    assert str(Status.DIVERGED) in str(many)
    assert "<table>" in many._repr_html_()
    assert many.stopped_by(Status.DIVERGED).tolist() == [False, False, True]
    lost = minimize(bowl, torch.ones(1, 2), GradientDescent(1e30))
    assert "1 of 1" in str(lost)


@pytest.mark.parametrize(
    ("rule", "start", "batched"),
    [
        (GradientDescent(1e-3), row(-1.2, 1), False),
        (Adam(lambda t: 0.1 / (1 + t)), torch.randn(3, 2).double(), True),
    ],
    ids=["one", "schedule, batched"],
)
def test_compiled_is_eager_to_rounding(rule, start, batched, monkeypatch):
    # Traced, but not turned into C++: that takes a minute, and is the benchmark's.
    traced = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(_loop.torch, "compile", traced)
    monkeypatch.setattr(_loop, "_RUN", 8)
    fn = rosenbrock().fn
    given = {"steps": 20, "batched": batched, "value_below": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler
        compiled = minimize(fn, start, rule, compile=True, **given)
    eager = minimize(fn, start, rule, **given)
    torch.testing.assert_close(compiled.points, eager.points, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(compiled.values, eager.values, rtol=1e-9, atol=1e-12)


def test_compiled_runs_are_looked_at_together(monkeypatch):
    traced = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(_loop.torch, "compile", traced)
    monkeypatch.setattr(_loop, "_RUN", 4)
    looks = []
    add = _log.Log.add

    def look(log, rows):
        if rows:
            looks.append(len(rows))
        add(log, rows)

    monkeypatch.setattr(_log.Log, "add", look)
    found = minimize(bowl, torch.ones(2), GradientDescent(0.01), steps=50, compile=True)
    assert looks == [1, 2, 4, 7]  # the start, then runs of 4 steps, the last cut short
    assert len(found.points) == 51


def test_compiling_again_and_again_is_allowed(monkeypatch):
    traced = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(_loop.torch, "compile", traced)
    monkeypatch.setattr(_loop, "_RUN", 1)
    start, rule = row(0.5), GradientDescent(0.1)
    with torch._dynamo.config.patch(recompile_limit=1):
        for power in (2, 3, 4):
            found = minimize(
                lambda x, power=power: (x**power).sum(),
                start,
                rule,
                steps=1,
                compile=True,
            )
            first = 0.5 - 0.1 * power * 0.5 ** (power - 1)
            assert float(found.points[1]) == pytest.approx(first)


@pytest.mark.parametrize(
    ("name", "point", "kind"),
    [
        ("himmelblau", HIMMELBLAU.minimizers[1], Kind.MINIMUM),
        ("himmelblau", HIMMELBLAU.saddles[2], Kind.SADDLE),
        ("himmelblau", (-0.27084459066734761, -0.92303855647998146), Kind.MAXIMUM),
        ("monkey_saddle", (0.0, 0.0), Kind.FLAT),
        ("saddle", (0.0, 0.0), Kind.SADDLE),
        ("rosenbrock", (1.0, 1.0), Kind.MINIMUM),
        ("rosenbrock", (-1.0, 1.0), Kind.SLOPE),
    ],
)
def test_classify_says_where_it_stands(name, point, kind):
    objective = CATALOGUE[name]
    found = classify(objective, row(*point))
    assert found.kind is kind
    assert str(kind) in str(found)
    hessian = torch.autograd.functional.hessian(objective, row(*point))
    torch.testing.assert_close(found.eigenvalues, torch.linalg.eigvalsh(hessian))


@pytest.mark.parametrize("n", [2, 100])
def test_classify_takes_a_function_of_all_points(n):
    def saddle(points):
        return points[:, 0] ** 2 - points[:, 1:].square().sum(1)

    points = torch.zeros(3, n, dtype=torch.float64)
    found = classify(saddle, points, batched=True)
    assert found.kind == [Kind.SADDLE] * 3
    ends = found.eigenvalues[:, [0, -1]]
    torch.testing.assert_close(ends, row(-2, 2).expand(3, 2))


def test_classify_takes_many_points_and_undefined_ones():
    found = classify(HIMMELBLAU, torch.tensor(HIMMELBLAU.minimizers).double())
    assert found.kind == [Kind.MINIMUM] * 4
    assert found.is_a(Kind.MINIMUM).all()
    assert "4 of 4" in str(found)
    assert "<table>" in found._repr_html_()
    cone = classify(lambda x: x.sqrt().sum(), torch.zeros(2))
    assert cone.kind is Kind.UNDEFINED


@pytest.mark.parametrize("negative", [0, 1, 100])
def test_classify_finds_the_extreme_curvatures_of_many_components(negative):
    curvatures = torch.linspace(1, 50, 100, dtype=torch.float64)
    curvatures[:negative] *= -1
    turn, _ = torch.linalg.qr(torch.randn(100, 100, dtype=torch.float64))

    def fn(point):
        return 0.5 * (curvatures * (turn @ point) ** 2).sum()

    for points in (torch.zeros(100).double(), torch.zeros(2, 100).double()):
        found = classify(fn, points)
        extremes = torch.stack([curvatures.min(), curvatures.max()])
        torch.testing.assert_close(
            found.eigenvalues[..., [0, -1]], extremes.expand(*points.shape[:-1], 2)
        )
        kind = {0: Kind.MINIMUM, 1: Kind.SADDLE, 100: Kind.MAXIMUM}[negative]
        assert bool(found.is_a(kind).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("few", "kind"),
    [
        ((1.0,), Kind.MINIMUM),
        ((-1.0, 1.0), Kind.SADDLE),
        ((0.001, 1.0, 5.0), Kind.MINIMUM),
        ((0.0, 1.0), Kind.FLAT),
        ((0.0,), Kind.FLAT),
    ],
)
def test_classify_finds_few_different_curvatures_among_many_components(
    few, kind, dtype
):
    curvatures = torch.tensor(few, dtype=dtype).repeat(100)

    def fn(point):
        return 0.5 * (curvatures * point**2).sum()

    found = classify(fn, torch.zeros(20, len(curvatures), dtype=dtype))
    assert found.kind == [kind] * 20
    extremes = curvatures.new_tensor([few[0], few[-1]]).expand(20, 2)
    ends = found.eigenvalues[:, [0, -1]]
    torch.testing.assert_close(ends, extremes, rtol=1e-4, atol=1e-5)


def test_classify_where_a_derivative_of_many_components_is_not_defined():
    points = torch.stack([torch.zeros(100), torch.ones(100)])
    found = classify(lambda x: x.sqrt().sum(), points)
    assert found.kind == [Kind.UNDEFINED, Kind.SLOPE]


RULE = GradientDescent(0.1)
ONE, MANY = torch.ones(2), torch.ones(3, 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: minimize(lambda x: x**2, ONE, RULE), ValueError, "shape (), got (2,)"),
        (lambda: minimize(lambda x: x**2, MANY, RULE), ValueError, "shape (3,)"),
        (
            lambda: minimize(lambda x: (x**2).sum(), MANY, RULE, batched=True),
            ValueError,
            "shape (3,), got ()",
        ),
        (lambda: minimize(bowl, torch.ones(2).long(), RULE), TypeError, "start"),
        (lambda: minimize(bowl, [1.0, 2.0], RULE), TypeError, "torch.Tensor"),
        (lambda: minimize(bowl, row(1, float("nan")), RULE), ValueError, "finite"),
        (lambda: minimize(bowl, torch.ones(3, 2, 2), RULE), ValueError, "flatten"),
        (
            lambda: minimize(bowl, [ONE, ONE.double()], RULE),
            ValueError,
            "one type",
        ),
        (lambda: minimize(bowl, [], RULE), ValueError, "at least one"),
        (lambda: minimize(bowl, torch.ones(0, 2), RULE), ValueError, "at least one"),
        (lambda: minimize(bowl, ONE, RULE, batched=True), ValueError, "(B, n)"),
        (lambda: minimize(lambda x: ONE.sum(), ONE, RULE), ValueError, "ignore"),
        (lambda: minimize(lambda x: ONE.sum(), MANY, RULE), ValueError, "ignore"),
        (lambda: minimize(lambda x: bowl(x).detach(), ONE, RULE), ValueError, "detach"),
        (lambda: minimize(lambda x: 1.0, ONE, RULE), TypeError, "got float"),
        (
            lambda: minimize(lambda x: 1.0, MANY, RULE),
            ValueError,
            "type <class 'float'>",
        ),
        (lambda: minimize(lambda x: x.mul_(2).sum(), ONE, RULE), ValueError, "alone"),
        (lambda: minimize(lambda x: x.mul_(2).sum(), MANY, RULE), ValueError, "alone"),
        (
            lambda: minimize(lambda x: x.data.mul_(2).sum() + x.sum(), ONE, RULE),
            ValueError,
            "alone",
        ),
        (lambda: minimize(ONE, bowl, RULE), TypeError, "start"),
        (lambda: minimize(ONE, ONE, RULE), TypeError, "fn comes first"),
        (lambda: minimize(bowl, ONE, 0.1), TypeError, "GradientDescent(lr=0.1)"),
        (lambda: minimize(bowl, ONE, GradientDescent), TypeError, "lr"),
        (lambda: minimize(bowl, ONE, "Adam"), TypeError, "torch.optim.Adam"),
        (lambda: minimize(bowl, ONE, torch.optim.LBFGS), ValueError, "LBFGS"),
        (lambda: minimize(bowl, ONE, RULE, steps=0), ValueError, "steps"),
        (lambda: minimize(bowl, ONE, RULE, steps=1.5), ValueError, "steps"),
        (lambda: minimize(bowl, ONE, RULE, step_below="0"), TypeError, "step_below"),
        (lambda: minimize(bowl, ONE, RULE, value_below="0"), TypeError, "value_below"),
        (
            lambda: minimize(bowl, ONE, RULE, gradient_below=float("nan")),
            ValueError,
            "gradient_below",
        ),
        (
            lambda: minimize(bowl, MANY, GradientDescent(torch.ones(2))),
            ValueError,
            "lr: expected shape (3,)",
        ),
        (
            lambda: minimize(bowl, ONE, GradientDescent(lambda t: -1.0)),
            ValueError,
            "schedule",
        ),
        (
            lambda: minimize(bowl, ONE, RULE, gradient=lambda x: x[0]),
            ValueError,
            "gradient",
        ),
        (lambda: minimize(bowl, ONE, BFGS(), compile=True), ValueError, "compile"),
        (
            lambda: minimize(bowl, ONE, FromTorch(torch.optim.Adam), compile=True),
            ValueError,
            "compile",
        ),
        (lambda: classify(bowl, torch.ones(2).long()), TypeError, "floating"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_a_number_is_a_start():
    found = minimize(lambda x: (x - 3) ** 2, torch.tensor(0.0), GradientDescent(0.25))
    assert found.points.shape == (len(found.values), 1)
    assert found.end.shape == ()
    assert float(found.end) == pytest.approx(3)
    assert found.status is Status.GRADIENT_BELOW
    by_hand = minimize(
        lambda x: (x - 3) ** 2,
        torch.tensor(0.0),
        GradientDescent(0.25),
        gradient=lambda x: 2 * (x - 3),
    )
    assert torch.equal(by_hand.points, found.points)


@pytest.mark.parametrize(
    "start",
    [
        [torch.ones(2), torch.ones(3, 2)],
        (torch.ones(()), torch.ones(7)),
        {"weight": torch.ones(4, 2, 1), "inner": [torch.ones(()), (torch.ones(1),)]},
    ],
)
@pytest.mark.parametrize("rule", [GradientDescent(0.1), Newton()], ids=repr)
def test_a_structure_of_tensors_is_a_start(start, rule):
    def leaves(structure):
        if isinstance(structure, torch.Tensor):
            return [structure]
        parts = structure.values() if isinstance(structure, dict) else structure
        return [leaf for part in parts for leaf in leaves(part)]

    def fn(structure):
        return sum((leaf**2).sum() * k for k, leaf in enumerate(leaves(structure), 1))

    found = minimize(fn, start, rule, steps=30)
    assert type(found.end) is type(start)
    for leaf, first in zip(leaves(found.end), leaves(start), strict=True):
        assert leaf.shape == first.shape
        assert leaf.abs().max() < 0.1
        assert torch.equal(first, torch.ones_like(first))
    flat = torch.cat([leaf.reshape(-1) for leaf in leaves(found.end)])
    assert torch.equal(flat, found.points[-1])
    if isinstance(rule, GradientDescent):  # each number is descended as by itself
        weights = torch.cat(
            [torch.full((x.numel(),), k) for k, x in enumerate(leaves(start), 1)]
        )
        plain = minimize(
            lambda x: (weights * x**2).sum(), torch.ones(len(flat)), rule, steps=30
        )
        torch.testing.assert_close(found.points, plain.points)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_modules_parameters_are_descended_and_the_module_is_left_alone(
    compiled, monkeypatch
):
    traced = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(_loop.torch, "compile", traced)
    monkeypatch.setattr(_loop, "_RUN", 4)
    layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    module = torch.nn.Sequential(*layers).double()
    x, y = torch.randn(20, 3).double(), torch.randn(20, 1).double()
    before = {name: part.detach().clone() for name, part in module.named_parameters()}

    def loss_of(parameters):
        output = torch.func.functional_call(module, parameters, x)
        return torch.nn.functional.mse_loss(output, y)

    rule = Adam(0.01) if compiled else functools.partial(torch.optim.Adam, lr=0.01)
    start = dict(module.named_parameters())
    found = minimize(loss_of, start, rule, steps=20, compile=compiled)
    assert list(found.end) == list(before)
    for name, part in module.named_parameters():
        assert torch.equal(part, before[name])
        assert part.grad is None
    module.load_state_dict(found.end)
    torch.testing.assert_close(
        torch.nn.functional.mse_loss(module(x), y).detach(), found.values[-1]
    )
    module.load_state_dict(before)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(module(x), y).backward()
        optimizer.step()
    for name, part in module.named_parameters():
        torch.testing.assert_close(found.end[name], part.detach())


def test_a_class_is_its_defaults():
    assert torch.equal(
        minimize(bowl, row(1, 1), Adam, steps=5).points,
        minimize(bowl, row(1, 1), Adam(), steps=5).points,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_converged_run_says_so_by_itself(dtype):
    start = torch.tensor([[3.0, -2.0], [1e-8, 0.0], [0.0, 0.0]], dtype=dtype)
    found = minimize(bowl, start, GradientDescent(0.1), steps=10_000)
    assert found.stopped_by(Status.GRADIENT_BELOW).all()
    assert int(found.steps[0]) < 400
    assert int(found.steps[1]) > 0  # it begins near, and goes as much nearer
    assert int(found.steps[2]) == 0
    on = minimize(bowl, start, GradientDescent(0.1), steps=500, gradient_below=None)
    assert on.stopped_by(Status.LIMIT).all()
    slope = minimize(lambda x: x.sum(), start[0], GradientDescent(0.1), steps=50)
    assert slope.status is Status.LIMIT
    flat = minimize(lambda x: 1e-9 * bowl(x), start[0], GradientDescent(0.1), steps=50)
    assert flat.status is Status.LIMIT  # far from the bottom, however small the slope


def test_a_status_has_a_short_name_and_a_sentence():
    assert str(Status.GRADIENT_BELOW) == "gradient below"
    assert "smaller lr" in Status.DIVERGED.sentence
    assert Status(Status.NAN.value) is Status.NAN
    assert str(Kind.SADDLE) == "saddle"
    found = minimize(bowl, row(1, 1), GradientDescent(0.1), steps=3)
    assert f"{Status.LIMIT}: {Status.LIMIT.sentence}" in str(found)


@pytest.mark.parametrize(
    "start",
    [
        row(3, 1),
        row(1, 2, 3, 4).view(2, 2),
        {"a": row(1, 2), "b": torch.ones(()).double()},
    ],
)
def test_a_trajectory_is_saved_and_loaded(start, tmp_path):
    def fn(point):
        parts = point.values() if isinstance(point, dict) else [point]
        return sum((part**2).sum(-1) for part in parts)

    found = minimize(fn, start, GradientDescent(0.1), steps=9)
    found.save(tmp_path / "descent.npz")
    again = Trajectory.load(tmp_path / "descent.npz")
    for name, array in found.numpy().items():
        assert torch.equal(getattr(again, name), torch.as_tensor(array))
    assert again.rule == found.rule
    assert again.status == found.status
    assert str(again) == str(found)
    if isinstance(start, dict):
        assert torch.equal(again.end["a"], found.end["a"])
        assert again.end["b"].shape == ()


def test_a_trajectory_is_a_data_frame():
    pytest.importorskip("pandas")
    starts = row(1, 2, 3, 4).view(2, 2)
    found = minimize(bowl, starts, GradientDescent(0.1), steps=9)
    frame = found.to_pandas()
    assert list(frame.columns) == ["value", "gradient_norm", "x0", "x1"]
    assert len(frame) == 20
    assert frame.loc[(3, 1), "x1"] == float(found.points[3, 1, 1])
    assert frame.loc[(9, 0), "value"] == float(found.values[9, 0])
