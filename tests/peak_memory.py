"""What a call adds to the peak of this process's memory, where /proc tells (Linux)."""

from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")
RESET_PEAK = PROCESS / "clear_refs"  # writing 5 here does


def megabytes_added(call: Callable[[], object]) -> float:
    """Return the megabytes by which `call` raises the peak above what is in use."""
    RESET_PEAK.write_text("5")
    before = _megabytes("VmRSS")
    call()
    return max(0.0, _megabytes("VmHWM") - before)


def _megabytes(key: str) -> float:
    lines = (PROCESS / "status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(key)) / 1024
