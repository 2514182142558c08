"""What the foot of a page says: how it was computed, and when.

The template is ``_templates/page-foot.html``. How long a page of the gallery ran,
Sphinx-Gallery says on the page.
"""

from datetime import date

import torch
from myst_nb.sphinx_ import NbMetadataCollector

import autodiff_guide as ag


def add_foot(app, pagename, templatename, context, doctree):
    run = NbMetadataCollector.get_doc_data(app.env)[pagename].get("exec_data") or {}
    context["computed_seconds"] = run.get("runtime")
    context["computed"] = bool(run) or "/plot_" in pagename
    context["torch"], context["device"] = torch.__version__, ag.preferred_device()
    context["built"] = f"{date.today():%-d %B %Y}"


def setup(app):
    app.connect("html-page-context", add_foot)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
