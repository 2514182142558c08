"""The checker in other projects' tests: ``python tests/benchmarks/suites.py --help``.

Downloads published packages whose tests call torch's gradcheck, runs those tests, and
has each call made by torch's slow mode, by its fast mode and by us. A call becomes one
line of JSON. The summary compares seconds of processor time, by the number n of
elements differentiated, over the calls that both pass, and lists the calls on which
the verdicts differ.

pip fetches the sources, and what their tests import, into a folder that git ignores;
the tests run under the Python that runs this file. A suite that is aside is one that
nobody looks at while the checker is worked on: ``--aside`` runs those, and no others.
It downloads, so ``tox -e bench`` runs it only if asked to: ``tox -e bench -- suites``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# Half-open ranges of n.
BANDS = {"n < 5": (0, 5), "5-20": (5, 20), "20-100": (20, 100), "> 100": (100, 1e9)}

Line = dict[str, Any]


@dataclass(frozen=True)
class Suite:
    """A source distribution, and those of its tests that check gradients.

    `paths` lie in it, `words` is a pytest expression (``-k``), `needs` is what the
    tests import besides torch, NumPy and SciPy, and `cases` how many cases of one
    parametrised test are drawn.
    """

    name: str
    version: str
    paths: tuple[str, ...]
    words: str = ""
    needs: tuple[str, ...] = ()
    cases: int = 8
    aside: bool = False

    @property
    def folder(self) -> str:
        """What the archive unpacks to."""
        return f"{self.name.replace('-', '_')}-{self.version}"


SUITES = [
    Suite("entmax", "1.0", ("entmax",)),
    Suite("kornia", "0.5.11", ("test",), "gradcheck"),
    Suite(
        *("pyqtorch", "1.7.8", ("tests/test_embedding.py",), "grads"),
        needs=("qutip==5.3.1",),
    ),
    # Of its devices, the second is the processor with ten threads.
    Suite("torch-interpol", "0.3.0", ("interpol",), "not device1", cases=15),
    Suite(
        *("xitorch", "0.5.1"),
        tuple(
            f"xitorch/_tests/test_{what}.py"
            for what in ("integrate", "interp", "jac", "linop_fcns", "optimize")
        ),
    ),
    Suite(
        *("gpytorch", "1.15.2", ("test/functions",)),
        needs=("linear_operator==0.6.1", "jaxtyping==0.3.11", "wadler-lindig==0.1.8"),
        aside=True,
    ),
    Suite(
        *("torch-harmonics", "0.8.0", ("tests/test_sht.py",), "grads"),
        needs=("parameterized==0.9.0",),
        aside=True,
    ),
    Suite(
        *("torchlpc", "0.7.2", ("tests/test_grad.py",), "cpu"),
        needs=("numba==0.68.1", "llvmlite==0.50.0"),
        cases=4,
        aside=True,
    ),
]


def fetch(suite: Suite, folder: Path) -> Path:
    """Return where the source of a suite lies, with what it needs; download it once."""
    source = folder / suite.folder
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pinned = os.environ | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    if not source.exists():
        what = f"{suite.name}=={suite.version}"
        get = ["download", "--quiet", "--no-deps", "--no-binary", suite.name, what]
        subprocess.run([*pip, *get, "--dest", str(folder)], env=pinned, check=True)
        with tarfile.open(folder / f"{suite.folder}.tar.gz") as packed:
            packed.extractall(folder, filter="data")
    needed = folder / f"{suite.folder}-needs"
    if suite.needs and not needed.exists():
        put = ["install", "--quiet", "--no-deps", "--target", str(needed)]
        subprocess.run([*pip, *put, *suite.needs], env=pinned, check=True)
    return source


def run(suite: Suite, folder: Path, record: Path, seconds: float) -> None:
    """Run the tests of a suite, and add their calls to a file."""
    source = fetch(suite, folder)
    paths = [source, folder / f"{suite.folder}-needs", ROOT, HERE]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "_recorder",
        "-p",
        "no:cacheprovider",
    ]
    options = [
        *("-c", os.devnull, "--rootdir", ".", "--import-mode", "importlib"),
        *("-q", "-W", "ignore", "--tb", "no", "-r", "N", "-k", suite.words),
        *("--record", str(record), "--suite", f"{suite.name} {suite.version}"),
        *("--cases", str(suite.cases), "--seconds", str(seconds)),
    ]
    command = [*pytest, *options, *suite.paths]
    try:
        subprocess.run(
            command, cwd=source, env=environment, check=False, timeout=3 * seconds
        )
    except subprocess.TimeoutExpired:
        print(f"{suite.name}: one call took too long", flush=True)


def band_rows(lines: Sequence[Line], peer: str) -> list[str]:
    """Return a row for each band: what the peer and we took where both pass."""
    rows = []
    for name, (low, high) in [*BANDS.items(), ("in all", (0, 1e9))]:
        both = [
            (line[peer]["seconds"], line["ours"]["seconds"])
            for line in lines
            if low <= line["n"] < high and passes(line, peer) and passes(line, "ours")
        ]
        if both:
            theirs, ours = (sum(column) for column in zip(*both, strict=True))
            median = statistics.median(a / b for a, b in both)
            rows.append(
                f"{peer} / ours  {name:8}{len(both):6} calls{theirs / ours:8.2f} ×"
                f"{median:8.2f} × (median){theirs - ours:10.2f} s saved"
            )
    return rows


def passes(line: Line, who: str) -> bool:
    return line[who]["verdict"] == "pass"


def summary(lines: Sequence[Line]) -> str:
    """Return the table of speed, and the calls on which we and the slow mode differ."""
    text = [f"{len(lines)} calls, of {len({x['suite'] for x in lines})} suites"]
    for peer in ("slow", "fast"):
        text += band_rows(lines, peer)
    for line in lines:
        ours = line["ours"]
        if ours["verdict"] != "none" and passes(line, "slow") != passes(line, "ours"):
            text += [
                f"{line['suite']} {line['test']}, {line['call']}, n = {line['n']}",
                *(f"    {who}: {_said(line[who])}" for who in ("slow", "fast", "ours")),
            ]
    return "\n".join(text)


def _said(one: Line) -> str:
    kinds = f" ({', '.join(one['kinds'])})" if "kinds" in one else ""
    return f"{one['verdict']}{kinds} {one.get('message', '')[:200]}".strip()


def main() -> None:
    """Run the suites named, or all that are not aside, and print the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [suite.name for suite in SUITES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--aside", action="store_true", help="run those set aside")
    parser.add_argument("--seconds", type=float, default=300, help="for each suite")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "suites")
    parser.add_argument("--record", type=Path, help="of calls, JSON lines to add to")
    parser.add_argument("--summary", action="store_true", help="of the record, only")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"no suite {', '.join(sorted(unknown))}")
    options.folder.mkdir(parents=True, exist_ok=True)
    default = "aside.jsonl" if options.aside else "calls.jsonl"
    record = (options.record or options.folder / default).resolve()
    for suite in SUITES:
        asked = suite.name in options.names if options.names else True
        if asked and suite.aside == options.aside and not options.summary:
            print(f"== {suite.name} {suite.version}", flush=True)
            run(suite, options.folder.resolve(), record, options.seconds)
    lines = record.read_text(encoding="utf-8").splitlines()
    print(summary([json.loads(line) for line in lines]))


if __name__ == "__main__":
    main()
