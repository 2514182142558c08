"""A page's tree as plain Markdown: what a notebook shows without Sphinx.

Roles, directives and references are resolved before; links become absolute. A kind of
node that is not known here is a warning, which ends the build.
"""

import re
from urllib.parse import urljoin

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

SUPERSCRIPT = str.maketrans("0123456789−+n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ")
SUBSCRIPT = str.maketrans("0123456789−+", "₀₁₂₃₄₅₆₇₈₉₋₊")
SILENT = {
    "target",
    "comment",
    "index",
    "substitution_definition",
    "compound",
    "toctree",
}
THROUGH = {"inline", "container", "paragraph", "title", "term", "definition", "entry"}
THROUGH |= {"rubric", "abbreviation", "caption", "figure"}


def escaped(text):
    return re.sub(r"([\\`*_\[\]<>$])", r"\\\1", text)


class Markdown:
    """Writes the nodes of the page at `address`, an absolute one."""

    def __init__(self, address):
        self.address = address
        self.depth = 0

    def write(self, node):
        """Return the Markdown of a node."""
        name = type(node).__name__
        if isinstance(node, nodes.Admonition):
            return self.admonition(node)
        if name in THROUGH:
            return self.inside(node)
        if name not in SILENT and not hasattr(self, name):
            logger.warning("no Markdown for %r", name, location=node, type="markdown")
        return getattr(self, name)(node) if hasattr(self, name) else ""

    def inside(self, node):
        """Return what is in a node: lines of text, or blocks between empty lines."""
        block = nodes.Body | nodes.section
        apart = any(
            isinstance(child, block) and not isinstance(child, nodes.Inline)
            for child in node.children
        )
        written = map(self.write, node.children)
        return "\n\n".join(filter(None, written)) if apart else "".join(written)

    def Text(self, node):  # noqa: N802 - named as docutils does
        return re.sub(r"\s*\n\s*", " ", escaped(node.astext()))

    def emphasis(self, node):
        return f"*{self.inside(node)}*"

    def strong(self, node):
        return f"**{self.inside(node)}**"

    def literal(self, node):
        text = re.sub(r"\s+", " ", node.astext())
        return f"`` {text} ``" if "`" in text else f"`{text}`"

    def math(self, node):
        return "$" + re.sub(r"\s+", " ", node.astext()) + "$"

    def superscript(self, node):
        return node.astext().translate(SUPERSCRIPT)

    def subscript(self, node):
        return node.astext().translate(SUBSCRIPT)

    def reference(self, node):
        target = node.get("refuri") or f"#{node['refid']}"
        return f"[{self.inside(node)}]({urljoin(self.address, target)})"

    def image(self, node):
        return f"![{escaped(node['alt'])}]({urljoin(self.address, node['uri'])})"

    def heading(self, section):
        self.depth += 1
        return f"{'#' * self.depth} {self.inside(section[0])}"

    def math_block(self, node):
        return f"$$\n{node.astext().strip()}\n$$"

    def literal_block(self, node):
        return f"```{node.get('language', '')}\n{node.astext()}\n```"

    def listed(self, node, marks):
        items = []
        for mark, item in zip(marks, node, strict=False):
            indent = "\n" + " " * len(mark)
            items.append(mark + self.inside(item).replace("\n", indent))
        return "\n".join(items)

    def bullet_list(self, node):
        return self.listed(node, ["- "] * len(node))

    def enumerated_list(self, node):
        first = node.get("start", 1)
        return self.listed(node, [f"{first + n}. " for n in range(len(node))])

    def definition_list(self, node):
        marked = [
            f"- **{self.inside(item[0])}**: {self.inside(item[-1])}" for item in node
        ]
        return "\n".join(marked)

    def block_quote(self, node):
        return "> " + self.inside(node).replace("\n", "\n> ")

    def admonition(self, node):
        titled = isinstance(node[0], nodes.title)
        name = self.inside(node[0]) if titled else type(node).__name__.capitalize()
        written = [self.write(child) for child in node[titled:]]
        return "> " + "\n\n".join([f"**{name}**", *written]).replace("\n", "\n> ")

    def table(self, node):
        rows = [
            [self.inside(entry) for entry in row] for row in node.findall(nodes.row)
        ]
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def dropdown_main(self, node):
        title, body = node
        words = next(
            part
            for part in title.findall(nodes.inline)
            if "sd-summary-text" in part["classes"]
        )
        return (
            f"<details><summary>{self.inside(words)}</summary>\n\n"
            f"{self.inside(body)}\n\n</details>"
        )

    def transition(self, node):
        return "---"
