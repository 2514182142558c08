"""The search's own words: ``docs/search.toml`` becomes ``_static/search_words.js``.

The pages are ranked by ``_static/search.js``. A chapter is found by the terms that it
introduces; their Chinese names are synonyms; the messages of the pitfalls lead to their
pages.
"""

import json
import tomllib
from pathlib import Path

from chapters import chapters

from autodiff_guide.pitfalls import CATALOGUE


def write_words(app, error):
    """Write the words beside the built pages."""
    if error or app.builder.format != "html":
        return
    source = Path(app.srcdir)
    words = tomllib.loads((source / "search.toml").read_text("utf-8"))
    terms = tomllib.loads((source / "guide" / "terms.toml").read_text("utf-8"))
    words["synonyms"] += [[entry["term"], entry["zh"]] for entry in terms["term"]]
    for chapter in chapters():
        page = f"guide/{chapter.name}"
        listed = [*chapter.introduces, words["keywords"].get(page, "")]
        words["keywords"][page] = " ".join(listed)
    words["messages"] = {
        f"pitfalls/{name}": pitfall.message
        for name, pitfall in CATALOGUE.items()
        if pitfall.message
    }
    text = f"var SEARCH_WORDS = {json.dumps(words, ensure_ascii=False)};\n"
    (Path(app.outdir) / "_static" / "search_words.js").write_text(text, "utf-8")


def setup(app):
    app.add_js_file("search.js", loading_method="defer")
    app.connect("build-finished", write_words)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
