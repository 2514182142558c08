"""Mathematics as KaTeX's HTML, made at build time by an embedded JavaScript engine."""

import json
from functools import cache
from pathlib import Path

import quickjs
from docutils import nodes
from sphinx.util import logging

VENDOR = Path(__file__).parent.parent / "_vendor" / "katex"
STYLESHEET = "katex/katex.min.css"
RENDER = """
function render(tex, displayMode) {
  try {
    const options = {displayMode, strict: "error"};
    return JSON.stringify({html: katex.renderToString(tex, options)});
  } catch (error) {
    return JSON.stringify({error: String(error)});
  }
}
0
"""

logger = logging.getLogger(__name__)


@cache
def engine():
    """Return KaTeX's ``render`` function, loaded once."""
    context = quickjs.Context()
    context.eval((VENDOR / "katex.min.js").read_text("utf-8") + RENDER)
    return context.get("render")


def html(node, tex, display):
    """Return TeX as HTML; TeX that KaTeX refuses is a warning."""
    answer = json.loads(engine()(tex, display))
    if "error" in answer:
        logger.warning("%s", answer["error"], location=node, type="katex")
    return answer.get("html", "")


def displayed(node):
    """Return the TeX of a block: its lines aligned, its paragraphs below each other."""
    if node.get("no-wrap") or node.get("nowrap"):
        return node.astext()
    parts = [
        rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part
        for part in node.astext().split("\n\n")
        if part.strip()
    ]
    if len(parts) == 1:
        return parts[0]
    return r"\begin{gathered}" + r"\\".join(parts) + r"\end{gathered}"


def visit_math(self, node):
    self.body.append(self.starttag(node, "span", "", CLASS="math"))
    self.body.append(html(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_math_block(self, node):
    self.body.append(self.starttag(node, "div", "", CLASS="math", tabindex="0"))
    self.body.append(html(node, displayed(node), display=True))
    if node["number"]:
        self.body.append(f'<span class="eqno">({node["number"]})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>")
    raise nodes.SkipNode


def add_stylesheet(app, pagename, templatename, context, doctree):
    """Load the stylesheet on pages with mathematics, and on no other."""
    if doctree and any(
        doctree.findall(lambda n: isinstance(n, nodes.math | nodes.math_block))
    ):
        app.add_css_file(STYLESHEET)


def setup(app):
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.connect("html-page-context", add_stylesheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
