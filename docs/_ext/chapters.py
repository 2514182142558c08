"""The chapters of the guide as they are written: their order, cells, prose, terms.

Read by the site's extensions, by its checks and by the tests; needs no Sphinx.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

GUIDE = Path(__file__).parent.parent / "guide"
TERMS = GUIDE / "terms.toml"
HIDDEN = {"remove-cell", "remove-input"}
CELL = re.compile(
    r"^```\{code-cell\}.*\n(?:---\n(?s:.*?)\n---\n)?((?s:.*?))^```$", re.M
)
TAGS = re.compile(r"^:?tags: *\[(.*)\]$", re.M)
NOT_PROSE = re.compile(
    r"""\A---\n(?s:.*?)\n---\n       # front matter
      | ^(`{3,})(?s:.*?)^\1$         # code, directives
      | ^:::.*$ | ^%.*$              # the fence of a dropdown, comments
      | \$\$(?s:.*?)\$\$ | (?<!\\)\$[^$]+\$
      | (?:\{[\w:]+\})?`[^`]+`       # roles, code
      | \[[^]]*\]\([^)]*\)           # links
    """,
    re.M | re.X,
)
AFTERWARDS = re.compile(r"^## Where to go next$(?s:.*)", re.M)


@dataclass(frozen=True)
class Cell:
    """A code cell, and the line of the page on which its code begins."""

    source: str
    tags: frozenset
    line: int

    @property
    def seen(self):
        """Whether a reader sees the code, at once or after a click."""
        return not self.tags & HIDDEN


@dataclass(frozen=True)
class Chapter:
    """A page of the guide."""

    path: Path

    @property
    def name(self):
        return self.path.stem

    @cached_property
    def text(self):
        return self.path.read_text("utf-8")

    @cached_property
    def title(self):
        return re.search(r"^# (.*)$", self.text, re.M)[1]

    @cached_property
    def introduces(self):
        """The terms that its front matter lists under ``introduces:``."""
        found = re.search(r"^introduces:((?:.*\n)(?: *- .*\n| .*\n)*)", self.text, re.M)
        listed = re.split(r",|\n", found[1].strip(" []\n")) if found else ()
        return [term.strip(" -\"'[]") for term in listed if term.strip(" -\"'[]")]

    @cached_property
    def cells(self):
        return [
            Cell(
                re.sub(r"\A(?::.*\n)+\n*", "", found[1]),
                frozenset(re.findall(r"[\w-]+", " ".join(TAGS.findall(found[0])))),
                self.text.count("\n", 0, found.end()) - found[1].count("\n") + 1,
            )
            for found in CELL.finditer(self.text)
        ]

    @cached_property
    def prose(self):
        """Its sentences, each on its line; no code, no formula, no link."""

        def blank(match):
            return "\n" * match[0].count("\n") or "…"

        return NOT_PROSE.sub(blank, AFTERWARDS.sub(blank, self.text))


@dataclass(frozen=True)
class Term:
    """A word of the field: its forms, its Chinese name, what it means."""

    term: str
    zh: str
    meaning: str
    forms: tuple = ()
    strict: bool = True  # False: an ordinary word too, only a term in italics

    @property
    def pattern(self):
        words = sorted({self.term, f"{self.term}s", *self.forms}, key=len, reverse=True)
        spelled = "|".join(map(re.escape, words)).replace(r"\ ", r"\s+")
        return re.sub(r"\\-|–", "[-–]", spelled)


class Terms(dict):
    """The terms of the guide by name, and where they occur in a text."""

    def __init__(self):
        entries = tomllib.loads(TERMS.read_text("utf-8"))["term"]
        super().__init__((entry["term"], Term(**entry)) for entry in entries)
        # the longest first: "gradient descent" is no "gradient"
        self.names = sorted(self, key=len, reverse=True)
        any_of = "|".join(f"({self[name].pattern})" for name in self.names)
        self.pattern = re.compile(rf"(?<![\w–-])(?:{any_of})(?![\w–-])", re.I)

    def occurrences(self, text):
        """Yield each term in `text` with its match."""
        for match in self.pattern.finditer(text):
            yield self[self.names[match.lastindex - 1]], match


def chapters():
    """Return the chapters in the order of the guide's index, without the appendix."""
    tree = (GUIDE / "index.md").read_text("utf-8").partition("```{toctree}")[2]
    names = re.findall(r"^\w+$", tree.partition("```")[0], re.M)
    return [Chapter(GUIDE / f"{name}.md") for name in names]


def introductions(read):
    """Return, for each term, the first of the chapters `read` that introduces it."""
    return {t: c for c in reversed(read) for t in reversed(c.introduces)}
