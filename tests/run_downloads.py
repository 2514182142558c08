"""Run each chapter of the built site as it is downloaded, alone in an empty folder.

Usage: run_downloads.py [FILE...], in an environment that has nothing but
``autodiff-guide[gallery]``. Without files, all that the site offers.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SITE = Path(__file__).parent.parent / "docs" / "_build" / "html"
NOT_HERE = ("myst_nb", "sphinx", "pytest", "IPython")


def code_of(notebook):
    """Return the code cells of a notebook in turn, without the commands of Jupyter."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n\n".join(cell for cell in code if not cell.startswith("%"))


def run(download):
    """Return what went wrong in a download, or nothing, and how long it took."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:
        script = Path(empty, download.name).with_suffix(".py")
        if download.suffix == ".py":
            shutil.copy(download, script)
        else:
            script.write_text(code_of(download), "utf-8")
        ended = subprocess.run(
            [sys.executable, "-I", script],
            cwd=empty,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    wrong = ended.stderr if ended.returncode else ""
    if not wrong and not ended.stdout:
        wrong = "it prints nothing"
    return wrong, time.perf_counter() - start


if __name__ == "__main__":
    if found := [name for name in NOT_HERE if importlib.util.find_spec(name)]:
        sys.exit(f"expected autodiff-guide[gallery] and nothing else, found {found}")
    kept = (SITE / "_downloads" / "guide").glob("*.*")
    downloads = [*map(Path, sys.argv[1:])] or sorted(kept)
    if not downloads:
        sys.exit("run `tox -e docs` first")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, downloads))
    for download, (wrong, seconds) in zip(downloads, results, strict=True):
        print(f"{download.name}: {'FAILED' if wrong else 'ran'}, {seconds:.0f} s")
        print(wrong, end="")
    sys.exit(any(wrong for wrong, _ in results))
