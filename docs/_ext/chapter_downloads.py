"""Each chapter of the guide to take away: as a notebook and as a script.

Both hold what a reader sees: the prose, with its numbers, and the code of the visible
cells, which needs no other. Pictures that hidden cells draw are in the notebook.
"""

import ast
import re
import textwrap
from base64 import b64encode
from html import unescape
from itertools import count
from pathlib import Path
from urllib.parse import urljoin

import nbformat
from chapters import HIDDEN
from docutils import nodes
from jupyter_cache import get_cache
from nbformat import v4
from node_markdown import Markdown, escaped

PICTURE = re.compile(r'<svg class="guide-figure".*?</svg>', re.DOTALL)
DRAWS = re.compile(r"\b(plotting|plt)\.")
ABOUT = "*A chapter of [autodiff_guide]({}), to run. Install the package first{}.*"
FROM_A_COPY = ', in a copy of its repository: `python -m pip install ".[gallery]"`'
INSTALL = '%pip install --quiet "autodiff-guide[gallery] @ git+{}"'
LINK_TO_TERM = re.compile(r"\[([^]]*)\]\([^)]*#term-[^)]*\)")
PLAIN = re.compile(r"(\$[^$]+\$|`[^`]+`)|\\([\\`*_\[\]<>$])")  # formula, code; escaped
ON_PAPER = {
    'style="': 'style="background: white; ',
    "currentColor": "#20262e",
    "var(--pst-color-background)": "white",
}


def folder(app):
    return Path(app.outdir) / "_downloads" / "guide"


def pictures(cell):
    """Return the figures that a cell shows, on paper, each with its text."""
    shown = [output["data"] for output in cell.outputs if "data" in output]
    found = []
    for svg in PICTURE.findall("".join(data.get("text/html", "") for data in shown)):
        for dark_or_light, light in ON_PAPER.items():
            svg = svg.replace(dark_or_light, light)
        found.append((svg, unescape(re.search('aria-label="(.*?)"', svg)[1])))
    return found


def embedded(svg, alt):
    data = b64encode(svg.encode()).decode()
    return f"![{escaped(alt)}](data:image/svg+xml;base64,{data})"


def kept(cell):
    """Return the outputs of a visible cell, but for its figures."""
    shown = []
    for output in cell.outputs:
        if "execution_count" in output:
            output.execution_count = None
        if not PICTURE.search(output.get("data", {}).get("text/html", "")):
            shown.append(output)
    return shown


def notebook(doctree, executed, address, repository):
    """Return the chapter of a resolved tree as a notebook."""
    write, cells = Markdown(address), []

    def prose(text):
        if text and cells and cells[-1].cell_type == "markdown":
            cells[-1].source += f"\n\n{text}"
        elif text:
            cells.append(v4.new_markdown_cell(text))

    def code(container):
        cell = executed.cells[container["cell_index"]]
        tags = set(container["cell_metadata"].get("tags", ()))
        if not tags & HIDDEN:
            folded = {"jupyter": {"source_hidden": True}} if tags else {}
            cells.append(
                v4.new_code_cell(cell.source, metadata=folded, outputs=kept(cell))
            )
        for svg, alt in pictures(cell):
            drawn_above = cells[-1].cell_type == "code" and DRAWS.search(
                cells[-1].source
            )
            if drawn_above:
                data = {"image/svg+xml": svg, "text/plain": alt}
                cells[-1].outputs.append(v4.new_output("display_data", data))
            else:
                prose(embedded(svg, alt))

    def walk(section):
        prose(write.heading(section))
        for child in section[1:]:
            if isinstance(child, nodes.section):
                walk(child)
            elif child.get("nb_element") == "cell_code":
                code(child)
            else:
                prose(write.write(child))
        write.depth -= 1

    walk(next(doctree.findall(nodes.section)))
    title, rest = cells[0].source.partition("\n")[::2]
    about = ABOUT.format(address, "" if repository else FROM_A_COPY)
    cells[0].source = f"{title}\n\n{about}\n{rest}"
    if repository:
        cells.insert(1, v4.new_code_cell(INSTALL.format(repository)))
    number = count(1)
    for cell in cells:
        cell.id = f"cell-{next(number)}"
    return v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {
                "name": "python3",
                "display_name": "Python 3",
                "language": "python",
            },
            "language_info": {"name": "python"},
        },
    )


def printing(cell):
    """Return a cell's code such that a script prints and shows what the page does."""
    code = cell.source
    if code.startswith("%"):
        return f"# {code}"
    results = {output.output_type for output in cell.outputs}
    *_, last = ast.parse(code).body
    if isinstance(last, ast.Expr) and "execute_result" in results:
        lines = code.splitlines()
        before, expression = (
            lines[: last.lineno - 1],
            lines[last.lineno - 1 : last.end_lineno],
        )
        after = lines[last.end_lineno :]
        wrapped = textwrap.indent("\n".join(expression), "    ")
        printed = (
            ["print(", wrapped, ")"]
            if len(expression) > 1
            else [f"print({expression[0]})"]
        )
        code = "\n".join([*before, *printed, *after])
    return f"{code}\nplt.show()" if DRAWS.search(code) else code


def comment(text):
    """Return Markdown as the comments of a script."""
    text = LINK_TO_TERM.sub(r"\1", text)
    text = re.sub(r"!\[((?:\\.|[^]])*)\]\(data:[^)]*\)", r"Picture: \1", text)
    text = re.sub(r"<details><summary>(.*?)</summary>", r"\1:", text)
    text = re.sub(r"\n*</details>", "", text)
    lines, verbatim = [], False
    for line in text.splitlines():
        fence = line.lstrip("> ").startswith(("```", "$$"))
        verbatim ^= fence
        if fence or verbatim or line.startswith("|"):
            lines.append(line)
        else:
            indent = re.match(r" *(?:[->] |\d+\. )?", line)[0]
            lines += textwrap.wrap(
                PLAIN.sub(lambda m: m[2] or m[1].replace(" ", "\0"), line),
                76,
                subsequent_indent=re.sub(r"[^>\s]", " ", indent),
                break_long_words=False,
                break_on_hyphens=False,
            ) or [""]
    return "\n".join(f"# {line}".rstrip() for line in lines).replace("\0", " ")


def script(notebook):
    """Return a notebook as a script."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts.append(f"# %%\n{printing(cell)}")
        else:
            parts.append(f"# %% [markdown]\n{comment(cell.source)}")
    code = "\n\n".join(parts) + "\n"
    missing = "plt.show()" in code and "import matplotlib.pyplot as plt" not in code
    first = code.find("# %%\n") + 5
    if missing:
        code = f"{code[:first]}import matplotlib.pyplot as plt\n{code[first:]}"
    return code


def write_downloads(app, doctree, docname):
    """Write both files of a chapter; the page has its numbers and links by now."""
    settings = app.env.mystnb_config
    source = Path(settings.output_folder) / f"{docname}.ipynb"
    if not docname.startswith("guide/") or not source.exists():
        return
    # the file has outputs only after a run, the cache always
    cache = get_cache(settings.execution_cache_path)
    executed = cache.merge_match_into_notebook(nbformat.read(source, 4))[1]
    address = urljoin(app.config.html_baseurl, f"{docname}.html")
    made = notebook(doctree, executed, address, app.config.repository)
    folder(app).mkdir(parents=True, exist_ok=True)
    path = folder(app) / Path(docname).name
    path.with_suffix(".py").write_text(script(made), "utf-8")
    for cell in made.cells:
        if cell.metadata:  # a solution: the reader predicts, then runs it
            cell.outputs = []
    nbformat.write(made, path.with_suffix(".ipynb"))


def setup(app):
    app.connect("doctree-resolved", write_downloads, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
