"""
When is it worth sending the data to the GPU?
=============================================

Work grows faster than data: a product of two matrices moves :math:`n^2`
numbers and takes :math:`n^3` multiplications. Beyond some size the copying
is paid back. This page finds that size.
"""

# curriculum: C8.1
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.timing import Timing, readable

device = ag.preferred_device()
has_gpu = device.type != "cpu"
print("accelerator:", device if has_gpu else "none, see below")

# %%
# Two contenders: stay on the CPU, or go to the device, multiply, and come
# back. Without an accelerator the second one stays at home as well: then
# both do the same, and there is nothing to gain.


def stay(size, device):
    x = torch.rand(size, size)
    return lambda: x @ x


def go_and_return(size, device):
    x = torch.rand(size, size)

    def run():
        there = x.to(device)
        return (there @ there).cpu()

    return run


sizes = [30, 100, 300, 600]
timing = ag.compare(
    {"CPU": stay, f"copy, {device.type}, copy": go_and_return},
    sizes=sizes,
    device=device,
    min_run_time=0.06,
)
stored = Path(globals().get("__file__", "")).parent / "copying_gpu.json"
if not has_gpu and stored.exists():
    timing = Timing.load(stored)
print(timing)

# %%
# What decides is the balance of two rates. Measure them where you are: how
# many numbers a copy moves, and how many multiplications a product does.


def copy(size, device):
    x, y = torch.rand(size, size), torch.empty(size, size)
    return lambda: y.copy_(x)


def add(size, device):
    x, y = torch.rand(size, size), torch.empty(size, size)
    return lambda: torch.add(x, x, out=y)


work = {"copy": copy, "sum": add, "product": stay}
rates = ag.compare(work, sizes=[600], min_run_time=0.06)
copied, summed, multiplied = rates.median[:, 0].tolist()
bandwidth = 600**2 * 4 / copied
flops = 2 * 600**3 / multiplied
print(f"copy: {bandwidth / 1e9:.1f} GB/s")
print(f"product: {flops / 1e9:.1f} billion operations a second")

# %%
# An estimate for *any* accelerator follows. Say that its bus moves 25 GB/s,
# that it computes a hundred times as fast as this CPU, and that each of
# three calls costs 10 µs. (These three are assumptions, not measurements.)

n = torch.logspace(1, 3.7, 200, dtype=torch.float64)
at_home = 2 * n**3 / flops
away = 3 * 10e-6 + 2 * n**2 * 4 / 25e9 + 2 * n**3 / (100 * flops)
worth_it = away < at_home
break_even = n[worth_it.int().argmax()].item()
print(f"break-even at about {break_even:.0f} rows")
print(f"there, one product takes {readable(2 * break_even**3 / flops)}")

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
plotting.durations(timing, ax=ax)
ax.plot(n, at_home, "--", label="estimate: CPU")
ax.plot(n, away, ":", label="estimate: an accelerator")
ax.axvline(break_even, linewidth=1)
ax.set_xlabel("rows and columns of the matrix")
ax.legend()
fig.set_label(
    "Time of a matrix product over its size: measured points, and two "
    "estimated curves, one for staying on the CPU and one for going to an "
    f"accelerator. The curves cross at about {break_even:.0f} rows."
)

# %%
# **Where it breaks.** A sum does one addition for each number that is
# moved. Both times below grow with the number of elements, so that no size
# is large enough to change their order.

print(f"sum on this CPU:      {summed / 600**2 * 1e9:.2f} ns an element")
print(f"two there, one back:  {3 * 4 / 25e9 * 1e9:.2f} ns an element")

# %%
# The way out is not to return: copy once, do all the work there, and bring
# back only what you look at. Beware: ``.item()`` and ``print`` bring back.
#
# What is measured differs from machine to machine. What holds on each: work
# grows faster than the other costs, so that beyond the break-even going
# stays worth it.

assert (worth_it.int().diff() >= 0).all()
plt.show()
