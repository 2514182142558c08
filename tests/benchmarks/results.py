"""Write down what a benchmark measured, and where, for the site to show."""

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from autodiff_guide.timing import Provenance

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, the value, its unit, and the limit it may reach.

    A limit is ``at_most`` or ``at_least`` one number, or nothing.
    """

    what: str
    measured: float
    unit: str = "×"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def limit(self) -> str:
        """The limit in words of mathematics."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}"
        return "" if self.at_least is None else f"≥ {self.at_least:g} {self.unit}"

    @property
    def met(self) -> bool:
        """Whether the measured value keeps to the limit."""
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= self.measured <= high


def record(name: str, title: str, rows: list[Row]) -> None:
    """Print the rows, and store them for the site under a name."""
    print(title)
    for row in rows:
        limit = f"{row.limit:>14}{'' if row.met else '  MISSED'}"
        print(f"  {row.what:64} {row.measured:10.3g} {row.unit:5} {limit}")
    here = Provenance.here(torch.device("cpu"), torch.get_num_threads())
    table = {
        "title": title,
        "machine": here.machine,
        "threads": here.threads,
        "torch": here.torch,
        "python": platform.python_version(),
        "date": here.date,
        "rows": [asdict(row) | {"limit": row.limit, "met": row.met} for row in rows],
    }
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
