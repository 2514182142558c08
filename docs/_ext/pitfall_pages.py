"""The pitfall pages: their code is run and checked, and what it says is written below.

``docs/pitfalls/<name>.md`` belongs to the entry ``<name>`` of the package's catalogue.
Its title is the message as torch prints it, or a symptom. Each of its programs stands
under *Broken*, *Tempting, and wrong* or *What works*, and does that, or the build
stops with the page and the line. The tests run the pages in the same way.
"""

import linecache
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

import autodiff_guide as ag
from autodiff_guide.pitfalls import CATALOGUE

PAGES = Path(__file__).parent.parent / "pitfalls"
ROLES = ("Broken", "Tempting, and wrong", "What works")
ALSO = "Also printed as"
MARK = re.compile(rf"\*\*({'|'.join([*ROLES, ALSO])})\.\*\*")
THERE = {
    "accelerator": torch.accelerator.is_available,
    "cuda": torch.cuda.is_available,
}
DID_NOT_RUN = "(Did not run in this build: it needs an accelerator.)"


class PageError(AssertionError):
    """A page says what is not so."""


@dataclass
class Block:
    """A fenced text of a page: its role, what it says, and where it is."""

    role: str
    language: str
    text: str
    line: int
    end: int


@dataclass
class Outcome:
    """What a program computed, and what torch said meanwhile."""

    answer: tuple | None
    said: list
    error: Exception | None

    def agrees(self):
        """Tell whether the program got what is true."""
        if self.answer is None or self.error:
            return False
        try:
            torch.testing.assert_close(*self.answer, check_dtype=False)
        except (AssertionError, TypeError):
            return False
        return True

    def __str__(self):
        if self.error or self.answer is None:
            kind, text = type(self.said[-1]).__name__, str(self.said[-1]).strip()
            return f"{kind}: {text}"
        got, truth = self.answer
        return f"got    {got!r}\ntruth  {truth!r}"


class Page:
    """A page, read from its file."""

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.text = path.read_text("utf-8")
        self.lines = self.text.splitlines()
        needs = re.search(r"^needs: (\w+)$", self.text.partition("# ")[0], re.MULTILINE)
        self.runs = needs is None or THERE[needs[1]]()
        if self.name not in CATALOGUE:
            raise self.fault(1, "no entry of this name in catalogue.toml")
        self.entry = CATALOGUE[self.name]
        heading = re.search(r"^# (.*)$", self.text, re.MULTILINE)
        self.title = heading[1].strip("`")
        self.blocks = list(self.read_blocks())
        roles = [block.role for block in self.blocks if block.language == "python"]
        if not roles or roles != [*ROLES] * (len(roles) // 3):
            raise self.fault(1, f"expected programs {ROLES}, in turn, got {roles}")

    def fault(self, line, what):
        return PageError(f"{self.path}:{line}: {what}")

    def read_blocks(self):
        """Yield the fenced texts, each under the last bold mark above it."""
        role, start = "", None
        for number, line in enumerate(self.lines):
            if mark := MARK.match(line):
                role = mark[1]
            if line.startswith("```"):
                if start is None:
                    start = number + 1
                    continue
                language = self.lines[start - 1].strip("`")
                text = "\n".join(self.lines[start:number])
                yield Block(role, language, text, start + 1, number + 1)
                start = None

    def check(self, block):
        """Run or match `block`, and return what is written below it."""
        if block.role == ALSO:
            if ag.explain(block.text).pitfall is not self.entry:
                raise self.fault(block.line, f"{self.name} does not match this")
            return None
        if not self.runs:
            return DID_NOT_RUN
        outcome = run(block.text, self.path, block.line)
        told = "; ".join(str(message) for message in outcome.said) or "nothing"
        refused = block.role == ROLES[0] and self.entry.message
        if not refused and outcome.answer is None and not outcome.error:
            raise self.fault(block.line, "a program ends with got, truth = …, …")
        if refused:
            known = [m for m in outcome.said if self.explains(m)]
            if not known:
                raise self.fault(
                    block.line, f"torch says {told!r}, which {self.name} does not match"
                )
            outcome.said, outcome.answer = known, None
        elif block.role == ROLES[0] and (outcome.said or outcome.agrees()):
            raise self.fault(block.line, f"it is not silently wrong; torch says {told}")
        elif block.role == ROLES[1] and outcome.agrees():
            raise self.fault(block.line, "the tempting fix works")
        elif block.role == ROLES[2] and (outcome.said or not outcome.agrees()):
            raise self.fault(block.line, f"the cure does not work: {told}\n{outcome}")
        return str(outcome)

    def explains(self, said):
        """Tell whether its entry, and none before it, explains what torch said."""
        subject = str(said) if isinstance(said, Warning) else said
        return ag.explain(subject).pitfall is self.entry

    def explanation(self):
        """Return what `explain` prints where the first program fails."""
        if self.runs:
            first = next(block for block in self.blocks if block.role == ROLES[0])
            said = run(first.text, self.path, first.line).said
            message = next(m for m in said if self.explains(m))
            if squeezed(self.title) not in squeezed(str(message)):
                raise self.fault(1, f"the title is not what torch says: {message}")
            live = not isinstance(message, Warning)
            return str(ag.explain(message if live else str(message)))
        if ag.explain(self.title).pitfall is not self.entry:
            raise self.fault(1, f"{self.name} does not match the title")
        return str(ag.explain(self.title))

    def written(self):
        """Return the page with its causes, what its programs say, and `explain`."""
        lines = list(self.lines)
        for block in reversed(self.blocks):
            if below := self.check(block):
                lines[block.end - 1 : block.end] = ["```", "", fenced(below)]
        at = next(i for i, line in enumerate(lines) if re.match(r"## |\*\*Brok", line))
        lines[at:at] = [causes(self.entry), ""]
        if self.entry.message:
            lines += [
                "",
                "## What `ag.explain()` prints",
                "",
                fenced(self.explanation()),
            ]
        return "\n".join(lines) + "\n"


def run(program, path, line):
    """Run a program as the lines of `path` from `line` on; keep what is said."""
    name, namespace = str(path), {"__name__": "__main__"}
    source = "\n" * (line - 1) + program
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    error = None
    with warnings.catch_warnings(record=True) as warned, torch.random.fork_rng():
        warnings.simplefilter("always")
        try:
            exec(compile(source, name, "exec"), namespace)
        except Exception as raised:
            error = raised
    said = [*(warning.message for warning in warned), *([error] if error else [])]
    both = "got" in namespace and "truth" in namespace
    return Outcome(
        (namespace["got"], namespace["truth"]) if both else None, said, error
    )


def squeezed(text):
    return " ".join(text.split())


def fenced(text):
    return f"```text\n{text}\n```"


def escaped(text):
    """Return `text` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>$#{}|~])", r"\\\1", text)


def causes(entry):
    """Return the causes of a pitfall, as a sentence or as a list."""
    if len(entry.causes) == 1:
        return f"**Cause.** {escaped(entry.causes[0].cause)}"
    listed = [
        f"{number}. {escaped(cause.cause)} *{escaped(cause.fix)}*"
        for number, cause in enumerate(entry.causes, 1)
    ]
    return "\n".join(["**One of these**, the likeliest first:", "", *listed])


def index(silent):
    """Return a line for each pitfall: the title of its page, and the cause."""
    chosen = [entry for entry in CATALOGUE.values() if (not entry.message) == silent]
    lines = []
    for entry in chosen:
        first, *others = entry.causes
        plural = "s" if len(others) > 1 else ""
        more = f" Or {len(others)} other cause{plural}." if others else ""
        link = f"[](/pitfalls/{entry.name}.md)"
        lines.append(f"- {link}\\\n  {escaped(first.cause)}{more}")
    return "\n".join(lines)


def tree():
    return "\n".join(["```{toctree}", ":hidden:", "", *CATALOGUE, "```"])


def write_page(app, page, source):
    """Write what Sphinx reads: a page with what its code says, or the index."""
    if page == "pitfalls/index":
        text = source[0].replace("% refused", index(silent=False))
        source[0] = f"{text.replace('% silent', index(silent=True))}\n{tree()}\n"
    elif page.startswith("pitfalls/"):
        source[0] = Page(PAGES / f"{Path(page).name}.md").written()


def setup(app):
    app.connect("source-read", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
