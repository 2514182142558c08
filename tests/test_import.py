"""Importing the package is free, and every name it offers is there."""

import subprocess
import sys

import pytest

import autodiff_guide


def _imported_by(statement):
    listing = f"import sys; {statement}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return set(found.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    modules = _imported_by("import autodiff_guide")
    assert "autodiff_guide" in modules
    assert not modules & {"torch", "numpy", "matplotlib", "networkx"}


def test_using_a_verb_does_not_import_matplotlib():
    modules = _imported_by("import autodiff_guide; autodiff_guide.describe")
    assert "torch" in modules
    assert "matplotlib" not in modules


@pytest.mark.parametrize("name", autodiff_guide.__all__)
def test_every_name_offered_resolves(name):
    assert getattr(autodiff_guide, name) is not None
    assert name in dir(autodiff_guide)


def test_dir_shows_what_is_offered_alone():
    assert dir(autodiff_guide) == sorted(autodiff_guide.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'autodiff_guide' has no attribute 'xyz'"):
        autodiff_guide.xyz  # noqa: B018 (the access is what is tested)
