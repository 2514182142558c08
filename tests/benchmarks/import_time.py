"""What ``import autodiff_guide`` adds to ``import torch``, in fresh processes.

Each round starts two processes in turn: torch alone, and torch and then the package.
"""

import subprocess
import sys
from statistics import median

from results import Row, record

ROUNDS = 31

TORCH_ALONE = """
from time import perf_counter
start = perf_counter()
import torch
print((perf_counter() - start) * 1e3)
"""
PACKAGE_TOO = """
from time import perf_counter
import torch
start = perf_counter()
import autodiff_guide
print((perf_counter() - start) * 1e3)
"""


def milliseconds(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    rounds = [
        (milliseconds(TORCH_ALONE), milliseconds(PACKAGE_TOO)) for _ in range(ROUNDS)
    ]
    alone, added = (median(column) for column in zip(*rounds, strict=True))
    record(
        "import_time",
        "Importing the package",
        [
            Row("import torch", alone, "ms"),
            Row("import autodiff_guide, after it", added, "ms", at_most=30),
        ],
    )
