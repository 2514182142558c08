"""Build the site: ``python docs/build.py``, or ``--quick`` for a person at work.

A plain build starts from nothing and treats every warning as an error. A quick one
runs again the scripts and chapters that changed, not those that use what changed in the
package. The README's pictures are one that the build made.
"""

import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

DOCS = Path(__file__).resolve().parent
SITE = DOCS / "_build" / "html"
MADE = ("_build", "api/generated", "auto_gallery", "gen_modules", "jupyter_execute")
PICTURED = SITE / "auto_gallery" / "02_gradients" / "plot_error_valley.html"
THEMES = {"light": ("#20262e", "#fefefe"), "dark": ("#e6e9ed", "#14181e")}


def build(quick: bool) -> int:
    """Build what is needed and return Sphinx's exit status."""
    if not quick:
        for name in MADE:
            shutil.rmtree(DOCS / name, ignore_errors=True)
    # without it the theme, in a build that fails early, writes a file of this name
    (SITE / "_static").mkdir(parents=True, exist_ok=True)
    strict = [] if quick else ["-W", "--keep-going"]
    status = sphinx_build([*strict, "-n", "-b", "html", str(DOCS), str(SITE)])
    if status == 0:
        picture_readme()
    return status


def picture_readme() -> None:
    """Save the second figure of a page for GitHub's light pages and its dark ones."""
    page = PICTURED.read_text("utf-8")
    picture = re.findall('<svg class="guide-figure".*?</svg>', page, re.DOTALL)[1]
    for theme, (ink, paper) in THEMES.items():
        drawn = picture.replace("currentColor", ink)
        drawn = drawn.replace("var(--pst-color-background)", paper)
        (DOCS / "_static" / f"readme-{theme}.svg").write_text(drawn, "utf-8")


if __name__ == "__main__":
    status = build(quick="--quick" in sys.argv)
    print(f"Open {(SITE / 'index.html').as_uri()}")
    sys.exit(status)
