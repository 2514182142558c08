"""Each script of the gallery runs alone, from anywhere, and says what it draws."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
GALLERY = TESTS.parent / "gallery"
SCRIPTS = sorted(GALLERY.rglob("plot_*.py"))


@pytest.fixture(scope="module")
def seconds(request):
    """How long each script took: reported, and never a reason to fail."""
    taken = {}
    yield taken
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    if terminal:
        for script, duration in sorted(taken.items(), key=lambda item: -item[1]):
            terminal.write_line(f"{duration:7.2f} s  {script}")


@pytest.mark.parametrize(
    "script", SCRIPTS, ids=lambda path: path.relative_to(GALLERY).as_posix()
)
def test_script(script, tmp_path, seconds, record_property):
    run = subprocess.run(
        [sys.executable, TESTS / "run_script.py", script],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=1800,  # only what hangs: a loaded machine is slow
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    record_property("seconds", report["seconds"])
    seconds[script.stem] = report["seconds"]
    assert report["faults"] == []
    assert report["figures"] > 0


def test_every_section_has_a_title_and_every_script_a_section():
    for script in SCRIPTS:
        assert (script.parent / "GALLERY_HEADER.rst").exists()
        assert script.parent != GALLERY


def test_every_script_has_its_place_in_the_order_of_teaching():
    order = tomllib.loads((GALLERY / "order.toml").read_text("utf-8"))
    there = {
        section.name: sorted(script.stem for script in section.glob("plot_*.py"))
        for section in sorted(GALLERY.iterdir())
        if section.is_dir() and list(section.glob("plot_*.py"))
    }
    assert {section: sorted(names) for section, names in order.items()} == there
