"""Build the site: ``python docs/build.py``, or ``--quick`` for a person at work.

A plain build starts from nothing and treats every warning as an error. A quick one
computes again what changed, and everything if the package, torch or the device did.
The README's picture is one that the build made.
"""

import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SITE = DOCS / "_build" / "html"
PICTURE = DOCS / "auto_gallery/02_gradients/images/sphx_glr_plot_error_valley_002"

sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

import provenance  # noqa: E402 - it lives among the extensions


def build(quick: bool) -> int:
    """Build what is needed and return Sphinx's exit status."""
    before, now, sources = provenance.read(), provenance.now(), provenance.sources()
    if quick and before == {**now, "sources": sources}:
        print("Nothing has changed since the last build.")
        return 0
    if not quick or not now.items() <= before.items():
        for name in provenance.MADE:
            shutil.rmtree(DOCS / name, ignore_errors=True)
    provenance.write(now)
    # without it the theme, in a build that fails early, writes a file of this name
    (SITE / "_static").mkdir(parents=True, exist_ok=True)
    from sphinx.cmd.build import main as sphinx_build

    strict = [] if quick else ["-W", "--keep-going"]
    status = sphinx_build([*strict, "-n", "-b", "html", str(DOCS), str(SITE)])
    if status == 0:
        for twin, theme in (("", "light"), ("_dark", "dark")):
            picture = DOCS / "_static" / f"readme-{theme}.webp"
            shutil.copyfile(f"{PICTURE}{twin}.webp", picture)
        provenance.write({**now, "sources": sources})
    return status


if __name__ == "__main__":
    status = build(quick="--quick" in sys.argv)
    print(f"Open {(SITE / 'index.html').as_uri()}")
    sys.exit(status)
