"""
A compiled descent: thirty-two steps in one call
================================================

A step of a small descent is a dozen operations on a handful of numbers,
and nearly all of its time is Python's. ``minimize(compile=True)`` hands 32
steps at a time to ``torch.compile``. Compiling takes seconds, so it pays
for long descents only. From how many steps on?
"""

# curriculum: C8.1
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import Adam
from autodiff_guide.objectives import CATALOGUE
from autodiff_guide.timing import Timing, readable

# %%
# The call that is measured: Adam on Rosenbrock's valley. Here it runs as it
# is, without a compiler.

start = torch.tensor([-1.2, 1.0])
run = ag.minimize(
    CATALOGUE["rosenbrock"],
    start,
    Adam(0.001),
    steps=1000,
    gradient_below=None,
)
print(run)

# %%
# Compiling needs a C++ compiler and takes longer than this page may, so
# what follows was measured once and is stored beside this script. Measure
# it yourself: add ``compile=True`` to the call above.

stored = Path(globals().get("__file__", "")).parent / "descent_cpu.json"
timing = Timing.load(stored) if stored.exists() else None
if timing:
    print(timing)
    fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    plotting.durations(timing, ax=ax)
    ax.set_xlabel("steps")
    plain, compiled = timing.median
    fig.set_label(
        f"Stored times of a descent over its number of steps. The plain "
        f"one grows from {plain[0]:.2g} to {plain[-1]:.2g} seconds, the "
        f"compiled one from {compiled[0]:.2g} to {compiled[-1]:.2g}."
    )
else:
    print("No stored measurement beside this script.")

# %%
# Both are straight lines: a fixed price and a price for each step. From the
# shortest and the longest descent follow both prices, and where the lines
# cross.

if timing:
    steps = torch.tensor(timing.sizes, dtype=torch.float64)
    each = (timing.median[:, -1] - timing.median[:, 0]) / (
        steps[-1] - steps[0]
    )
    fixed = timing.median[:, 0] - each * steps[0]
    for name, price, per_step in zip(
        timing.names, fixed, each, strict=True
    ):
        print(
            f"{name:9} {readable(max(price.item(), 0.0)):>8} and "
            f"{readable(per_step.item())} a step"
        )
    crossing = ((fixed[1] - fixed[0]) / (each[0] - each[1])).item()
    print(f"a step is {each[0] / each[1]:.0f} times as fast when compiled")
    print(f"it pays from about {crossing:,.0f} steps on")

# %%
# **Where it goes wrong.** A rule that looks for its next point decides by
# values, and a decision cannot be compiled. It is refused, with the way
# out.

from autodiff_guide.descent import BFGS

try:
    ag.minimize(CATALOGUE["rosenbrock"], start, BFGS(), compile=True)
except ValueError as error:
    refusal = str(error)
    print(refusal)

assert "compile" in refusal
if timing:
    assert 0 < crossing < steps[-1]
    assert each[0] > 5 * each[1]
plt.show()
