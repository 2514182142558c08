"""How long things take, measured rightly and with where it was measured.

Built on ``torch.utils.benchmark``: it warms up, waits for the accelerator before it
reads the clock, sets the number of threads and repeats.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from autodiff_guide._printed import Printed, Table

__all__ = ["Provenance", "Timing", "compare", "readable"]

Device = torch.device
Prepare = Callable[[int, Device], Callable[[], object]]

ROUNDS = 3
QUARTILES = {"lower": 0.25, "median": 0.5, "upper": 0.75}


@dataclass(frozen=True)
class Provenance:
    """Where and when something was measured.

    Parameters
    ----------
    machine : str
        Name of the processor, or of the accelerator.
    device : str
        The torch device asked for.
    torch : str
        Version of torch.
    threads : int
        Threads that one operation may use in torch.
    date : str
        Day of the measurement, in UTC.
    """

    machine: str
    device: str
    torch: str
    threads: int
    date: str

    @classmethod
    def here(cls, device: Device, threads: int) -> Provenance:
        """Say what is measured now, on this machine, by `device`.

        Parameters
        ----------
        device : torch.device
            What computes.
        threads : int
            Threads that torch may use for one operation.

        Returns
        -------
        Provenance
        """
        today = datetime.now(UTC).date().isoformat()
        return cls(_machine(device), str(device), torch.__version__, threads, today)

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.machine}, {threads}, torch {self.torch}, {self.date}"


@dataclass(frozen=True, eq=False)
class Timing(Printed):
    """Seconds that each contender took at each size.

    As text it is a table of medians, ± half the distance between the quartiles.

    Parameters
    ----------
    names : tuple of str
        The contenders.
    sizes : tuple of int
        The sizes.
    median, lower, upper : Tensor
        Median and quartiles of the repeated runs in seconds, float64, shape
        ``(names, sizes)``.
    dtypes : tuple of str
        What each contender returned; empty where that has no dtype.
    provenance : Provenance
        Where and when.
    in_this_build : bool
        False for a result read from a file.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    median: Tensor
    lower: Tensor
    upper: Tensor
    dtypes: tuple[str, ...]
    provenance: Provenance
    in_this_build: bool = True

    @property
    def iqr(self) -> Tensor:
        """Distance between the quartiles, in seconds."""
        return self.upper - self.lower

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know before trusting a comparison."""
        remarks = []
        if len({dtype for dtype in self.dtypes if dtype}) > 1:
            pairs = zip(self.names, self.dtypes, strict=True)
            each = ", ".join(f"{name} {dtype}" for name, dtype in pairs if dtype)
            remarks.append(f"not a fair comparison, the dtypes differ: {each}")
        if not self.in_this_build:
            remarks.append("not run in this build")
        return tuple(remarks)

    def save(self, path: str | Path) -> None:
        """Store it as JSON, so that a machine without the device can show it.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        record = asdict(replace(self, in_this_build=False))
        record |= {name: record[name].tolist() for name in QUARTILES}
        Path(path).write_text(json.dumps(record, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Timing:
        """Read what `save` stored; it says that it was not run here.

        Parameters
        ----------
        path : str or Path
            File to read.

        Returns
        -------
        Timing

        Raises
        ------
        ValueError
            If the file does not hold a timing.
        """
        try:
            record = json.loads(Path(path).read_text("utf-8"))
            record["provenance"] = Provenance(**record["provenance"])
            for name in ("names", "sizes", "dtypes"):
                record[name] = tuple(record[name])
            for name in QUARTILES:
                record[name] = torch.tensor(record[name], dtype=torch.float64)
            return cls(**record)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"path: expected a file written by Timing.save, got {path}; "
                f"it does not read as one ({error})"
            ) from error

    def _notes(self) -> tuple[str, ...]:
        return self.remarks

    def _table(self) -> Table:
        rows = [
            (str(size), *map(_spread, medians, distances))
            for size, medians, distances in zip(
                self.sizes, self.median.T.tolist(), self.iqr.T.tolist(), strict=True
            )
        ]
        dtype = f"; {self.dtypes[0]}" if len(set(self.dtypes)) == 1 else ""
        return Table(f"{self.provenance}{dtype}", rows, ("size", *self.names))


def compare(
    contenders: Mapping[str, Prepare],
    *,
    sizes: Sequence[int],
    device: torch.device | str = "cpu",
    threads: int = 1,
    min_run_time: float = 0.1,
) -> Timing:
    """Time several ways of doing the same thing.

    Each contender prepares its operands first; only what it returns is timed. It is
    run once to warm up, then in rounds that alternate between the contenders, so that
    a disturbance does not hit one of them alone. The accelerator, where there is one,
    is waited for.

    Parameters
    ----------
    contenders : mapping of str to callable
        ``prepare(size, device)`` returns the function to time, which takes nothing.
    sizes : sequence of int
        Passed to each contender, one after the other.
    device : torch.device or str
        Passed to each contender.
    threads : int
        Threads that torch may use for one operation. It does not bind NumPy.
    min_run_time : float
        Seconds to measure each contender at each size, at least.

    Returns
    -------
    Timing
        Medians and quartiles, and where they were measured.

    Raises
    ------
    TypeError
        If a contender does not return a function.
    ValueError
        If there are no contenders or no sizes, or `threads` is below 1.

    Examples
    --------
    >>> def product(size, device):
    ...     a = torch.ones(size, size, device=device)
    ...     return lambda: a @ a
    >>> timing = compare({"torch": product}, sizes=[10, 20], min_run_time=0.001)
    >>> timing.median.shape, timing.dtypes
    (torch.Size([1, 2]), ('float32',))
    """
    if not contenders or not sizes:
        raise ValueError(
            f"contenders, sizes: expected at least one of each, got {len(contenders)} "
            f"and {len(sizes)}; for example {{'torch': prepare}}, sizes=[100]"
        )
    if threads < 1:
        raise ValueError(
            f"threads: expected at least 1, got {threads}; the machine's own choice "
            "is torch.get_num_threads()"
        )
    device = torch.device(device)
    shares = torch.tensor(list(QUARTILES.values()), dtype=torch.float64)
    quartiles = torch.empty(3, len(contenders), len(sizes), dtype=torch.float64)
    for column, size in enumerate(sizes):
        runs = {name: make(size, device) for name, make in contenders.items()}
        for name, run in runs.items():
            if not callable(run):
                raise TypeError(
                    f"contenders[{name!r}]: expected prepare(size, device) to return a "
                    f"function to time, got {type(run).__name__}; put the work in a "
                    "lambda"
                )
        dtypes = tuple(_dtype(run()) for run in runs.values())
        for row, times in enumerate(_alternate(runs.values(), threads, min_run_time)):
            quartiles[:, row, column] = times.quantile(shares)
    return Timing(
        names=tuple(contenders),
        sizes=tuple(sizes),
        **dict(zip(QUARTILES, quartiles, strict=True)),
        dtypes=dtypes,
        provenance=Provenance.here(device, threads),
    )


def _dtype(result: object) -> str:
    return str(getattr(result, "dtype", "")).removeprefix("torch.")


def _alternate(
    runs: Iterable[Callable[[], object]], threads: int, min_run_time: float
) -> list[Tensor]:
    """Return for each run the seconds of all its blocks."""
    timers = [Timer("run()", globals={"run": run}, num_threads=threads) for run in runs]
    rounds = [
        [
            timer.blocked_autorange(min_run_time=min_run_time / ROUNDS)
            for timer in timers
        ]
        for _ in range(ROUNDS)
    ]
    return [
        torch.tensor([t for block in blocks for t in block.times], dtype=torch.float64)
        for blocks in zip(*rounds, strict=True)
    ]


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def readable(seconds: float) -> str:
    """Write a duration with three digits and a unit.

    Parameters
    ----------
    seconds : float
        The duration.

    Returns
    -------
    str

    Examples
    --------
    >>> readable(0.00123), readable(2.5e-8)
    ('1.23 ms', '25 ns')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _spread(median: float, iqr: float) -> str:
    return f"{readable(median)} ± {readable(iqr / 2)}"
