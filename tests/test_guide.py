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
import torch

import autodiff_guide as ag
from autodiff_guide.descent import GradientDescent

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


TERMS = guide.Terms()
INTRODUCED = guide.introductions(CHAPTERS)
ORDER = [chapter.name for chapter in CHAPTERS]


def test_each_term_of_the_glossary_is_introduced_and_no_other():
    assert set(TERMS) == set(INTRODUCED)


@of_each_chapter
def test_a_term_stands_in_italics_where_it_is_introduced(chapter):
    italic = re.findall(r"(?<![\w*])\*(?! )([^*]+)\*(?![\w*])", chapter.text)
    shown = {entry.term for text in italic for entry, _ in TERMS.occurrences(text)}
    first = {term for term in chapter.introduces if INTRODUCED[term] == chapter}
    assert first - shown == set()


@of_each_chapter
def test_no_term_is_used_before_it_is_introduced(chapter):
    early = [
        f"{chapter.path}:{chapter.prose.count(chr(10), 0, match.start()) + 1}: "
        f"{match[0]!r} belongs to {INTRODUCED[entry.term].name}"
        for entry, match in TERMS.occurrences(chapter.prose)
        if entry.strict and entry.term in INTRODUCED
        if ORDER.index(INTRODUCED[entry.term].name) > ORDER.index(chapter.name)
    ]
    assert early == []


# What the guide called things once, and sayings where a statement is meant.
PRIVATE = re.compile(
    r"""\b(?:
        (?:the|a|this|its|torch's|autograd's)\ record(?!\s+of) | way\ (?:forth|back)
      | pass\ forth | (?:a|the)\ bend | bends? \ between | the\ rate(?!\ (?:of|at)\b)
      | the\ shares | shares\ (?:of|that)\ | (?:one|you)\ often\ reads?
      | is\ nothing\ but | is,\ is\ one\ number | that\ it\ is\ no\ function
      | than\ that\ is\ none | timed\ the\ telling | its\ weights\ are\ some
      | descend\ the\ negative | each\ unit\ of\ way | who\ held\ the\ watch
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)

COMMENT = re.compile(r"^# (?!curriculum)(.*)$", re.MULTILINE)
PAGES = [
    *sorted((ROOT / "docs" / "guide").glob("*.md")),
    ROOT / "docs" / "myths.md",
    *sorted((ROOT / "gallery").rglob("plot_*.py")),
]


def prose(path):
    """Return what a page says to a reader, on one line."""
    said = guide.Chapter(path).prose
    if path.suffix == ".py":
        code = path.read_text("utf-8")
        said = "\n".join([ast.get_docstring(ast.parse(code)), *COMMENT.findall(code)])
    return " ".join(said.split())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_prose_speaks_the_language_of_the_field(path):
    said = prose(path)
    found = [
        said[max(0, match.start() - 30) : match.end() + 20]
        for match in PRIVATE.finditer(said)
    ]
    assert found == []


page_links = extension("page_links")
GITHUB = "https://github.com/someone/autodiff_guide"


def test_without_a_repository_a_chapter_offers_its_downloads_and_no_page_more():
    chapter = page_links.links("guide/tensors", "", downloads=True)
    assert [target for _, target in chapter] == [
        "_downloads/guide/tensors.ipynb",
        "_downloads/guide/tensors.py",
    ]
    assert page_links.links("myths", "", downloads=False) == []


def test_with_a_repository_a_chapter_leads_to_colab_to_its_source_and_to_the_issues():
    links = dict(page_links.links("guide/tensors", GITHUB, downloads=True))
    colab = "https://colab.research.google.com/github/someone/autodiff_guide/blob"
    at = {name: links[name] for name in [*links][2:]}
    assert at == {
        "Open in Colab": f"{colab}/gh-pages/_downloads/guide/tensors.ipynb",
        "Edit": f"{GITHUB}/edit/main/docs/guide/tensors.md",
        "Source": f"{GITHUB}/blob/main/docs/guide/tensors.md",
        "Report a mistake": f"{GITHUB}/issues/new?title=guide/tensors%3A%20",
    }


def test_a_page_of_the_gallery_leads_to_its_script_and_one_without_a_file_nowhere():
    script = next((ROOT / "gallery").rglob("plot_*.py"))
    page = f"auto_{script.relative_to(ROOT).with_suffix('').as_posix()}"
    links = dict(page_links.links(page, GITHUB, downloads=False))
    assert links["Source"].endswith(f"/main/{script.relative_to(ROOT).as_posix()}")
    assert page_links.links("genindex", GITHUB, downloads=False) == []


def test_the_repository_is_the_one_setting(tmp_path):
    setting = tmp_path / "pyproject.toml"
    setting.write_text("[project]\nname = 'x'\n")
    assert page_links.repository(setting) == ""
    setting.write_text(f"[project.urls]\nRepository = '{GITHUB}/'\n")
    assert page_links.repository(setting) == GITHUB
    setting.write_text("[project.urls]\nRepository = 'https://example.org'\n")
    with pytest.raises(ValueError, match="expected a Repository on https://github"):
        page_links.repository(setting)


SHEET = (ROOT / "docs" / "guide" / "cheat_sheet.md").read_text("utf-8")
LINES = re.compile(r"^\| `([^`]+)` \| (?:`(\(.*?\))`)?", re.MULTILINE)
MESSAGES = re.compile(r"^\| (.*?) \| .*</pitfalls/([\w-]+)>` \|$", re.MULTILINE)


def test_each_line_of_the_cheat_sheet_runs_and_has_the_shape_that_stands_there():
    names = {"torch": torch, "ag": ag, "GradientDescent": GradientDescent}
    for code, shape in LINES.findall(SHEET):
        is_value = isinstance(ast.parse(code).body[0], ast.Expr)
        value = eval(code, names) if is_value else exec(code, names)
        if shape:
            assert str(tuple(value.shape)) == shape, code


def test_each_message_of_the_cheat_sheet_is_explained_on_its_page():
    named = MESSAGES.findall(SHEET)
    assert named
    assert [(m, ag.explain(m).pitfall.name) for m, _ in named] == named
