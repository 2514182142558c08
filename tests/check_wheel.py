"""The built wheel holds the whole package and nothing else, and imports from itself.

Usage: check_wheel.py DIST_DIR
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

dist = Path(sys.argv[1])
root = Path(__file__).parent.parent
(wheel,) = dist.glob("*.whl")
(sdist,) = dist.glob("*.tar.gz")

expected = {
    path.relative_to(root).as_posix()
    for path in (root / "autodiff_guide").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
with zipfile.ZipFile(wheel) as archive:
    found = {name for name in archive.namelist() if ".dist-info/" not in name}
if found != expected:
    sys.exit(f"the wheel differs from the package in {sorted(found ^ expected)}")

with tarfile.open(sdist) as archive:
    names = {name.split("/", 1)[-1] for name in archive.getnames()}
missing = {"LICENSE", "README.md", "CHANGELOG.md", "tox.ini", *expected} - names
if missing:
    sys.exit(f"the source distribution lacks {sorted(missing)}")

code = (
    f"import sys; sys.path.insert(0, {str(wheel)!r}); "
    "import autodiff_guide as ag; print(ag.__version__, ag.__file__)"
)
printed = subprocess.run(
    [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
).stdout
version, location = printed.split()
if not location.startswith(str(wheel)) or f"-{version}-" not in wheel.name:
    sys.exit(f"importing from {wheel.name} gave version {version} at {location}")
print(f"{wheel.name}: {len(found)} files, {wheel.stat().st_size / 1024:.0f} KiB")
