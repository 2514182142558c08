"""What a reader does with the site: searches it, downloads from it."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

DOWNLOAD = re.compile(r'href="([^"]+/_downloads/[^"]+\.(py|ipynb|zip))"')


def downloads(page):
    """Return the files that a page of the gallery offers, by their suffix."""
    links = DOWNLOAD.findall(page.read_text("utf-8"))
    return {suffix: (page.parent / target).resolve() for target, suffix in links}


def test_search_finds_a_word_and_leads_to_its_page(tab, address, complaints):
    tab.goto(f"{address}index.html")
    tab.locator(".search-button:visible").first.click()
    field = tab.locator("input[type=search]:visible").first
    field.fill("tangent")
    field.press("Enter")
    tab.wait_for_url("**/search.html?q=tangent")
    tab.locator("main .found li a").first.click()
    tab.wait_for_url(lambda url: "search.html" not in url)
    assert "tangent" in tab.locator("#main-content").inner_text().lower()
    assert complaints == []


def test_downloads_open(example, site):
    files = downloads(site / example)
    compile(files["py"].read_text("utf-8"), files["py"], "exec")
    assert json.loads(files["ipynb"].read_text("utf-8"))["cells"]
    with zipfile.ZipFile(files["zip"]) as archive:
        assert archive.testzip() is None


def test_the_zip_of_the_gallery_holds_every_script(site):
    index = site / "auto_gallery" / "index.html"
    names = set()
    for target, suffix in DOWNLOAD.findall(index.read_text("utf-8")):
        if suffix == "zip":
            with zipfile.ZipFile(index.parent / target) as archive:
                names.update(archive.namelist())
    pages = {path.stem for path in (site / "auto_gallery").rglob("plot_*.html")}
    assert {Path(name).stem for name in names} == pages


def test_a_downloaded_script_runs(site, tmp_path):
    page = next((site / "auto_gallery").rglob("plot_*.html"))
    script = tmp_path / "script.py"
    script.write_bytes(downloads(page)["py"].read_bytes())
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True, timeout=120)


def test_a_chapter_is_downloaded_with_one_click_on_a_telephone(tab, served, tmp_path):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{served}guide/tensors.html")
    for suffix in ("ipynb", "py"):
        with tab.expect_download() as download:
            tab.locator(f"a[download][href$='.{suffix}']").click()
        kept = tmp_path / download.value.suggested_filename
        download.value.save_as(kept)
        assert kept.name == f"tensors.{suffix}"
        assert "import torch" in kept.read_text("utf-8")
