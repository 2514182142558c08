"""What `import autodiff_guide` adds to `import torch`: a median over fresh processes.

Each round starts two processes in turn: torch alone, and torch and then the package.
Run it as ``python tests/benchmarks/import_time.py``; it fails above 30 ms.
"""

import subprocess
import sys
from statistics import median

ROUNDS = 31
LIMIT_MS = 30.0

MEASURE = """
from time import perf_counter
import torch
start = perf_counter()
import autodiff_guide
print((perf_counter() - start) * 1e3)
"""
TORCH_ALONE = """
from time import perf_counter
start = perf_counter()
import torch
print((perf_counter() - start) * 1e3)
"""


def _milliseconds(program: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure, print the medians, and fail above the limit."""
    rounds = [
        (_milliseconds(TORCH_ALONE), _milliseconds(MEASURE)) for _ in range(ROUNDS)
    ]
    torch_ms, added_ms = (median(column) for column in zip(*rounds, strict=True))
    print(f"import torch           {torch_ms:8.1f} ms")
    print(f"import autodiff_guide  {added_ms:8.1f} ms more")
    print(f"ratio                  {(torch_ms + added_ms) / torch_ms:8.4f}")
    if added_ms > LIMIT_MS:
        sys.exit(f"expected at most {LIMIT_MS} ms more, got {added_ms:.1f}")


if __name__ == "__main__":
    main()
