"""The pitfalls section: an index by message, and a page for each kind.

The mistakes, wrong fixes and cures of the catalogue are run here, so the pages show
what the installed torch says. A refused one that is not refused stops the build.
"""

import ast
import inspect
import re
import sys
import textwrap
import warnings
from pathlib import Path

from api_pages import write

from autodiff_guide.pitfalls import CATALOGUE, DidNotRunError

INTRODUCTION = {
    "refused": """# Refused: torch raises or warns

Paste the last line of your error into the search of this site, without the sizes and
names that are yours, or look for it in {doc}`the index <index>`. Each message below
was raised when this page was built.
""",
    "silent": """# Silent: nothing is raised, the number is wrong

These are the expensive ones: the program runs, and what it computes is not what you
meant. Each example was run when this page was built, beside the right answer.
""",
}

INDEX = """# Pitfalls

What autograd refuses, and what it silently gets wrong. Every example on these pages ran
when they were built, with the wrong fix that tempts everyone and the one that works.

Did torch raise something? Wrap your code in `with ag.explain():`, and
{{func}}`autodiff_guide.explain` adds the cause and the cure to the error. Was nothing
raised, and the loss stands still or became NaN? Ask {{func}}`autodiff_guide.diagnose`.

```{{toctree}}
:hidden:

refused
silent
```

## By message

| What torch says | What happened |
|---|---|
{refused}

## By symptom, where torch says nothing

| What is wrong | Why |
|---|---|
{silent}
"""

PITFALL = """## {title}

{cause}

**Broken.** {mistake}

{broken}

**Tempting, and wrong.** {wrong_fix}

{tempting}

**What works.** {fix}

{repaired}
"""

SPELLINGS = {"Nan": "NaN", "Numpy": "NumPy", "Relu": "ReLU", "none": "None"}


def title(pitfall):
    """Return its name as a heading, whose anchor is its name again."""
    first, *rest = pitfall.name.split("-")
    return " ".join(SPELLINGS.get(word, word) for word in (first.capitalize(), *rest))


def escaped(text):
    """Return `text` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>$#{}|~])", r"\\\1", " ".join(text.split()))


def fenced(language, text):
    return f"```{language}\n{text}\n```"


def returns(node):
    """Return the statements that leave a function, not those in functions inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield from returns(child)


def program(function, assigned):
    """Return the body of `function` as a program, with the imports that it needs.

    What was returned is assigned to the names in `assigned`, or only computed.
    """
    source = textwrap.dedent(inspect.getsource(function))
    (definition,) = ast.parse(source).body
    lines = source.splitlines()
    for node in returns(definition):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = line.replace("return ", assigned, 1)
    body = textwrap.dedent("\n".join(lines[definition.body[1].lineno - 1 :]))
    body = body.replace("second_device()", '"cuda"')
    return "\n".join([*preamble(sys.modules[function.__module__], body), body]).strip()


def preamble(module, body):
    """Return the imports and the functions of `module` that `body` needs."""
    imports, functions = [], []
    needed = set(re.findall(r"\w+", body))
    for node in reversed(ast.parse(inspect.getsource(module)).body):
        if isinstance(node, ast.FunctionDef) and node.name in needed:
            functions.append(ast.unparse(node))
            needed |= set(re.findall(r"\w+", functions[-1]))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            origin = getattr(node, "module", "")
            node.names = [name for name in node.names if name.name in needed]
            if node.names and not origin.startswith(("autodiff_guide", "__future__")):
                imports.append(ast.unparse(node))
    return [*reversed(imports), "", *(f"\n{text}\n\n" for text in functions)]


def heard(function):
    """Return what `function` returned, and what was raised or warned."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            answer, errors = function(), []
        except Exception as error:
            answer, errors = None, [error]
    said = [*(warning.message for warning in warned), *errors]
    return answer, [(type(one).__name__, str(one).strip()) for one in said]


def outcome(pitfall, function):
    """Return what happened when `function` ran, as lines of text."""
    answer, said = heard(function)
    refused = function is pitfall.broken and pitfall.kind == "refused"
    if answer is None and said and said[-1][0] == DidNotRunError.__name__:
        pattern = f"{pitfall.message_pattern}\n" if refused else ""
        return f"{pattern}(Did not run in this build: it needs an accelerator.)"
    if refused:
        known = [f"{kind}: {text}" for kind, text in said if pitfall.matches(text)]
        if not known:
            raise RuntimeError(f"{pitfall.name}: torch says {said}, not its pattern")
        return known[-1]
    if answer is None:
        kind, text = said[-1]
        return f"{kind}: {text}"
    got, truth = answer
    return f"got    {got!r}\ntruth  {truth!r}"


def example(pitfall, function):
    """Return the code of one of the three functions and what came of it."""
    refused = function is pitfall.broken and pitfall.kind == "refused"
    assigned = "" if refused else "got, truth = "
    said = "\n".join(
        textwrap.fill(line, 76, break_long_words=False)
        for line in outcome(pitfall, function).splitlines()
    )
    return "\n\n".join(
        [fenced("python", program(function, assigned)), fenced("text", said)]
    )


def section(pitfall):
    return PITFALL.format(
        title=title(pitfall),
        cause=escaped(pitfall.cause),
        mistake=escaped(inspect.getdoc(pitfall.broken)),
        broken=example(pitfall, pitfall.broken),
        wrong_fix=escaped(pitfall.wrong_fix),
        tempting=example(pitfall, pitfall.tempting),
        fix=escaped(pitfall.fix),
        repaired=example(pitfall, pitfall.repaired),
    )


def row(pitfall):
    """Return its line of the index: the message or the mistake, and the cause."""
    link = f"[{title(pitfall)}]({pitfall.kind}.md#{pitfall.name})"
    if pitfall.kind == "silent":
        return f"| {link} | {escaped(pitfall.cause)} |"
    message = outcome(pitfall, pitfall.broken)
    brief = textwrap.shorten(message.split(". ")[0], 160, placeholder=" …")
    return f"| {escaped(brief)} | {link} |"


def write_pages(app, config):
    directory = Path(app.srcdir) / "pitfalls"
    rows = {}
    for kind, introduction in INTRODUCTION.items():
        chosen = [p for p in CATALOGUE.values() if p.kind == kind]
        rows[kind] = "\n".join(map(row, chosen))
        page = "\n".join([introduction, *map(section, chosen)])
        write(directory / f"{kind}.md", page)
    write(directory / "index.md", INDEX.format(**rows))


def setup(app):
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
