"""Whoever pastes an error into the search finds the page that explains it."""

import re
from urllib.parse import quote

import pytest

from autodiff_guide.pitfalls import CATALOGUE

TITLE = re.compile(r"^# `?(.*?)`?$", re.MULTILINE)


@pytest.fixture(scope="module")
def titles(pytestconfig):
    """The title of each page: what torch says, or the symptom."""
    pages = pytestconfig.rootpath / "docs" / "pitfalls"
    texts = {name: (pages / f"{name}.md").read_text("utf-8") for name in CATALOGUE}
    return {name: TITLE.search(text)[1] for name, text in texts.items()}


def test_an_error_pasted_into_the_search_finds_its_page(tab, served, titles):
    for name, title in titles.items():
        if CATALOGUE[name].message:
            tab.goto(f"{served}search.html?q={quote(title)}")
            tab.wait_for_selector(f"main .found a[href*='pitfalls/{name}.html']")


def test_the_link_that_explain_prints_opens_a_page_with_the_message(
    tab, served, titles, monkeypatch
):
    monkeypatch.setenv("AUTODIFF_GUIDE_SITE", served)
    for name, title in titles.items():
        tab.goto(CATALOGUE[name].link)
        assert tab.locator("h1").inner_text().startswith(title)
