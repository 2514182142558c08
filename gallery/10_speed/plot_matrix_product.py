"""
A fair race: one dtype, a warm start, a clock that waits
========================================================

A comparison of torch with NumPy needs the same dtype on both sides, a warm
start, and a clock that waits for the GPU. Here is a matrix product of 500
by 500, timed wrongly in three ways and then rightly.
"""

# curriculum: C8.1
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.timing import Timing, readable

device = ag.preferred_device()
print("accelerator:", "none" if device.type == "cpu" else device)

# %%
# **Wrong, twice in two lines.** NumPy makes float64 by default and torch
# float32: half the bytes, half the work. And each runs *once*: whoever
# comes first also pays for waking threads and for loading code.

x = np.random.default_rng(0).random((500, 500))
y = torch.rand(500, 500)
start = perf_counter()
x @ x
middle = perf_counter()
y @ y
stop = perf_counter()
print(f"numpy {readable(middle - start)}, {x.dtype}")
print(f"torch {readable(stop - middle)}, {y.dtype}")

# %%
# **Right.** :func:`autodiff_guide.compare` warms each contender up, lets
# them take turns, and gives the median with the spread. It cannot make a
# comparison fair, but it says when the dtypes differ.


def numpy_product(size, device, dtype=np.float32):
    a = np.random.default_rng(0).random((size, size)).astype(dtype)
    return lambda: a @ a


def numpy_default(size, device):
    return numpy_product(size, device, np.float64)


def torch_product(size, device):
    a = torch.rand(size, size, device=device)
    return lambda: a @ a


def race(contenders, sizes=(10, 30, 100, 300, 500), device="cpu"):
    quick = {"device": device, "min_run_time": 0.05}
    return ag.compare(contenders, sizes=sizes, **quick)


mixed = race({"numpy": numpy_default, "torch": torch_product}, [500])
print(mixed)

# %%
# Over sizes, and both in float32. For small matrices it is the cost of the
# call that is measured.

fair = race({"NumPy": numpy_product, "torch, CPU": torch_product})
print(fair)

# %%
# On an accelerator, if this machine has one. Otherwise a stored result of
# another machine, if there is one beside this script.

stored = Path(globals().get("__file__", "")).parent / "product_gpu.json"
timings = [fair]
if device.type != "cpu":
    timings.append(race({"torch, GPU": torch_product}, device=device))
elif stored.exists():
    timings.append(Timing.load(stored))
else:
    print("No accelerator here, and no stored result: CPU only.")

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
last = []
for timing in timings:
    plotting.durations(timing, ax=ax)
    medians = map(readable, timing.median[:, -1].tolist())
    last += map("{} {}".format, timing.names, medians)
ax.set_xlabel("rows and columns of the matrix")
fig.set_label(
    "Median time of a matrix product over its size, both axes logarithmic. "
    f"At the largest size: {', '.join(last)}."
)

# %%
# **Wrong, the third way: a clock that does not wait.** A GPU is *told* what
# to do and the call returns at once. Read the clock then, and you have
# measured the telling. A worker thread behaves the same, on any machine.


def launch_and_finish(launch, wait):
    start = perf_counter()
    job = launch()
    launched = perf_counter() - start
    wait(job)
    return launched, perf_counter() - start


big = torch.rand(1500, 1500)
with ThreadPoolExecutor(1) as worker:
    worker.submit(int).result()
    times = launch_and_finish(
        lambda: worker.submit(torch.mm, big, big), lambda job: job.result()
    )
print("thread: launched {}, done {}".format(*map(readable, times)))
if device.type != "cpu":
    big = big.to(device)
    times = launch_and_finish(
        lambda: big @ big, lambda _: torch.accelerator.synchronize()
    )
    print("GPU: launched {}, done {}".format(*map(readable, times)))

# %%
# The fix is one call before each reading of the clock:
# ``torch.accelerator.synchronize()``. ``compare`` makes it for you.

assert any("float64" in remark for remark in mixed.remarks)
assert fair.remarks == ()
assert np.allclose(y.numpy() @ y.numpy(), (y @ y).numpy())
assert times[0] <= times[1]
plt.show()
