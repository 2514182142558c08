"""Build the site: ``python docs/build.py``, or ``--quick`` for a person at work.

A plain build starts from nothing and treats every warning as an error. A quick one
runs again the scripts and chapters that changed, not those that use what changed in the
package. The README's pictures are one that the build made.
"""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

DOCS = Path(__file__).resolve().parent
SITE = DOCS / "_build" / "html"
MADE = ("_build", "api/generated", "auto_gallery", "gen_modules", "jupyter_execute")
PICTURE = DOCS / "auto_gallery/02_gradients/images/sphx_glr_plot_error_valley_002"


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
        for twin, theme in (("", "light"), ("_dark", "dark")):
            picture = DOCS / "_static" / f"readme-{theme}.webp"
            shutil.copyfile(f"{PICTURE}{twin}.webp", picture)
    return status


if __name__ == "__main__":
    status = build(quick="--quick" in sys.argv)
    print(f"Open {(SITE / 'index.html').as_uri()}")
    sys.exit(status)
