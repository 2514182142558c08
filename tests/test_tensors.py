"""Tensors: each fact against torch, NumPy or a closed form."""

import dataclasses
import json
import os
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from autodiff_guide import plotting
from autodiff_guide.plotting._style import BLUE, VERMILION
from autodiff_guide.tensors import (
    describe,
    explain_broadcast,
    preferred_device,
)

NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def _no_figure_left():
    yield
    plt.close("all")


# describe


def _quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch plans to drop quantised dtypes
        return torch.quantize_per_tensor(torch.tensor([0.0, 2.0]), 0.5, 0, torch.qint8)


def _csr():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the layout a beta
        return torch.tensor([[0.0, -3.0], [4.0, 0.0]]).to_sparse_csr()


@pytest.mark.parametrize(
    ("t", "facts"),
    [
        (torch.tensor(3), {"rank": 0, "shape": (), "bytes": 8, "minimum": 3}),
        (torch.empty(0, 3), {"rank": 2, "bytes": 0, "minimum": None, "nan_count": 0}),
        (torch.tensor([True, False]), {"minimum": False, "maximum": True, "bytes": 2}),
        (torch.tensor([3 + 4j, 1j]), {"minimum": 1.0, "maximum": 5.0, "bytes": 16}),
        (
            torch.tensor([complex(NAN, INF), complex(1, 0)]),
            {"nan_count": 1, "inf_count": 1, "minimum": 1.0, "maximum": 1.0},
        ),
        (
            torch.tensor([1.0, NAN, -INF, INF, 2.0]),
            {"minimum": 1.0, "maximum": 2.0, "nan_count": 1, "inf_count": 2},
        ),
        (
            torch.tensor([NAN, INF]).expand(3, 2),
            {"minimum": None, "nan_count": 3, "inf_count": 3, "storage_bytes": 8},
        ),
        (
            torch.ones(1).expand(10**12),
            {"bytes": 4 * 10**12, "storage_bytes": 4, "stride": (0,), "maximum": 1.0},
        ),
        (torch.tensor([1, 2**40]).to(torch.uint64), {"minimum": 1, "maximum": 2**40}),
        (torch.tensor([1.5, -2.0]).to(torch.float8_e5m2), {"minimum": -2.0}),
        (torch.tensor([1.5, NAN], dtype=torch.bfloat16), {"maximum": 1.5}),
        (
            torch.empty(3, device="meta"),
            {"bytes": 12, "minimum": None, "nan_count": None, "inf_count": None},
        ),
        (_quantized(), {"dtype": torch.qint8, "bytes": 2, "maximum": 2.0}),
        (
            torch.tensor([[0.0, 5.0], [0.0, 0.0]]).to_sparse(),
            {"stride": None, "storage_bytes": None, "bytes": 20, "minimum": 5.0},
        ),
        (_csr(), {"layout": torch.sparse_csr, "bytes": 48, "minimum": -3.0}),
    ],
)
def test_describe_knows_the_facts_of_every_kind_of_tensor(t, facts):
    found = dataclasses.asdict(describe(t))
    assert {name: found[name] for name in facts} == facts
    assert found["shape"] == tuple(t.shape)
    assert (found["dtype"], found["device"]) == (t.dtype, t.device)


@given(
    values=st.lists(st.floats(width=32), min_size=1, max_size=20),
    step=st.integers(1, 3),
)
def test_describe_counts_and_ranges_as_numpy_does(values, step):
    array = np.array(values, dtype=np.float32)[::step]
    found = describe(torch.from_numpy(array))
    finite = array[np.isfinite(array)]
    assert found.nan_count == np.isnan(array).sum()
    assert found.inf_count == np.isinf(array).sum()
    assert found.minimum == (finite.min() if finite.size else None)
    assert found.maximum == (finite.max() if finite.size else None)
    assert found.stride == (step,)


def test_describe_tells_the_place_in_the_graph():
    leaf = torch.ones(3, 4, requires_grad=True)
    row = leaf[1]
    assert describe(leaf).is_leaf
    assert describe(leaf).grad_fn is None
    assert describe(leaf).view_of is None
    assert describe(row).grad_fn == row.grad_fn.name() == "SelectBackward0"
    assert describe(row).view_of == (3, 4)
    assert (describe(row).bytes, describe(row).storage_bytes) == (16, 48)
    assert describe(row.detach()).view_of is None
    assert not describe(row.detach()).requires_grad


def test_describe_changes_nothing():
    leaf = torch.tensor([1.0, NAN], requires_grad=True)
    product = leaf * 2
    version, before = product._version, product.grad_fn
    state = torch.random.get_rng_state()
    describe(product)
    assert product._version == version
    assert product.grad_fn is before
    assert leaf.grad is None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_description_is_written_for_terminal_and_notebook():
    text = str(describe(torch.tensor([1.0, INF])))
    assert text.splitlines()[0] == "vector of shape (2,)"
    assert "maximum        1.0" in text
    assert "inf_count      1" in text
    assert "nan_count      None" in str(describe(torch.empty(1, device="meta")))
    assert (
        '<th scope="row">shape</th><td>(2,)</td>'
        in describe(torch.zeros(2))._repr_html_()
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1.0, 2.0], "t: expected a torch.Tensor, got list"),
        (np.ones(2), "t: expected a torch.Tensor, got ndarray"),
        (None, "t: expected a torch.Tensor, got NoneType"),
    ],
)
def test_describe_refuses_what_is_no_tensor(bad, message):
    with pytest.raises(TypeError, match=message):
        describe(bad)


def test_describe_refuses_nested_and_opaque_layouts():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls nested tensors a prototype
        ragged = [torch.zeros(2), torch.zeros(3)]
        nested = [
            torch.nested.nested_tensor(ragged, layout=layout)
            for layout in (torch.strided, torch.jagged)
        ]
    for t in nested:
        with pytest.raises(TypeError, match=r"nested one.*t\.unbind"):
            describe(t)
    with pytest.raises(TypeError, match=r"_mkldnn.*t\.to_dense"):
        describe(torch.zeros(2, 2).to_mkldnn())


# explain_broadcast

SHAPES = st.lists(
    st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300)
@given(shapes=SHAPES)
def test_broadcast_agrees_with_numpy_and_its_advice_works(shapes):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ValueError, match="expected equal sizes") as caught:
            explain_broadcast(*shapes)
        _check_advice(str(caught.value), shapes)
        return
    result = explain_broadcast(*shapes)
    assert result.shape == expected
    assert result.shapes == tuple(shapes)


def _check_advice(message, shapes):
    """Run the advice as a reader would, and compare with what the message promises."""
    tensors = [torch.empty(shape, device="meta") for shape in shapes]
    advice = message.split("; try ")[1].split(": then")[0]
    for part in advice.split(" and "):
        _, number, calls = part.split(" ", 2)
        for axis in calls.removeprefix(".unsqueeze(").rstrip(")").split(").unsqueeze("):
            tensors[int(number) - 1] = tensors[int(number) - 1].unsqueeze(int(axis))
    promised = message.split("broadcast to ")[1]
    assert str(tuple(torch.broadcast_tensors(*tensors)[0].shape)) == promised


@given(shapes=SHAPES.filter(lambda shapes: len(shapes) > 1))
def test_conflict_names_an_axis_and_two_sizes_that_do_conflict(shapes):
    try:
        explain_broadcast(*shapes)
    except ValueError as error:
        words = str(error).split("axis ")[1]
        axis = int(words.split(",")[0])
        sizes = [int(part.split(" in operand")[0]) for part in _sizes_of(words)]
        at = [shape[axis] for shape in shapes if -axis <= len(shape)]
        assert set(sizes) <= set(at)
        assert len({*sizes} - {1}) == 2


def _sizes_of(words):
    got = words.split("got ")[1].split("; try")[0]
    return [part for part in got.split(" and ") if "in operand" in part]


@pytest.mark.parametrize(
    ("shapes", "advice"),
    [
        (((3,), (3, 2)), "operand 1 .unsqueeze(-1): then (3, 1) and (3, 2)"),
        (((5, 2), (5,)), "operand 2 .unsqueeze(-1): then (5, 2) and (5, 1)"),
        (((4, 3), (5, 3)), "operand 1 .unsqueeze(-2): then (4, 1, 3) and (5, 3)"),
        (
            ((3, 4), (3, 5)),
            "operand 1 .unsqueeze(-1) and operand 2 .unsqueeze(-2): "
            "then (3, 4, 1) and (3, 1, 5) broadcast to (3, 4, 5)",
        ),
        (
            ((2, 3, 4), (5, 6, 7)),
            "operand 1 .unsqueeze(-1).unsqueeze(-1).unsqueeze(-1): "
            "then (2, 3, 4, 1, 1, 1) and (5, 6, 7)",
        ),
    ],
)
def test_advice_is_the_smallest_that_works(shapes, advice):
    with pytest.raises(ValueError, match="expected equal sizes") as caught:
        explain_broadcast(*shapes)
    assert advice in str(caught.value)
    _check_advice(str(caught.value), shapes)


def test_broadcast_reads_shapes_from_tensors_of_any_kind():
    lazy = torch.empty(10**9, 1, device="meta")
    result = explain_broadcast(lazy, torch.Size([7]), [1], ())
    assert result.shape == (10**9, 7)
    assert result.shapes == ((10**9, 1), (7,), (1,), ())


def test_broadcast_table_is_right_aligned_and_names_the_rules():
    lines = str(explain_broadcast((4, 1, 3), (2, 3))).splitlines()
    assert lines[0] == "(4, 1, 3) and (2, 3) broadcast to (4, 2, 3)"
    assert lines[4].split() == ["operand", "2", "2", "3"]
    assert lines[4].index("2", 10) == lines[1].index("-2")
    assert lines[-1].split() == ["rule", "missing", "stretched", "equal"]
    both = explain_broadcast((1,), (2, 3), (1, 1))
    assert "missing and stretched" in both._repr_html_()


@pytest.mark.parametrize(
    ("operands", "error", "message"),
    [
        ((), ValueError, "at least one operand"),
        ((3,), TypeError, "got 3; write a shape as a tuple"),
        (((2.0, 3),), TypeError, "sequences of int"),
        (("ab",), TypeError, "got 'ab'"),
        ((None,), TypeError, "got None"),
        (((2, -1),), ValueError, r"at least 0, got \(2, -1\)"),
    ],
)
def test_broadcast_refuses_what_is_no_shape(operands, error, message):
    with pytest.raises(error, match=message):
        explain_broadcast(*operands)


# preferred_device


def _accelerator(monkeypatch, kind, count=1, available=True):
    """Let torch claim an accelerator; "meta" stands in for one with float64."""
    device = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: device)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: available)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)


@pytest.fixture
def _unset(monkeypatch):
    monkeypatch.delenv("AUTODIFF_GUIDE_DEVICE", raising=False)


@pytest.mark.parametrize(
    ("kind", "available", "chosen"),
    [
        ("meta", True, "meta"),
        ("meta", False, "cpu"),
        (None, False, "cpu"),
        ("mps", True, "cpu"),  # torch cannot make a float64 tensor there, on any OS
    ],
)
@pytest.mark.usefixtures("_unset")
def test_the_accelerator_is_preferred_where_it_serves(
    monkeypatch, kind, available, chosen
):
    _accelerator(monkeypatch, kind, available=available)
    assert preferred_device() == torch.device(chosen)


def test_the_environment_decides(monkeypatch):
    _accelerator(monkeypatch, "meta", count=2)
    for name in ("cpu", "meta", "meta:1"):
        monkeypatch.setenv("AUTODIFF_GUIDE_DEVICE", name)
        assert preferred_device() == torch.device(name)
    monkeypatch.setenv("AUTODIFF_GUIDE_DEVICE", "")
    assert preferred_device() == torch.device("meta")


@pytest.mark.parametrize("name", ["gpu", "meta:2", "cuda", "CPU", " "])
def test_a_wrong_name_lists_what_exists(monkeypatch, name):
    _accelerator(monkeypatch, "meta", count=2)
    monkeypatch.setenv("AUTODIFF_GUIDE_DEVICE", name)
    with pytest.raises(ValueError, match=r"\(cpu, meta, meta:0, meta:1\)") as caught:
        preferred_device()
    assert repr(name) in str(caught.value)


def test_a_wrong_name_lists_the_cpu_where_that_is_all(monkeypatch):
    _accelerator(monkeypatch, None, available=False)
    monkeypatch.setenv("AUTODIFF_GUIDE_DEVICE", "cuda")
    with pytest.raises(ValueError, match=r"\(cpu\), got 'cuda'"):
        preferred_device()


# views


def _cells(ax):
    """Return (left, top, filled colour or None, text) of each cell drawn."""
    texts = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    cells = []
    for patch in ax.patches:
        x, y = patch.get_xy()[0] - 0.05, patch.get_xy()[1] - 0.05
        filled = to_hex(patch.get_facecolor()) if patch.get_facecolor()[3] else None
        position = min(
            texts, key=lambda at: abs(at[0] - x - 0.5) + abs(at[1] - y - 0.5)
        )
        cells.append((round(x, 6), round(y, 6), filled, texts[position]))
    return cells


def test_broadcast_fills_each_entry_once_and_repeats_it_dashed():
    ax = plotting.broadcast(explain_broadcast((2, 1), (3,)))
    cells = _cells(ax)
    assert len(cells) == 3 * 6
    first, second, result = cells[:6], cells[6:12], cells[12:]
    assert [text for *_, text in first] == list("000111")
    assert [text for *_, text in second] == list("012012")
    assert [text for *_, text in result] == ["0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert [colour for *_, colour, _ in first] == [BLUE, None, None] * 2
    assert [colour for *_, colour, _ in second] == [VERMILION] * 3 + [None] * 3
    names = [text.get_text() for text in ax.texts if "\n" in text.get_text()]
    assert names == ["operand 1\n(2, 1)", "operand 2\n(3,)", "result\n(2, 3)"]


def test_broadcast_draws_scalars_and_three_axes_on_the_axes_given():
    _, ax = plt.subplots()
    assert plotting.broadcast(explain_broadcast((2, 1, 1), (), (3,)), ax=ax) is ax
    assert len(ax.patches) == 4 * 6


@pytest.mark.parametrize("shape", [(9,), (0, 2), (2, 2, 2, 2)])
def test_broadcast_refuses_what_cannot_be_drawn(shape):
    with pytest.raises(ValueError, match="result: expected rank 3 at most"):
        plotting.broadcast(explain_broadcast(shape))


def test_storage_shows_which_cells_each_view_reads():
    t = torch.tensor([[10.0, 11.0], [12.0, 13.0]], requires_grad=True)
    ax = plotting.storage(
        {"t": t, "t.T": t.T, "t[1]": t[1], "twice": t[0, :1].expand(2)}
    )
    rows = {}
    for x, y, _, text in _cells(ax):
        rows.setdefault(round(y + 0.5), {})[round(x + 0.5)] = text
    assert rows[0] == {0: "10", 1: "11", 2: "12", 3: "13"}
    assert rows[1] == {0: "0", 1: "1", 2: "2", 3: "3"}
    assert rows[2] == {0: "0", 1: "2", 2: "1", 3: "3"}
    assert rows[3] == {2: "0", 3: "1"}
    assert rows[4] == {0: "0,1"}
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["storage", "t", "t.T", "t[1]", "twice"]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "got 0 different"),
        ({"a": torch.ones(2), "b": torch.ones(2)}, "got 2 different"),
        ({"long": torch.ones(33)}, "32 entries at most, got 33"),
    ],
)
def test_storage_refuses(tensors, message):
    with pytest.raises(ValueError, match=message):
        plotting.storage(tensors)


def test_views_leave_the_global_state_alone():
    before = json.dumps(plt.rcParams.copy(), default=str)
    environment = dict(os.environ)
    plotting.broadcast(explain_broadcast((2,)))
    plotting.storage({"t": torch.ones(2)})
    assert json.dumps(plt.rcParams.copy(), default=str) == before
    assert dict(os.environ) == environment
