"""The built site, served as a project's pages are, and a Chromium to read it."""

import http.server
import os
import shutil
import threading
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

SITE = Path(__file__).parent.parent.parent / "docs" / "_build" / "html"
PREFIX = "/autodiff_guide/"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_configure(config):
    if not (SITE / "index.html").exists():
        pytest.exit("run `tox -e docs` first", returncode=1)


def pages():
    """Return the address of every page, relative to the site."""
    found = (path.relative_to(SITE) for path in SITE.rglob("*.html"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_static")


def pytest_generate_tests(metafunc):
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", pages())
    if "filed_page" in metafunc.fixturenames:  # a server alone shows the 404 page
        filed = [page for page in pages() if page != "404.html"]
        metafunc.parametrize("filed_page", filed)
    if "example" in metafunc.fixturenames:
        examples = [page for page in pages() if "/plot_" in page]
        metafunc.parametrize("example", examples)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site below a prefix, silently."""

    def log_message(self, *args):
        pass

    def translate_path(self, path):
        if not path.startswith(PREFIX):
            return os.devnull
        return super().translate_path(path.removeprefix(PREFIX.rstrip("/")))


@pytest.fixture(scope="session")
def site():
    """The directory of the built site."""
    return SITE.resolve()


@pytest.fixture(scope="session")
def served():
    """The address of the site over http."""
    handler = partial(Handler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()


@pytest.fixture(scope="session", params=["http", "file"])
def address(request, served, site):
    """The address of the site, over http and as files."""
    return served if request.param == "http" else f"{site.as_uri()}/"


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSERS)), ""
    )
    if not path:
        pytest.exit(
            "no Chromium found: install it, or name it in CHROMIUM", returncode=1
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser):
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme="light",
        reduced_motion="reduce",  # a colour half way to another has no contrast
    )
    yield context.new_page()
    context.close()


@pytest.fixture
def complaints(tab):
    """What the browser complained of: errors, missing files, foreign hosts."""
    heard = []

    def request(sent):
        if not sent.url.startswith(("http://127.0.0.1", "file:", "data:", "blob:")):
            heard.append(f"asks another host: {sent.url}")

    def response(received):
        if received.status >= 400:
            heard.append(f"{received.status}: {received.url}")

    def failure(failed):
        if failed.failure != "net::ERR_ABORTED":  # the reader went on
            heard.append(f"{failed.failure}: {failed.url}")

    tab.on("request", request)
    tab.on("response", response)
    tab.on("requestfailed", failure)
    tab.on("pageerror", lambda error: heard.append(f"script error: {error}"))
    tab.on(
        "console",
        lambda message: (
            heard.append(f"console: {message.text}")
            if message.type == "error"
            else None
        ),
    )
    return heard
