"""The page *Myths, tested*: each myth has its parts, and its experiment refutes it."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "myths.md").read_text("utf-8")
MYTHS = dict(
    re.findall(r'^## "(.+?)"\n(.+?)(?=^## |\Z)', PAGE, re.DOTALL | re.MULTILINE)
)
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.+?)^```", re.DOTALL | re.MULTILINE)
HIDDEN = ":tags: [remove-cell]\n"


def test_each_section_is_a_myth():
    assert len(MYTHS) == PAGE.count("\n## ")


@pytest.mark.parametrize("myth", MYTHS)
def test_a_myth_has_its_parts_in_order(myth):
    marks = ("The myth", "The experiment", "What is true", "Where it is taught")
    assert re.findall(r"^\*\*(.+?)\.\*\*", MYTHS[myth], re.MULTILINE) == list(marks)


@pytest.mark.parametrize("myth", MYTHS)
def test_a_myth_is_refuted_in_a_hidden_cell_and_nowhere_else(myth):
    cells = CELL.findall(MYTHS[myth])
    assert any(HIDDEN in cell and "\nassert " in cell for cell in cells)
    shown = [cell for cell in cells if HIDDEN not in cell]
    assert shown
    assert not any(word in cell for cell in shown for word in ("assert", "glue"))


@pytest.mark.parametrize("myth", MYTHS)
def test_a_myth_links_to_a_chapter(myth):
    chapters = re.findall(r"\{doc\}`/(guide/\w+)`", MYTHS[myth])
    assert chapters
    assert all((DOCS / f"{chapter}.md").exists() for chapter in chapters)


def test_the_experiments_refute_the_myths(monkeypatch):
    pytest.importorskip("threadpoolctl")  # comes with scikit-learn
    glued = {}
    glue = SimpleNamespace(
        glue=lambda name, value, display: glued.update({name: value})
    )
    monkeypatch.setitem(sys.modules, "myst_nb", glue)
    names = {}
    for cell in CELL.findall(PAGE):
        exec(cell.removeprefix(HIDDEN), names)
    assert set(re.findall(r"myths\.md::(\w+)", PAGE)) == set(glued)
