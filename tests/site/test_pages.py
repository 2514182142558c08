"""Every page, in both themes, on a desk and on a telephone."""

import gzip
from functools import cache
from importlib.resources import files
from urllib.parse import unquote

import pytest

HOME, OTHER = 300_000, 500_000  # bytes of a first visit, compressed
DESK, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SETTLES = 400  # ms: the theme looks again for what scrolls after a change of width
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
VIOLATIONS = """
async rules => {
  const found = await axe.run(
    {exclude: [[".katex-html"]]}, {runOnly: rules, resultTypes: ["violations"]});
  return found.violations.flatMap(rule => rule.nodes.map(
    node => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}
"""
# axe looks at every element. What is inside an image is one image to a reader, and in
# a block of code all tokens of a class have one colour: the first stands for them.
TRIM = """
() => {
  for (const image of document.querySelectorAll("svg[role=img]"))
    image.replaceChildren(...image.querySelectorAll("title, desc"));
  for (const code of document.querySelectorAll("pre")) {
    const classes = new Set();
    for (const token of code.querySelectorAll("span")) {
      if (token.children.length || token.closest("a")) continue;
      if (classes.has(token.className)) token.replaceWith(token.textContent);
      classes.add(token.className);
    }
  }
}
"""
ALL_RULES = [
    "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
]  # fmt: skip
RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"]  # the others see no theme
TOO_WIDE = "document.scrollingElement.scrollWidth - window.innerWidth"


@cache
def compressed(file):
    """Return how many bytes a server that compresses would send."""
    content = file.read_bytes()
    return min(len(content), len(gzip.compress(content)))


@pytest.fixture
def loaded(tab, served, site):
    """The files that the page has loaded."""
    requested = set()

    def add(request):
        if request.url.startswith(served):
            address = request.url.removeprefix(served).partition("?")[0]
            requested.add(site / unquote(address))

    tab.on("requestfinished", add)
    return requested


def test_page_over_http(page, tab, served, complaints, loaded):
    tab.goto(served + page, wait_until="networkidle")
    weight = sum(map(compressed, loaded))
    faults = list(complaints)
    if weight > (HOME if page == "index.html" else OTHER):
        faults.append(f"weighs {weight:,} bytes")
    tab.evaluate(TRIM)
    tab.evaluate(AXE)
    for screen in (DESK, TELEPHONE):
        tab.set_viewport_size(screen)
        tab.wait_for_timeout(SETTLES)
        for theme, rules in (("light", ALL_RULES), ("dark", RULES_OF_COLOUR)):
            tab.evaluate("to => document.documentElement.dataset.theme = to", theme)
            where = f"{theme}, {screen['width']} px"
            excess = tab.evaluate(TOO_WIDE)
            if excess > 0:
                faults.append(f"{where}: {excess} px too wide")
            faults += [f"{where}: {fault}" for fault in tab.evaluate(VIOLATIONS, rules)]
    assert faults == []


def test_page_as_a_file(filed_page, tab, site, complaints):
    tab.goto((site / filed_page).as_uri())
    assert complaints == []
