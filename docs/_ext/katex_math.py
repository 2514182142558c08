"""Mathematics as KaTeX's HTML, made at build time by an embedded JavaScript engine."""

import json
from functools import cache
from pathlib import Path

import quickjs
from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import wrap_displaymath

VENDOR = Path(__file__).parent.parent / "_vendor" / "katex"
RENDER = """
function render(tex, displayMode) {
  const options = {displayMode, strict: "error"};
  return JSON.stringify(katex.renderToString(tex, options));  // a flat string
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
    try:
        return json.loads(engine()(tex, display))
    except quickjs.JSException as error:
        logger.warning("%s", str(error).splitlines()[0], location=node, type="katex")
        return ""


def visit_math(self, node):
    self.body.append(self.starttag(node, "span", "", CLASS="math"))
    self.body.append(html(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_math_block(self, node):
    tex = node.astext()
    if not (node.get("no-wrap") or node.get("nowrap")):
        tex = wrap_displaymath(tex, None, numbering=False)
    self.body.append(self.starttag(node, "div", "", CLASS="math", tabindex="0"))
    self.body.append(html(node, tex, display=True))
    if node["number"]:
        self.body.append(f'<span class="eqno">({node["number"]})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>")
    raise nodes.SkipNode


def add_stylesheet(app, pagename, templatename, context, doctree):
    """Load the stylesheet on pages with mathematics, and on no other."""
    if context.get("has_maths_elements"):
        app.add_css_file("katex/katex.min.css")


def setup(app):
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.connect("html-page-context", add_stylesheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
