"""Slices of a loss against closed forms, and a module that is left as it was."""

import copy
import os
import pickle
import re
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import parameters_to_vector

import autodiff_guide as ag
from autodiff_guide import landscape
from autodiff_guide.landscape import (
    Landscape,
    direction_to,
    hessian_directions,
    pca_directions,
    project,
    random_directions,
    slice_loss,
)


@pytest.fixture
def linear():
    """A linear model in float64 with its data: its mean squared error is quadratic."""
    module = nn.Linear(3, 2).double()
    inputs = torch.randn(20, 3, dtype=torch.float64)
    return module, (inputs, torch.randn(20, 2, dtype=torch.float64))


@pytest.fixture
def network():
    """A network with everything that running it may change."""
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(12, 4),
    )
    module[1].eval()
    module[5].bias.requires_grad_(False)
    return module, (torch.randn(8, 1, 4, 4), torch.arange(8) % 4)


def vector(module):
    return parameters_to_vector(module.parameters()).detach().clone()


def hessian_of(module, loss, data):
    """The whole Hessian, by torch, of a module that is small."""
    names = [name for name, _ in module.named_parameters()]
    shapes = [part.shape for part in module.parameters()]

    def mean(point):
        parts = point.split([shape.numel() for shape in shapes])
        parts = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
        named = dict(zip(names, parts, strict=True))
        return loss(torch.func.functional_call(module, named, (data[0],)), data[1])

    return torch.autograd.functional.hessian(mean, vector(module))


# -- values ------------------------------------------------------------------


def test_squared_error_of_a_linear_model_is_an_exact_paraboloid(linear):
    module, data = linear
    directions = torch.randn(2, 8, dtype=torch.float64)
    found = slice_loss(module, mse_loss, data, directions, span=2.0, points=9)
    hessian = hessian_of(module, mse_loss, data)
    mse_loss(module(data[0]), data[1]).backward()
    slope = torch.cat([part.grad.reshape(-1) for part in module.parameters()])
    a, b = torch.meshgrid(found.axis, found.axis, indexing="ij")
    steps = torch.stack([a, b], -1) @ directions
    expected = (
        found.center
        + steps @ slope
        + 0.5 * torch.einsum("ijp,pq,ijq->ij", steps, hessian, steps)
    )
    torch.testing.assert_close(found.values, expected, rtol=1e-12, atol=1e-12)
    assert found.values[4, 4] == found.center
    assert found.nonconvex == 0
    assert torch.equal(found.directions, directions)


def test_line_is_the_middle_of_the_plane(network):
    module, data = network
    directions = random_directions(module)
    plane = slice_loss(module, cross_entropy, data, directions, points=5)
    line = slice_loss(module, cross_entropy, data, directions[:1], points=5)
    assert torch.equal(line.values, plane.values[:, 2])
    assert torch.equal(line.center, plane.center)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_each_point_is_what_the_module_gives_there(network, mode):
    module, data = network
    directions = random_directions(module)
    state = torch.get_rng_state()
    found = slice_loss(
        module, cross_entropy, data, directions, span=(-1.0, 0.5), points=4, mode=mode
    )
    assert found.axis.tolist() == [-1.0, -0.5, 0.0, 0.5]
    start, buffers = vector(module), [part.clone() for part in module.buffers()]
    module.train(mode == "train")
    for i, a in enumerate(found.axis.tolist()):
        for j, b in enumerate(found.axis.tolist()):
            for part, first in zip(module.buffers(), buffers, strict=True):
                part.copy_(first)
            here = start + a * directions[0] + b * directions[1]
            torch.nn.utils.vector_to_parameters(here, module.parameters())
            torch.set_rng_state(state)
            with torch.no_grad():
                expected = cross_entropy(module(data[0]), data[1])
            torch.testing.assert_close(found.values[i, j], expected)


def test_batches_weigh_as_much_as_they_are_long(linear):
    module, (inputs, targets) = linear
    directions = random_directions(module)
    whole = slice_loss(module, mse_loss, (inputs, targets), directions, points=3)
    batches = zip(inputs.split(7), targets.split(7), strict=True)
    parts = slice_loss(module, mse_loss, batches, directions, points=3)
    torch.testing.assert_close(parts.values, whole.values)


def test_shuffled_loader_is_read_once(linear):
    module, (inputs, targets) = linear
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, targets), batch_size=6, shuffle=True
    )
    directions = random_directions(module)
    state = torch.get_rng_state()
    found = slice_loss(module, mse_loss, loader, directions, points=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(
        found.center, mse_loss(module(inputs), targets).detach(), rtol=1e-12, atol=0
    )


@given(st.floats(1e-3, 1e3), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_the_middle_of_a_symmetric_span_is_the_centre(span, half):
    module = nn.Linear(2, 1)
    data = torch.ones(1, 2), torch.zeros(1, 1)
    found = slice_loss(
        module, mse_loss, data, torch.ones(1, 3), span=span, points=2 * half + 1
    )
    assert found.axis[half] == 0
    assert found.values[half] == found.center


def test_half_precision_keeps_its_axis():
    module = nn.Linear(2, 1).bfloat16()
    data = torch.ones(1, 2).bfloat16(), torch.zeros(1, 1).bfloat16()
    found = slice_loss(module, mse_loss, data, random_directions(module), points=51)
    assert found.values.dtype == torch.float32
    assert len(set(found.axis.tolist())) == 51


# -- roughness ---------------------------------------------------------------


def surface(fn, points=41, span=2.0):
    axis = torch.linspace(-span, span, points, dtype=torch.float64)
    values = fn(*torch.meshgrid(axis, axis, indexing="ij"))
    return Landscape(values, axis, values[points // 2, points // 2])


def test_roughness_of_known_surfaces():
    bowl = surface(lambda x, y: x**2 + 3 * y**2 + x * y)
    assert (bowl.minima, bowl.nonconvex) == (1, 0.0)
    saddle = surface(lambda x, y: x**2 - y**2)
    assert (saddle.minima, saddle.nonconvex) == (0, 1.0)
    trough = surface(lambda x, y: x**2 + 0 * y)
    assert (trough.minima, trough.nonconvex) == (0, 0.0)
    wells = surface(lambda x, y: (x**2 - 1) ** 2 + y**2)
    assert wells.minima == 2
    # It bends downwards where 12 x² < 4: between the points of inflection.
    inside = wells.axis[1:-1]
    assert wells.nonconvex == pytest.approx(
        float((12 * inside**2 < 4).double().mean()), abs=2 / len(inside)
    )


def test_roughness_on_a_line():
    axis = torch.linspace(-2, 2, 41, dtype=torch.float64)
    wells = Landscape((axis**2 - 1) ** 2, axis, torch.ones(()))
    assert wells.minima == 2
    assert 0.25 < wells.nonconvex < 0.35
    # Sixteenths are exact, and where nothing cancels each value is off by half of its
    # last place: that is rounding, and no bend.
    exact = torch.arange(-20, 21, dtype=torch.float64) / 16
    straight = Landscape(1 + exact / 3, exact, torch.ones(()))
    assert (straight.minima, straight.nonconvex) == (0, 0.0)


def test_what_it_says_is_what_it_measured():
    bowl = surface(lambda x, y: 2 + x**2 + y**2)
    text = str(bowl)
    assert "41 × 41" in text
    assert "steps from -2 to 2" in text
    assert "highest" in text
    assert "10" in text
    assert '<th scope="row">minima inside</th><td>1</td>' in bowl._repr_html_()


# -- nothing of the user's changes --------------------------------------------


def everything(module):
    return {
        "parameters": [part.detach().clone() for part in module.parameters()],
        "storages": [part.data_ptr() for part in module.parameters()],
        "buffers": [part.clone() for part in module.buffers()],
        "buffer identities": [id(part) for part in module.buffers()],
        "versions": [part._version for part in module.buffers()],
        "parameter versions": [part._version for part in module.parameters()],
        "inference": [part.is_inference() for part in module.parameters()],
        "modes": [part.training for part in module.modules()],
        "requires_grad": [part.requires_grad for part in module.parameters()],
        "grads": [part.grad for part in module.parameters()],
        "random": torch.get_rng_state(),
        "grad mode": torch.is_grad_enabled(),
    }


def assert_same(before, after):
    for name, old in before.items():
        if name in ("parameters", "buffers"):
            pairs = zip(old, after[name], strict=True)
            assert all(torch.equal(a, b) for a, b in pairs), name
        elif name == "random":
            assert torch.equal(old, after[name])
        else:
            assert old == after[name], name


class Failing:
    """A loss that goes well a few times."""

    def __init__(self, fault, times=7):
        self.fault, self.times = fault, times

    def __call__(self, output, targets):
        self.times -= 1
        if not self.times:
            self.fault()
        return cross_entropy(output, targets)


def interrupt():
    # A program started in the background may have it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def fail():
    raise ArithmeticError("on purpose")


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("fault", [None, fail, interrupt])
def test_module_is_left_as_it_was(network, mode, fault):
    module, data = network
    directions = random_directions(module)
    before = everything(module)
    if fault is None:
        slice_loss(module, cross_entropy, data, directions, points=5, mode=mode)
    else:
        with pytest.raises((ArithmeticError, KeyboardInterrupt)):
            slice_loss(module, Failing(fault), data, directions, points=5, mode=mode)
    assert_same(before, everything(module))


def test_graph_recorded_before_can_still_be_used(network):
    module, data = network
    module.eval()
    before = cross_entropy(module(data[0]), data[1])
    slice_loss(module, cross_entropy, data, random_directions(module), points=3)
    before.backward()
    assert module[0].weight.grad is not None


def slope_by_torch_func(fn, inputs):
    return torch.vmap(torch.func.grad(lambda x: fn(x).sum()))(inputs)


@torch.enable_grad()
def slope_by_autograd(fn, inputs):
    leaf = inputs.clone().requires_grad_()
    return torch.autograd.grad(fn(leaf).sum(), leaf)[0]


@pytest.mark.parametrize("slope", [slope_by_torch_func, slope_by_autograd])
def test_module_may_differentiate(linear, slope):
    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 1).double()

        def forward(self, inputs):
            return slope(self.inner, inputs)

    module, (inputs, _) = Slope(), linear[1]
    directions = random_directions(module)
    found = slice_loss(
        module, mse_loss, (inputs, torch.zeros_like(inputs)), directions, points=3
    )
    weights = module.inner.weight[0] + directions[0, :3] * found.axis[:, None]
    expected = weights[:, None] + directions[1, :3] * found.axis[:, None]
    torch.testing.assert_close(found.values, expected.detach().square().mean(-1))


def test_module_can_be_trained_afterwards(network):
    module, data = network
    twin = copy.deepcopy(module)
    slice_loss(module, cross_entropy, data, random_directions(module), points=3)
    for each in (module, twin):
        with torch.random.fork_rng():
            optimizer = torch.optim.SGD(each.parameters(), lr=0.1)
            cross_entropy(each(data[0]), data[1]).backward()
            optimizer.step()
    torch.testing.assert_close(vector(module), vector(twin))


def test_hessian_directions_leave_the_module_as_it_was(network):
    module, data = network
    before = everything(module)
    hessian_directions(module, cross_entropy, data, count=1, steps=99, mode="train")
    assert_same(before, everything(module))


# -- executors ---------------------------------------------------------------


def test_threads_and_processes_give_the_serial_values(network, tmp_path):
    module, data = network
    directions = random_directions(module)
    before = everything(module)

    def run(executor, mode="eval", rows=directions):
        return slice_loss(
            module,
            nn.CrossEntropyLoss(),
            data,
            rows,
            points=5,
            mode=mode,
            executor=executor,
        ).values

    with (
        ThreadPoolExecutor(1) as threads,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes,
    ):
        assert torch.equal(run(threads), run(None))
        assert torch.equal(run(processes), run(None))
        assert torch.equal(run(processes, "train"), run(None, "train"))
        line = directions[:1]
        assert torch.equal(run(processes, rows=line), run(None, rows=line))
    assert_same(before, everything(module))
    assert not any(part.is_shared() for part in module.parameters())


class KilledOnce:
    """A loss that kills its process once, when it has been called a few times."""

    def __init__(self, folder, times):
        self.folder, self.times = folder, times

    def __call__(self, output, targets):
        calls, killed = self.folder / "calls", self.folder / "killed"
        with calls.open("a") as file:
            file.write("x")
        if calls.stat().st_size > self.times and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return mse_loss(output, targets)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_dask_loses_nothing_when_a_worker_is_killed(linear, tmp_path):
    distributed = pytest.importorskip("distributed")
    import cloudpickle

    module, data = linear
    directions = random_directions(module)
    serial = slice_loss(module, mse_loss, data, directions, points=9)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            found = slice_loss(
                module,
                KilledOnce(tmp_path, times=30),
                data,
                directions,
                points=9,
                executor=client.get_executor(),
            )
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert (tmp_path / "killed").exists()
    # Dask's workers may have another number of threads, and add in another order.
    torch.testing.assert_close(found.values, serial.values, rtol=1e-12, atol=0)


# -- in portions, and in a file ----------------------------------------------


class Counting:
    """A loss that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, output, targets):
        self.calls += 1
        return mse_loss(output, targets)


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_in_portions_computes_each_row_once(linear, tmp_path, count):
    module, data = linear
    directions, path = random_directions(module, count=count), tmp_path / "slice.npz"
    whole = slice_loss(module, mse_loss, data, directions, points=5)
    assert not whole.missing.any()
    width, center = 5 if count == 2 else 1, 1
    first = slice_loss(module, mse_loss, data, directions, points=5, rows=2)
    assert first.missing.tolist() == [False, False, True, True, True]
    assert torch.equal(first.values[:2], whole.values[:2])
    first.save(path)
    before = first.values.clone()
    loss = Counting()
    found = slice_loss(module, loss, data, points=5, resume=Landscape.load(path))
    assert loss.calls == center + 3 * width
    assert torch.equal(found.values, whole.values)
    assert torch.equal(found.directions, directions)
    assert torch.equal(first.values.nan_to_num(-1), before.nan_to_num(-1))
    again = Counting()
    slice_loss(module, again, data, directions, points=5, resume=found)
    assert again.calls == center
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_run_leaves_what_was_saved(network, tmp_path):
    module, data = network
    path = tmp_path / "slice.npz"
    found = slice_loss(module, cross_entropy, data, points=5, rows=2)
    found.save(path)
    with pytest.raises(KeyboardInterrupt):
        slice_loss(module, Failing(interrupt), data, points=5, resume=found)
    assert Landscape.load(path).missing.sum() == 3


def test_directions_take_the_type_of_the_module(linear):
    module, data = linear
    direction = torch.ones(1, 8)
    found = slice_loss(module, mse_loss, data, direction, points=3)
    assert found.directions.dtype == torch.float64
    wide = slice_loss(module, mse_loss, data, direction.double(), points=3)
    assert torch.equal(found.values, wide.values)


def test_directions_are_random_ones_by_default(network):
    module, data = network
    torch.manual_seed(3)
    found = slice_loss(module, cross_entropy, data, points=3)
    torch.manual_seed(3)
    assert torch.equal(found.directions, random_directions(module))


def test_rows_that_overflow_are_computed_again(linear):
    module, data = linear
    directions = random_directions(module)
    lost = slice_loss(
        module, lambda *pair: mse_loss(*pair) * torch.nan, data, directions, points=3
    )
    assert lost.missing.all()
    assert lost.minima == 0
    assert np.isnan(lost.nonconvex)
    assert "3 of 3" in str(lost)
    assert "from nan to nan" in repr(lost)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_file_holds_the_whole_landscape(tmp_path, dtype):
    module = nn.Linear(3, 2).to(dtype)
    data = torch.ones(4, 3, dtype=dtype), torch.zeros(4, 2, dtype=dtype)
    path = str(tmp_path / "plane")
    found = slice_loss(module, mse_loss, data, points=5, rows=3)
    found.save(path)
    again = Landscape.load(path)
    for name in ("values", "axis", "center", "directions"):
        old, new = getattr(found, name), getattr(again, name)
        assert torch.equal(new.to(old).nan_to_num(-1), old.nan_to_num(-1)), name
    assert repr(again) == repr(found)
    whole = slice_loss(module, mse_loss, data, points=5, resume=again)
    assert not whole.missing.any()


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    linear, tmp_path, monkeypatch
):
    module, data = linear
    path = tmp_path / "slice.npz"
    found = slice_loss(module, mse_loss, data, points=3)
    found.save(path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        found.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path):
    content = bytearray(path.read_bytes())
    with np.load(path) as file:
        place = content.index(file["values"].tobytes()[:8])
    content[place] ^= 1
    path.write_bytes(content)


def pickled(path):
    path.write_bytes(pickle.dumps({"values": 1}))


def objects(path):
    np.savez(path, values=np.array([{}], dtype=object))


def text(path):
    path.write_text("not a slice")


def empty(path):
    path.write_bytes(b"")


def array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def other_names(path):
    np.savez(path, axis=np.ones(3))


def wrong_shape(path):
    with np.load(path) as file:
        parts = dict(file)
    np.savez(path, **parts | {"values": parts["values"][:, :2]})


@pytest.mark.parametrize(
    "damage",
    [half, flipped, pickled, objects, text, empty, array, other_names, wrong_shape],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_file_is_refused(linear, tmp_path, damage):
    module, data = linear
    path = tmp_path / "slice.npz"
    slice_loss(module, mse_loss, data, points=3).save(path)
    damage(path)
    with pytest.raises(ValueError, match=r"damaged or foreign one, .*slice\.npz"):
        Landscape.load(path)


def test_another_slice_is_not_resumed(linear):
    module, data = linear
    directions = random_directions(module)
    begun = slice_loss(module, mse_loss, data, directions, points=3, rows=1)

    def run(loss=mse_loss, data=data, **settings):
        slice_loss(module, loss, data, **{"points": 3, "resume": begun, **settings})

    run()
    for changed, other in (
        ("directions", {"directions": 2 * directions}),
        ("center", {"data": (data[0], data[1].flip(0))}),
        ("axis", {"points": 5}),
        ("axis", {"span": 2.0}),
        ("center", {"loss": nn.L1Loss()}),
        ("directions", {"resume": Landscape(begun.values, begun.axis, begun.center)}),
    ):
        with pytest.raises(ValueError, match=f"resume: .* with another {changed}"):
            run(**other)
    with torch.no_grad():
        module.weight += 1
    with pytest.raises(ValueError, match="another center"):
        run()


def test_values_as_an_array_and_as_a_table(linear):
    module, data = linear
    plane = slice_loss(module, mse_loss, data, points=3)
    line = slice_loss(module, mse_loss, data, plane.directions[:1], points=3)
    arrays = plane.numpy()
    assert set(arrays) == {"values", "axis", "center", "directions"}
    assert np.array_equal(arrays["values"], plane.values.numpy())
    pandas = pytest.importorskip("pandas")
    table = plane.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table.loc[-1.0, 1.0] == plane.values[0, 2]
    assert (table.index.name, table.columns.name) == ("direction 1", "direction 2")
    assert line.to_pandas()["loss"].tolist() == line.values.tolist()


def test_the_repr_is_short(linear):
    module, data = linear
    found = slice_loss(module, mse_loss, data, points=3, rows=2)
    assert re.fullmatch(
        r"Landscape\(3 × 3 points, losses from \S+ to \S+, 1 rows missing\)",
        repr(found),
    )


def test_values_and_axis_belong_together():
    with pytest.raises(ValueError, match=r"values: expected shape \(3,\) or \(3, 3\)"):
        Landscape(torch.ones(4), torch.ones(3), torch.ones(()))


# -- directions --------------------------------------------------------------


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.whole = nn.LayerNorm((3, 4))
        self.fc = nn.Linear(5, 2)


@pytest.mark.parametrize("normalize", ["filter", None])
def test_random_directions_move_weights_only(normalize):
    module = Mixed()
    directions = random_directions(module, count=3, normalize=normalize)
    assert directions.shape == (3, len(vector(module)))
    assert not directions.requires_grad
    for direction in directions:
        parts = direction.split([part.numel() for part in module.parameters()])
        for (name, weight), part in zip(module.named_parameters(), parts, strict=True):
            if name in ("conv.weight", "fc.weight"):
                lengths = part.view(weight.shape).flatten(1).norm(dim=1)
                own = weight.detach().flatten(1).norm(dim=1)
                assert torch.allclose(lengths, own) == (normalize == "filter")
                assert lengths.min() > 0
            else:
                assert part.count_nonzero() == 0


def test_frozen_weights_move_only_if_asked():
    module = Mixed()
    module.conv.weight.requires_grad_(False)
    size = module.conv.weight.numel()
    assert random_directions(module)[:, :size].count_nonzero() == 0
    assert random_directions(module, frozen=True)[:, :size].count_nonzero() > 0
    module.requires_grad_(False)
    with pytest.raises(ValueError, match=r"module: expected a weight .* frozen=True"):
        random_directions(module)


def test_frozen_weights_are_constants_of_the_hessian():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    data = torch.randn(40, 3, dtype=torch.float64), torch.arange(40) % 3
    module[0].requires_grad_(False)
    matrix = hessian_of(module, cross_entropy, data)[20:, 20:]
    found = hessian_directions(module, cross_entropy, data, count=1)
    assert found.shape == (1, 38)
    assert found[:, :20].count_nonzero() == 0
    part = found[0, 20:]
    torch.testing.assert_close(part @ matrix @ part, torch.linalg.eigvalsh(matrix)[-1])
    whole = hessian_directions(module, cross_entropy, data, count=1, frozen=True)
    assert whole[:, :20].count_nonzero() > 0
    with pytest.raises(ValueError, match="count: expected at most 0"):
        hessian_directions(module.requires_grad_(False), cross_entropy, data, count=1)


def test_random_directions_follow_their_generator():
    module = Mixed()
    state = torch.get_rng_state()
    one, other = (
        random_directions(module, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(one[0], one[1])


def test_filter_normalisation_does_not_see_the_scale_of_a_layer():
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    data = torch.randn(30, 4, dtype=torch.float64), torch.arange(30) % 3
    directions = []
    slices = []
    for factor in (1, 8):
        with torch.no_grad():
            module[0].weight *= factor
            module[0].bias *= factor
            module[2].weight /= factor
        generator = torch.Generator().manual_seed(2)
        directions.append(random_directions(module, generator=generator))
        slices.append(
            slice_loss(module, cross_entropy, data, directions[-1], points=7).values
        )
    torch.testing.assert_close(slices[0], slices[1])
    assert not torch.allclose(directions[0], directions[1])


def test_direction_to_reaches_the_other_module():
    one, other = (
        nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        for _ in range(2)
    )
    data = torch.randn(9, 2).double(), torch.randn(9, 1).double()
    way = direction_to(one, other)
    assert way.shape == (1, 17)
    found = slice_loss(one, mse_loss, data, way, span=(0.0, 1.0), points=3)
    for module, value in ((one, found.values[0]), (other, found.values[-1])):
        torch.testing.assert_close(value, mse_loss(module(data[0]), data[1]).detach())


def test_pca_directions_against_numpy():
    points = torch.randn(12, 30, dtype=torch.float64)
    found = pca_directions(points)
    moves = (points - points[-1]).numpy()
    vectors = np.linalg.eigh(moves.T @ moves).eigenvectors
    for direction, expected in zip(found, vectors[:, ::-1].T, strict=False):
        assert abs(direction.numpy() @ expected) == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(found @ found.T, torch.eye(2).double())
    assert (found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all()


def test_pca_directions_need_points_that_span_them():
    line = torch.arange(4.0)[:, None] * torch.ones(5)
    with pytest.raises(ValueError, match="span 2 directions, got 1"):
        pca_directions(line)
    assert torch.allclose(pca_directions(line, count=1), torch.full((1, 5), 5**-0.5))


def test_project_inverts_the_slice():
    directions = torch.randn(2, 7, dtype=torch.float64)
    centre = torch.randn(7, dtype=torch.float64)
    coordinates = torch.randn(5, 2, dtype=torch.float64)
    on_it = centre + coordinates @ directions
    torch.testing.assert_close(project(on_it, centre, directions), coordinates)
    _, _, across = torch.linalg.svd(directions)
    torch.testing.assert_close(
        project(on_it + across[-1], centre, directions), coordinates
    )


@pytest.mark.parametrize("steps", [60, 30])
def test_hessian_directions_are_the_first_eigenvectors(steps):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    data = torch.randn(40, 3, dtype=torch.float64), torch.arange(40) % 3
    matrix = hessian_of(module, cross_entropy, data)
    largest = torch.linalg.eigvalsh(matrix).flip(0)[:3]
    found = hessian_directions(module, cross_entropy, data, count=3, steps=steps)
    torch.testing.assert_close(found @ found.T, torch.eye(3).double())
    torch.testing.assert_close((found @ matrix * found).sum(1), largest)
    missed = (found @ matrix - largest[:, None] * found).norm(dim=1)
    assert (missed < 1e-3 * largest).all()


def test_hessian_directions_find_equal_eigenvalues():
    module = nn.Linear(4, 2, bias=False).double()
    data = torch.eye(4, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.float64)
    matrix = hessian_of(module, mse_loss, data)
    assert torch.equal(matrix, torch.eye(8).double() * matrix[0, 0])
    found = hessian_directions(module, mse_loss, data, count=8)
    torch.testing.assert_close(found @ found.T, torch.eye(8).double())


def test_hessian_directions_take_batches(linear):
    """Both outputs have the same Hessian, so that each eigenvalue comes twice.

    Of such a pair only the plane is determined: compare the projections onto it.
    """
    module, (inputs, targets) = linear
    batches = list(zip(inputs.split(7), targets.split(7), strict=True))
    one, many = (
        hessian_directions(module, mse_loss, data, count=2)
        for data in ((inputs, targets), batches)
    )
    torch.testing.assert_close(many.T @ many, one.T @ one)


def test_too_few_steps_are_told():
    module = nn.Sequential(nn.Linear(30, 30), nn.Tanh(), nn.Linear(30, 10))
    data = torch.randn(64, 30), torch.arange(64) % 10
    with pytest.warns(RuntimeWarning, match="after 3 products .* try more steps"):
        hessian_directions(module, cross_entropy, data, steps=3)


# -- what is refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"module": len}, TypeError, "module: expected a torch.nn.Module, got builtin"),
        ({"module": nn.ReLU()}, ValueError, "module: .* on one device, got none"),
        ({"directions": [1.0]}, TypeError, "directions: expected a torch.Tensor"),
        (
            {"directions": torch.ones(8).double()},
            ValueError,
            r"directions: expected shape \(1, 8\) or \(2, 8\)",
        ),
        (
            {"directions": torch.ones(3, 8).double()},
            ValueError,
            r"as the module has 8 parameters, got \(3, 8\)",
        ),
        ({"span": 0.0}, ValueError, "span: expected a positive number"),
        ({"span": (1.0, -1.0)}, ValueError, "span: .* got"),
        ({"span": float("nan")}, ValueError, "span: "),
        ({"points": 2}, ValueError, "points: expected at least 3, got 2"),
        ({"mode": "test"}, ValueError, "mode: expected one of"),
        ({"executor": 4}, TypeError, "executor: .* got int"),
        ({"resume": "slice.npz"}, TypeError, "resume: expected a Landscape, got str"),
        ({"rows": 0}, ValueError, "rows: expected at least 1, got 0"),
        ({"data": torch.ones(2)}, TypeError, "data: expected a tuple .* got Tensor"),
        ({"data": 5}, TypeError, "data: .* got int"),
        ({"data": iter(())}, ValueError, "data: expected at least one batch"),
        ({"data": (torch.ones(2),)}, ValueError, "data: .* got one of 1 parts"),
        ({"data": [(torch.ones(2, 3), 1)]}, TypeError, "targets: expected a torch"),
        ({"loss": nn.MSELoss(reduction="none")}, ValueError, "loss: expected a scalar"),
        ({"loss": lambda *_: 1.0}, TypeError, "loss: expected a torch.Tensor"),
    ],
)
def test_bad_input_to_a_slice(linear, change, error, message):
    module, data = linear
    arguments = {
        "module": module,
        "loss": mse_loss,
        "data": data,
        "directions": torch.ones(1, 8).double(),
    }
    with pytest.raises(error, match=message):
        slice_loss(**arguments | change)


def test_bad_input_to_directions():
    module = nn.Linear(3, 2)
    data = torch.ones(1, 3), torch.ones(1, 2)
    mixed = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double())
    for call, message in (
        (lambda: random_directions(module, count=0), "count: expected at least 1"),
        (lambda: random_directions(module, normalize="row"), "normalize: .* 'row'"),
        (lambda: random_directions(mixed), "module: expected .* one floating"),
        (lambda: direction_to(module, nn.Linear(3, 3)), r"weight has shape \(2, 3\) "),
        (lambda: direction_to(module, nn.Bilinear(3, 3, 2)), "weight has shape"),
        (lambda: direction_to(module, nn.Linear(3, 2, bias=False)), "and none in oth"),
        (lambda: pca_directions(torch.ones(3)), r"points: expected shape \(T, P\)"),
        (lambda: project(*[torch.ones(2, 3)] * 3), r"points: expected shapes \(T, P\)"),
        (lambda: hessian_directions(module, mse_loss, data, count=9), "at most 8"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_the_verb_is_the_function():
    assert ag.slice_loss is landscape.slice_loss
