"""Timing: what is run, how often, what is said about it; never how long it took."""

import json
import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from autodiff_guide import plotting
from autodiff_guide.timing import (
    Provenance,
    Timing,
    compare,
    readable,
)

STORED = Path(__file__).parents[1] / "gallery" / "10_speed"
BRIEF = {"min_run_time": 0.001}


def product(size, device):
    a = torch.ones(size, size, device=device)
    return lambda: a @ a


def numpy_product(size, device):
    a = np.ones((size, size))
    return lambda: a @ a


@pytest.fixture
def stored():
    return Timing(
        names=("slow", "fast"),
        sizes=(10, 100, 1000),
        median=torch.tensor(
            [[1e-3, 1e-2, 1e-1], [1e-6, 1e-5, 1e-4]], dtype=torch.float64
        ),
        lower=torch.tensor(
            [[9e-4, 9e-3, 9e-2], [9e-7, 9e-6, 9e-5]], dtype=torch.float64
        ),
        upper=torch.tensor(
            [[2e-3, 2e-2, 2e-1], [2e-6, 2e-5, 2e-4]], dtype=torch.float64
        ),
        dtypes=("float32", "float32"),
        provenance=Provenance("Abacus 9", "cuda", "2.13.0", 1, "2026-01-31"),
        in_this_build=False,
    )


def test_every_contender_is_timed_at_every_size():
    timing = compare({"a": product, "b": product}, sizes=[2, 4, 8], **BRIEF)
    assert timing.names == ("a", "b")
    assert timing.sizes == (2, 4, 8)
    assert timing.median.shape == (2, 3)
    assert (timing.lower > 0).all()
    assert (timing.lower <= timing.median).all()
    assert (timing.median <= timing.upper).all()
    assert torch.equal(timing.iqr, timing.upper - timing.lower)


def test_preparing_is_done_once_and_running_alternates():
    prepared, order = [], []

    def contender(name):
        def prepare(size, device):
            prepared.append((name, size, device))
            return lambda: order.append(name)

        return prepare

    compare({"a": contender("a"), "b": contender("b")}, sizes=[3], **BRIEF)
    cpu = torch.device("cpu")
    assert prepared == [("a", 3, cpu), ("b", 3, cpu)]
    turns = [x for x, before in zip(order, [None, *order], strict=False) if x != before]
    assert len(turns) >= 6
    assert order[:2] == ["a", "b"]


def test_threads_are_set_while_it_runs_and_given_back():
    seen = set()

    def prepare(size, device):
        return lambda: seen.add(torch.get_num_threads())

    before = torch.get_num_threads()
    timing = compare({"x": prepare}, sizes=[1], threads=before + 1, **BRIEF)
    assert before + 1 in seen
    assert torch.get_num_threads() == before
    assert timing.provenance.threads == before + 1
    assert f"{before + 1} threads" in str(timing)


def test_different_dtypes_are_remarked_upon():
    mixed = compare({"numpy": numpy_product, "torch": product}, sizes=[4], **BRIEF)
    assert mixed.dtypes == ("float64", "float32")
    (remark,) = mixed.remarks
    assert remark.endswith("numpy float64, torch float32")
    assert remark in str(mixed)
    same = compare({"torch": product}, sizes=[4], **BRIEF)
    assert same.remarks == ()
    assert "float32" in str(same)


def test_provenance_names_machine_and_torch():
    provenance = compare({"torch": product}, sizes=[2], **BRIEF).provenance
    assert provenance.torch == torch.__version__
    assert provenance.device == "cpu"
    assert provenance.machine
    assert str(provenance).startswith(provenance.machine)


def test_a_stored_timing_says_that_it_was_not_run_here(tmp_path):
    timing = compare({"torch": product}, sizes=[2, 4], **BRIEF)
    path = tmp_path / "timing.json"
    timing.save(path)
    again = Timing.load(path)
    assert torch.equal(again.median, timing.median)
    assert torch.equal(again.iqr, timing.iqr)
    assert again.provenance == timing.provenance
    assert (again.names, again.sizes) == (timing.names, timing.sizes)
    assert timing.in_this_build
    assert "not run in this build" not in str(timing)
    assert "not run in this build" in str(again)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"provenance": {}})])
def test_a_foreign_file_is_refused(tmp_path, text):
    path = tmp_path / "timing.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"expected a file written by Timing\.save"):
        Timing.load(path)


def test_the_table_shows_medians_and_half_the_spread(stored):
    lines = str(stored).splitlines()
    assert "Abacus 9, 1 thread, torch 2.13.0, 2026-01-31" in lines[0]
    assert lines[1].split() == ["size", "slow", "fast"]
    assert re.split(" {2,}", lines[3]) == ["10", "1 ms ± 550 µs", "1 µs ± 550 ns"]
    assert lines[-1] == "not run in this build"
    assert "<li>not run in this build</li>" in stored._repr_html_()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "2 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 µs"), (3e-10, "0.3 ns")],
)
def test_durations_are_readable(seconds, text):
    assert readable(seconds) == text


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="contenders, sizes"):
        compare({}, sizes=[1])
    with pytest.raises(ValueError, match="contenders, sizes"):
        compare({"torch": product}, sizes=[])
    with pytest.raises(ValueError, match="threads"):
        compare({"torch": product}, sizes=[1], threads=0)
    with pytest.raises(TypeError, match=r"contenders\['late'\]"):
        compare({"late": lambda size, device: torch.ones(size)}, sizes=[1])


def test_the_picture_holds_the_medians_and_says_where_from(stored):
    ax = plotting.durations(stored)
    for row, container in enumerate(ax.containers):
        line, _, (bars,) = container
        x, y = np.asarray(line.get_data(), dtype=float)
        np.testing.assert_allclose(x, stored.sizes)
        np.testing.assert_allclose(y, stored.median[row].numpy())
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends[:, 0], stored.lower[row].numpy())
        np.testing.assert_allclose(ends[:, 1], stored.upper[row].numpy())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [f"{name}, not run in this build" for name in stored.names]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert "seconds" in ax.get_ylabel()
    plotting.durations(stored, ax=ax)
    assert len(ax.containers) == 4
    assert math.isclose(ax.containers[2].lines[0].get_ydata()[0], 1e-3)
    plt.close("all")


@pytest.mark.parametrize("path", sorted(STORED.glob("*.json")), ids=lambda x: x.stem)
def test_what_the_gallery_has_stored_can_be_read(path):
    timing = Timing.load(path)
    assert timing.remarks == ("not run in this build",)
    assert (timing.lower <= timing.upper).all()
