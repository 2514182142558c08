"""What the head of a page offers: the chapter to take away, the way to mend the page.

The links to the repository need its address: ``Repository`` in ``[project.urls]`` of
``pyproject.toml``, on GitHub, whose branch ``gh-pages`` then holds the site. Without it
there are none. The template is ``_templates/page-links.html``.
"""

import tomllib
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parent.parent.parent
COLAB = "https://colab.research.google.com/github"


def repository(pyproject=ROOT / "pyproject.toml"):
    """Return the address of the repository, or an empty text."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    address = project.get("urls", {}).get("Repository", "").rstrip("/")
    if address and not address.startswith("https://github.com/"):
        raise ValueError(f"expected a Repository on https://github.com/, got {address}")
    return address


def source(page):
    """Return the file of ours that `page` is made of, or None."""
    files = (f"docs/{page}.md", f"{page.removeprefix('auto_')}.py")
    return next((file for file in files if (ROOT / file).is_file()), None)


def links(page, address, downloads):
    """Return the links of `page`: what each says, and where it leads."""
    found = []
    if downloads:
        kept = f"_downloads/{page}"
        found = [("Notebook (.ipynb)", f"{kept}.ipynb"), ("Script (.py)", f"{kept}.py")]
        if address:
            name = address.removeprefix("https://github.com")
            found.append(("Open in Colab", f"{COLAB}{name}/blob/gh-pages/{kept}.ipynb"))
    file = source(page)
    if address and file:
        found += [
            ("Edit", f"{address}/edit/main/{file}"),
            ("Source", f"{address}/blob/main/{file}"),
            ("Report a mistake", f"{address}/issues/new?title={quote(f'{page}: ')}"),
        ]
    return found


def add_links(app, pagename, templatename, context, doctree):
    made = (Path(app.outdir) / "_downloads" / f"{pagename}.ipynb").exists()
    context["page_links"] = links(pagename, app.config.repository, made)


def setup(app):
    app.add_config_value("repository", repository(), "env")
    app.connect("html-page-context", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
