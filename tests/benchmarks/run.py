"""Run the benchmarks named, or all that download nothing, each in its own process.

Usage: run.py [NAME ...]
"""

import os
import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
shared = {"run", "results"}
every = sorted({path.stem for path in here.glob("[a-z]*.py")} - shared)
names = sys.argv[1:] or [name for name in every if name != "suites"]
if unknown := set(names) - set(every):
    sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(every)}")

one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
failed = []
for name in names:
    print(f"== {name}", flush=True)
    command = [sys.executable, str(here / f"{name}.py")]
    if subprocess.run(command, env=one_thread, check=False).returncode:
        failed.append(name)
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
