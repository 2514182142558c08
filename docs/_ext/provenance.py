"""What the computed pages depend on besides their own source.

Sphinx-Gallery runs a script again when the script changes, the notebook cache a chapter
when its cells change. Neither sees a change of the package, of torch or of the device.
"""

import hashlib
import json
from pathlib import Path

DOCS = Path(__file__).parent.parent
BUILD = DOCS / "_build"
MADE = ("_build", "api/generated", "auto_gallery", "gen_modules", "jupyter_execute")
FILE = BUILD / "provenance.json"


def now():
    """Return the package's hash, torch's version and the device, as they are now."""
    import torch

    import autodiff_guide as ag

    machinery = [DOCS / "matplotlibrc", *(DOCS / "_ext").glob("*.py")]
    package = [
        path
        for path in (DOCS.parent / "autodiff_guide").rglob("*")
        if path.suffix in {".py", ".toml"}
    ]
    return {
        "package": digest([*package, *machinery]),
        "torch": torch.__version__,
        "device": str(ag.preferred_device()),
    }


def sources():
    """Return the hash of all that the site is written in."""
    directories = (path for path in DOCS.iterdir() if path.name not in MADE)
    inside = (file for directory in directories for file in directory.rglob("*"))
    files = [*DOCS.glob("*"), *inside, *(DOCS.parent / "gallery").rglob("*")]
    return digest(file for file in files if file.is_file() and file.suffix != ".pyc")


def digest(files):
    """Return one hash of the files' contents and names."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(str(file).encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def read():
    """Return what the pages in ``_build`` were computed with, or nothing."""
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}


def write(provenance):
    BUILD.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(provenance, indent=1), "utf-8")
