"""Each chapter offers a clean notebook and a script; its numbers look like prose."""

import re
import sys
from pathlib import Path

import nbformat

sys.path.append(str(Path(__file__).parent.parent / "_ext"))
from chapters import chapters

RELATIVE = re.compile(r"(?<!\\)\]\((?!https?:|data:)[^)]*\)")
LEFT_OVER = re.compile(r"\{[\w:]+\}`|^(?:```|:::)\{.*|\bglue\b|\bmyst_nb\b", re.M)
PASTED = re.compile(r'<span class="pasted-text">(.*?)</span>', re.DOTALL)
TYPED = re.compile(r"\de[+-]\d|(?<![\w.])-\d")


def faults(site):
    for chapter in chapters():
        page = (site / "guide" / f"{chapter.name}.html").read_text("utf-8")
        for number in PASTED.findall(page):
            if TYPED.search(number):
                yield f"{chapter.name} shows the number {number} as a program prints it"
        for suffix in ("ipynb", "py"):
            if f"_downloads/guide/{chapter.name}.{suffix}" not in page:
                yield f"{chapter.name} does not offer its .{suffix}"
        kept = site / "_downloads" / "guide" / chapter.name
        notebook = nbformat.read(kept.with_suffix(".ipynb"), 4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            checked = (LEFT_OVER, RELATIVE) if cell.cell_type == "markdown" else ()
            for pattern in checked or (LEFT_OVER,):
                for found in pattern.finditer(cell.source):
                    yield f"{kept.name}.ipynb, {cell.id}: {found[0]}"
