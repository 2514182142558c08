"""The gallery as a path: the order of its pages, and what each belongs to.

The order is that of ``gallery/order.toml``. The chapters and pitfalls that a page
belongs to are those that link to it; its tools are those its script uses. The template
is ``_templates/related.html``.
"""

import tomllib
from pathlib import Path

from sphinx import addnodes

ROOT = Path(__file__).parent.parent.parent
ORDER = tomllib.loads((ROOT / "gallery" / "order.toml").read_text("utf-8"))
KINDS = {"guide/": "Chapter", "pitfalls/": "Pitfall"}
TOOLS = 6  # of a page, in the order of their names


class Order:
    """The key by which Sphinx-Gallery sorts the scripts of a section."""

    def __init__(self, src_dir):
        self.section = Path(src_dir).name

    def __call__(self, filename):
        """Return the place of a script; one that is not in the file is an error."""
        return ORDER[self.section].index(Path(filename).stem)


def note_links(app, doctree):
    """Remember which pages of the gallery a chapter or a pitfall links to."""
    page = app.env.docname
    for pages in app.env.linked_from.values():
        pages.discard(page)
    if page.startswith(tuple(KINDS)) and not page.endswith("/index"):
        for link in doctree.findall(addnodes.pending_xref):
            target = link.get("reftarget", "").removeprefix("/")
            if link.get("reftype") == "doc" and "/plot_" in target:
                app.env.linked_from.setdefault(target, set()).add(page)


def prepare(app):
    """Give the environment the place for what `note_links` finds."""
    if not hasattr(app.env, "linked_from"):
        app.env.linked_from = {}


def tools_of(app, page):
    """Return the API pages of what the script of a page uses."""
    used = Path(app.srcdir) / "gen_modules" / "backreferences"
    for generated in sorted(app.env.found_docs):
        # Sphinx-Gallery leaves out the module of a name that the package exports.
        name = f"autodiff_guide.{generated.rpartition('.')[2]}"
        examples = used / f"{name}.examples"
        if not generated.startswith("api/generated/") or not examples.exists():
            continue
        if f":doc:`/{page}`" in examples.read_text("utf-8"):
            yield generated


def add_related(app, pagename, templatename, context, doctree):
    """Tell the template of a gallery page what it belongs to."""
    if "/plot_" not in pagename:
        return
    pages = sorted(app.env.linked_from.get(pagename, ()))
    related = [
        (kind, [page for page in pages if page.startswith(prefix)])
        for prefix, kind in KINDS.items()
    ]
    related.append(("API", list(tools_of(app, pagename))[:TOOLS]))
    titles = app.env.titles
    context["related"] = [
        (kind, [(page, titles[page].astext()) for page in found if page in titles])
        for kind, found in related
        if found
    ]


def setup(app):
    app.connect("builder-inited", prepare)
    app.connect("doctree-read", note_links)
    app.connect("html-page-context", add_related)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
