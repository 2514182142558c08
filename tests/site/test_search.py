"""The search answers what people type, in the list ``queries.toml``."""

import tomllib
from pathlib import Path

import pytest

QUERIES = tomllib.loads(Path(__file__).with_name("queries.toml").read_text("utf-8"))
ANSWERED = """
query => {
  const field = document.querySelector("main form.bd-search input");
  const status = document.querySelector("main .found [role=status]");
  return field.value === query && Boolean(status.textContent) === Boolean(query.trim());
}
"""


@pytest.fixture
def ask(tab, address):
    """Type a query on the page of the search; return the pages found, in order."""
    tab.goto(f"{address}search.html")
    field = tab.locator("main form.bd-search input")

    def asked(query):
        field.fill(query)
        tab.wait_for_function(ANSWERED, arg=query)
        links = tab.evaluate(
            "[...document.querySelectorAll('main .found a')].map(a => a.href)"
        )
        field.fill("")
        tab.wait_for_function(ANSWERED, arg="")
        return [
            link.removeprefix(address).partition("#")[0].removesuffix(".html")
            for link in links
        ]

    return asked


def test_what_people_ask_is_among_the_first_three(ask, complaints):
    missed = {}
    for query, pages in QUERIES["questions"].items():
        found = ask(query)[:3]
        if not set(pages) & set(found):
            missed[query] = found
    assert missed == {}
    assert complaints == []


def test_a_pasted_error_finds_its_page_first(ask, complaints):
    missed = {}
    for message, name in QUERIES["errors"].items():
        found = ask(message)[:1]
        if found != [f"pitfalls/{name}"]:
            missed[message] = found
    assert missed == {}
    assert complaints == []


def test_the_queries_name_pages_that_exist(site):
    named = {page for pages in QUERIES["questions"].values() for page in pages}
    named |= {f"pitfalls/{name}" for name in QUERIES["errors"].values()}
    assert {page for page in named if not (site / f"{page}.html").exists()} == set()


def test_nonsense_finds_nothing_and_says_so(ask, tab):
    assert ask("qqxqzz") == []
    tab.locator("main form.bd-search input").fill("qqxqzz")
    tab.get_by_text("Nothing found").wait_for()


@pytest.mark.parametrize("key", ["/", "Control+k"])
def test_the_keyboard_opens_it_and_reaches_the_first_result(tab, address, key):
    tab.goto(f"{address}guide/tensors.html")
    tab.keyboard.press(key)
    field = tab.locator("#pst-search-dialog input")
    field.wait_for()
    field.fill("momentum")
    tab.locator("#pst-search-dialog .found a").first.wait_for()
    tab.keyboard.press("ArrowDown")
    first = tab.evaluate("document.activeElement.href")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.href") == first
    tab.keyboard.press("Enter")
    tab.wait_for_url(first)
    assert "momentum" in tab.locator("#main-content").inner_text().lower()


def test_a_result_leads_to_the_section(tab, address):
    tab.goto(f"{address}search.html?q=condition+number")
    link = tab.locator("main .found a").first
    link.wait_for()
    assert "#" in link.get_attribute("href")
