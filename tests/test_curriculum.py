"""Every concept of the curriculum is taught on a page, or is listed as pending."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST = "tests/curriculum.toml"
CURRICULUM = tomllib.loads((ROOT / LIST).read_text("utf-8"))
PENDING = set(CURRICULUM["pending"])
CLAIM = re.compile(r"^(?:# )?curriculum: *(.+)$", re.MULTILINE)


def claims():
    """Return the pages that claim each id, in front matter or in a comment."""
    found = {}
    chapters = (ROOT / "docs").glob("[!_]*/*.md")
    scripts = (ROOT / "gallery").rglob("plot_*.py")
    for page in (*chapters, *scripts):
        for claim in CLAIM.findall(page.read_text("utf-8")):
            for name in re.split(r"[,\s]+", claim.strip()):
                found.setdefault(name, []).append(page.relative_to(ROOT).as_posix())
    return found


def git(*arguments):
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_pages_claim_ids_that_exist():
    unknown = {
        name: pages
        for name, pages in claims().items()
        if name not in CURRICULUM["titles"]
    }
    assert unknown == {}


def test_each_id_is_on_a_page_or_pending():
    assert set(CURRICULUM["titles"]) - set(claims()) - PENDING == set()


def test_nothing_pending_is_on_a_page_already():
    assert {name: claims()[name] for name in PENDING & set(claims())} == {}


def test_pending_ids_exist():
    assert PENDING.issubset(CURRICULUM["titles"])


def test_the_pending_list_only_shrinks():
    history = git("log", "--format=%H", "--", LIST)
    if history.returncode or not history.stdout:
        pytest.skip("no history of the list: not a git repository")
    for commit in history.stdout.split():
        earlier = git("show", f"{commit}:{LIST}").stdout
        assert PENDING.issubset(tomllib.loads(earlier)["pending"]), commit
