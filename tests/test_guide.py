"""The guide's chapters: what a reader sees of them runs alone and speaks one language.

That the code runs as it is downloaded, `tox -e downloads` proves.
"""

import ast
import builtins
import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXT = ROOT / "docs" / "_ext"


def extension(name):
    spec = importlib.util.spec_from_file_location(name, EXT / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


guide = extension("chapters")
CHAPTERS = guide.chapters()
KINDS = [set(), {"hide-cell"}, {"remove-cell"}, {"remove-input"}]
SCAFFOLDING = re.compile(
    r"\b(?:glue|myst_nb|set_label|assert|subplots|curriculum|plt\.show|ax\.\w+)\b"
)
EXERCISES = ("Predict, then run", "Derive by hand", "Write it yourself")

of_each_chapter = pytest.mark.parametrize(
    "chapter", CHAPTERS, ids=lambda chapter: chapter.name
)


@of_each_chapter
def test_a_cell_is_of_one_of_four_kinds(chapter):
    assert [cell.line for cell in chapter.cells if cell.tags not in KINDS] == []


@of_each_chapter
def test_a_reader_sees_no_scaffolding(chapter):
    found = [
        f"{chapter.path}:{cell.line + number}: {line}"
        for cell in chapter.cells
        if cell.seen
        for number, line in enumerate(cell.source.splitlines())
        if SCAFFOLDING.search(line) or len(line) > 76
    ]
    assert found == []


def bound(tree):
    """Return the names that a program binds, in whatever scope."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
    return names


@of_each_chapter
def test_what_a_reader_sees_needs_no_hidden_cell(chapter):
    seen = "\n".join(cell.source for cell in chapter.cells if cell.seen)
    tree = ast.parse(seen, chapter.path)
    known = bound(tree) | set(dir(builtins))
    used = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    assert used - known == set()


@of_each_chapter
def test_a_chapter_ends_with_exercises_of_three_kinds_and_the_way_on(chapter):
    headings = re.findall(r"^## (.*)$", chapter.text, re.MULTILINE)
    assert headings[-2:] == ["Exercises", "Where to go next"]
    exercises = chapter.text.partition("\n## Exercises\n")[2]
    counts = {kind: len(re.findall(kind, exercises)) for kind in EXERCISES}
    assert sum(counts.values()) >= 4, counts
    assert all(counts.values()), counts
