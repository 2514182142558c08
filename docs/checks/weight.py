"""Every page is light: what a first visit loads, compressed, stays within a budget.

Counted are the page, its scripts, styles and images, and the fonts that formulas need
where there are any; not the images that a browser loads only when the reader comes
near. The browser tests hold what Chromium really loads to the same budgets.
"""

import gzip
import re
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

HOME, OTHER = 300_000, 500_000  # bytes
FONTS_OF_FORMULAS = re.compile(r"KaTeX_(Main-Regular|Math-Italic|AMS-Regular|Size\d)")
STYLES = {"stylesheet", "icon", "preload"}


class Resources(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        address = attrs.get("src") or attrs.get("href")
        match tag:
            case "link" if not STYLES & set((attrs.get("rel") or "").split()):
                return
            case "img" if attrs.get("loading") == "lazy":
                return
            case "link" | "img" | "script" if address:
                self.addresses.append(address)


def local(base, address):
    """Return the file of ours that an address on the page `base` names, or None."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    return (base.parent / unquote(parts.path)).resolve()


@cache
def size(path):
    """Return the compressed size of a file as a server would send it."""
    content = path.read_bytes()
    return min(len(content), len(gzip.compress(content)))


def weigh(page):
    """Return the compressed bytes of a first visit."""
    files = {page}
    for address in Resources(page.read_text("utf-8")).addresses:
        file = local(page, address)
        if file and file.exists():
            files.add(file)
        if file and file.name == "katex.min.css":
            fonts = (file.parent / "fonts").iterdir()
            files.update(font for font in fonts if FONTS_OF_FORMULAS.match(font.name))
    return sum(map(size, files))


def faults(site):
    for page in sorted(site.resolve().rglob("*.html")):
        name = page.relative_to(site.resolve()).as_posix()
        budget = HOME if name == "index.html" else OTHER
        if name.startswith("_"):
            continue
        if weigh(page) > budget:
            yield f"{name} weighs {weigh(page):,} bytes, more than {budget:,}"
