"""Hold the built site to what it promises: ``python docs/checks [HTML_DIR]``."""

import sys
from pathlib import Path

import addresses
import downloads
import offline
import scripts
import weight

DOCS = Path(__file__).parent.parent
site = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "_build" / "html"

if not (site / "index.html").exists():
    sys.exit("run `tox -e docs` first")
faults = [
    f"{check.__name__}: {fault}"
    for check in (offline, addresses, downloads, scripts, weight)
    for fault in check.faults(site)
]
print("\n".join(faults) or f"{site}: nothing to complain of")
sys.exit(bool(faults))
