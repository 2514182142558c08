"""What the computed pages depend on besides their own source.

Sphinx-Gallery runs a script again when the script changes, the notebook cache a chapter
when its cells change. Neither sees a change of the package, of torch or of the device.
"""

import hashlib
import json
from pathlib import Path

DOCS = Path(__file__).parent.parent
BUILD = DOCS / "_build"
FILE = BUILD / "provenance.json"


def now():
    """Return the package's hash, torch's version and the device, as they are now."""
    import torch

    import autodiff_guide as ag

    sources = hashlib.sha256()
    for path in sorted((DOCS.parent / "autodiff_guide").rglob("*.py")):
        sources.update(path.read_bytes())
    for path in (DOCS / "matplotlibrc", *sorted((DOCS / "_ext").glob("*.py"))):
        sources.update(path.read_bytes())
    return {
        "package": sources.hexdigest(),
        "torch": torch.__version__,
        "device": str(ag.preferred_device()),
    }


def read():
    """Return what the pages in ``_build`` were computed with, or nothing."""
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}


def write(provenance):
    BUILD.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(provenance, indent=1), "utf-8")
