"""Every page, in both themes, on a desk and on a telephone."""

import gzip
from importlib.resources import files

import pytest

HOME, OTHER = 300_000, 500_000  # bytes of a first visit, compressed
DESK, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
VIOLATIONS = """
async () => {
  const levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const found = await axe.run(
    document, {runOnly: [...levels, "best-practice"], resultTypes: ["violations"]});
  return found.violations.flatMap(rule => rule.nodes.map(
    node => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}
"""
TOO_WIDE = "document.scrollingElement.scrollWidth - window.innerWidth"


@pytest.fixture
def loaded(tab):
    """The compressed size of each response, by address."""
    sizes = {}

    def weigh(request):
        if request.url.startswith("http"):
            body = request.response().body()
            sizes[request.url] = min(len(body), len(gzip.compress(body)))

    tab.on("requestfinished", weigh)
    return sizes


def test_page_over_http(page, tab, served, complaints, loaded):
    tab.goto(served + page, wait_until="networkidle")
    weight = sum(loaded.values())
    faults = list(complaints)
    if weight > (HOME if page == "index.html" else OTHER):
        faults.append(f"weighs {weight:,} bytes")
    tab.evaluate(AXE)
    for theme in ("light", "dark"):
        tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        for screen in (DESK, TELEPHONE):
            tab.set_viewport_size(screen)
            where = f"{theme}, {screen['width']} px"
            excess = tab.evaluate(TOO_WIDE)
            if excess > 0:
                faults.append(f"{where}: {excess} px too wide")
            faults += [f"{where}: {found}" for found in tab.evaluate(VIOLATIONS)]
    assert faults == []


def test_page_as_a_file(page, tab, site, complaints):
    tab.goto((site / page).as_uri())
    assert complaints == []
