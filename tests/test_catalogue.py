"""What all catalogues share: names found, wrong names answered, sources that exist."""

import re
from pathlib import Path

import pytest

from autodiff_guide import activations, losses
from autodiff_guide._catalogue import Catalogue

REFERENCES = Path(__file__).parent.parent / "docs" / "references.bib"
CATALOGUES = pytest.mark.parametrize(
    "catalogue",
    [activations.CATALOGUE, losses.CATALOGUE],
    ids=["activations", "losses"],
)


@CATALOGUES
def test_names_are_keys_and_stay(catalogue):
    assert all(name == entry.name for name, entry in catalogue.items())
    assert [*catalogue] == [entry.name for entry in catalogue.values()]
    first, entry = next(iter(catalogue.items()))
    assert first in repr(catalogue)
    with pytest.raises(TypeError):
        catalogue["mine"] = entry


@CATALOGUES
def test_every_source_is_in_the_bibliography(catalogue):
    known = re.findall(r"^@\w+\{(\w+),", REFERENCES.read_text("utf-8"), re.MULTILINE)
    assert {entry.source for entry in catalogue.values()} <= set(known)


@pytest.mark.parametrize(
    ("catalogue", "wrong", "nearest"),
    [
        (losses.CATALOGUE, "huber", "huber_loss"),
        (losses.CATALOGUE, "cross entropy", "cross_entropy"),
        (losses.CATALOGUE, "KL-Div", "kl_div"),
        (activations.CATALOGUE, "LeakyReLU", "leaky_relu"),
        (activations.CATALOGUE, "GeLU", "gelu"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(catalogue, wrong, nearest):
    with pytest.raises(KeyError, match=f"got '{wrong}'; try '{nearest}'"):
        catalogue[wrong]
    assert wrong not in catalogue
    assert catalogue.get(wrong) is None


def test_a_name_like_no_other_lists_them_all():
    catalogue = Catalogue([losses.CATALOGUE["kl_div"], losses.CATALOGUE["mse_loss"]])
    for wrong in ("zzz", 3):
        with pytest.raises(KeyError, match="try 'kl_div', 'mse_loss'"):
            catalogue[wrong]
