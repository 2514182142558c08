"""No page loads anything from another host."""

import re
from html.parser import HTMLParser

LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
NAMED_ONLY = {"canonical", "index", "next", "prev", "search"}
FOREIGN = re.compile(r"\s*(https?:)?//")
FOREIGN_IN_CSS = re.compile(r"(?:@import\s+|url\()\s*['\"]?(?:https?:)?//[^'\")]+")
FOREIGN_IN_JS = re.compile(
    r"""(?:import\s*\(|fetch\(|\bfrom)\s*["'`](?:https?:)?//[^"'`]+"""
)


class Loads(HTMLParser):
    """Collects what a page loads from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "link" and NAMED_ONLY & set((attrs.get("rel") or "").split()):
            return
        for name in LOADS.get(tag, ()):
            if FOREIGN.match(attrs.get(name) or ""):
                self.found.append(f"<{tag}> {attrs[name]}")
        self.found += FOREIGN_IN_CSS.findall(attrs.get("style") or "")


def faults(site):
    for path in sorted(site.rglob("*")):
        if path.suffix not in (".html", ".css", ".js"):
            continue
        text = path.read_text("utf-8")
        if path.suffix == ".html":
            found = [*Loads(text).found, *FOREIGN_IN_CSS.findall(text)]
        else:
            pattern = FOREIGN_IN_CSS if path.suffix == ".css" else FOREIGN_IN_JS
            found = pattern.findall(text)
        yield from (f"{path.relative_to(site)} loads {what}" for what in found)
