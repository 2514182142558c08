"""
More threads help only where there is enough to share
=====================================================

Torch can split one operation among several threads. Handing out the work
costs time as well, so small operations run on one thread whatever you set.
"""

# curriculum: C8.1
import os

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting

device = torch.device("cpu")
print(f"{os.cpu_count()} cores; torch uses {torch.get_num_threads()}")

# %%
# An element-wise function, on one thread and on two. ``compare`` sets the
# number while it measures, and puts the old one back.


def sigmoid(size, device):
    x = torch.rand(size, device=device)
    return lambda: torch.sigmoid(x)


sizes = [1_000, 10_000, 100_000, 1_000_000]
before = torch.get_num_threads()
timings = {
    threads: ag.compare(
        {f"sigmoid, {threads} thread{'s' * (threads > 1)}": sigmoid},
        sizes=sizes,
        device=device,
        threads=threads,
        min_run_time=0.06,
    )
    for threads in (1, 2)
}
for timing in timings.values():
    print(timing)

# %%
# Drawn over the number of elements. Up to 32,768 elements torch does not
# split an element-wise operation at all, so both curves begin together.

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for timing in timings.values():
    plotting.durations(timing, ax=ax)
ax.set_xlabel("elements")
gain = (timings[1].median / timings[2].median).squeeze()
fig.set_label(
    "Median time of a sigmoid over the number of elements, on one thread "
    f"and on two. At {sizes[-1]:,} elements two threads are {gain[-1]:.2f} "
    f"times as fast, at {sizes[0]:,} {gain[0]:.2f} times."
)

# %%
# **Where it breaks.** Two threads can be twice as fast, not more. This is
# what they gained on the machine that built this page. Below 1, two threads
# were *slower* than one: each waited for the other, because another program
# held the second core.

for size, factor in zip(sizes, gain.tolist(), strict=True):
    print(f"{size:>9,} elements: {factor:.2f} times as fast")

# %%
# **Why it matters.** Several programs at once, each with all the threads,
# share the same cores and wait for each other. Data loaders, test runners
# and this site's build therefore set one thread for each process:
# ``OMP_NUM_THREADS=1``, which NumPy obeys too.
#
# The number of threads is also a part of the *result*. A sum split in two
# adds in another order, and rounds differently.

x = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0))
sums = []
for threads in (1, 2):
    torch.set_num_threads(threads)
    sums.append(x.sum().item())
torch.set_num_threads(before)
exact = x.double().sum().item()
print("off by", [f"{total - exact:+.4f}" for total in sums])

assert torch.get_num_threads() == before
assert [t.provenance.threads for t in timings.values()] == [1, 2]
assert all(abs(total - exact) < 1e-5 * exact for total in sums)
plt.show()
