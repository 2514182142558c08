"""What the foot of a page says: how it was computed, and when.

The template is ``_templates/page-foot.html``.
"""

import re
from datetime import date

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.transforms import SphinxTransform

DURATION = re.compile(r"\((\d+) minutes ([\d.]+) seconds\)")


class TakeDuration(SphinxTransform):
    """Move the time that Sphinx-Gallery writes on a page to the page's metadata."""

    default_priority = 400

    def apply(self):
        for node in list(self.document.findall(nodes.paragraph)):
            if "sphx-glr-timing" in node["classes"]:
                minutes, seconds = DURATION.search(node.astext()).groups()
                metadata = self.env.metadata[self.env.docname]
                metadata["seconds"] = 60 * int(minutes) + float(seconds)
                node.parent.remove(node)


def seconds(env, page):
    """Return how long the page's code ran, or None for a page without code."""
    if "seconds" in env.metadata.get(page, {}):
        return env.metadata[page]["seconds"]
    execution = NbMetadataCollector.get_doc_data(env)[page].get("exec_data")
    return execution and execution["runtime"]


def add_foot(app, pagename, templatename, context, doctree):
    context["computed_seconds"] = seconds(app.env, pagename)
    context["computed_with"] = app.config.computed_with
    context["built"] = f"{date.today():%-d %B %Y}"


def setup(app):
    app.add_transform(TakeDuration)
    app.add_config_value("computed_with", {}, "")
    app.connect("html-page-context", add_foot)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
