"""Whoever pastes an error into the search finds the page that explains it."""

import re
from urllib.parse import quote

import pytest

MESSAGE = re.compile(r"\| (\w+(?:Error|Warning): [^|]+?)(?: …)? \| \[")
SOURCE = "docs/pitfalls/index.md"


@pytest.fixture(scope="module")
def messages(pytestconfig):
    """What torch said when the pages were built, as the index of the section has it."""
    index = (pytestconfig.rootpath / SOURCE).read_text("utf-8")
    return sorted({re.sub(r"\\(.)", r"\1", found) for found in MESSAGE.findall(index)})


def test_an_error_pasted_into_the_search_finds_its_page(tab, served, messages):
    assert len(messages) >= 25
    for message in messages:
        tab.goto(f"{served}search.html?q={quote(message)}")
        tab.wait_for_selector("#search-results li a[href*='pitfalls/refused.html']")


def test_each_pitfall_has_the_anchor_that_explain_names(tab, served):
    from autodiff_guide.pitfalls import CATALOGUE

    for kind in ("refused", "silent"):
        tab.goto(f"{served}pitfalls/{kind}.html")
        for pitfall in CATALOGUE.values():
            if pitfall.kind == kind:
                assert tab.locator(f"section#{pitfall.name} > h2").count() == 1
