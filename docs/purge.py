"""Remove what an earlier build computed and this one must compute again.

``python docs/purge.py`` does so if the package, torch or the device has changed since;
``python docs/purge.py --all`` does so always.
"""

import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

import provenance  # noqa: E402

now = provenance.now()
if "--all" in sys.argv or provenance.read() != now:
    for made in ("_build", "api", "auto_gallery", "gen_modules", "jupyter_execute"):
        shutil.rmtree(DOCS / made, ignore_errors=True)
    provenance.write(now)
