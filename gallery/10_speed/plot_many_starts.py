"""
A thousand descents for the price of a few
==========================================

One descent does tiny operations, and each costs a call. A thousand starts
stacked in one tensor cost the same number of calls.
"""

# curriculum: C8.1
import matplotlib.pyplot as plt
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import autodiff_guide as ag
from autodiff_guide import plotting

device = ag.preferred_device()

# %%
# A function with several valleys, and its gradient by hand. The last axis
# holds the coordinates; any axes before it are separate starts.


def valleys(point):
    return (0.1 * point**2 + 0.1 * point + torch.cos(2 * point)).sum(-1)


def slope(point):
    return 0.2 * point + 0.1 - 2 * torch.sin(2 * point)


def descend(points, steps=50, lr=0.2):
    for _ in range(steps):
        points = points - lr * slope(points)
    return points


generator = torch.Generator().manual_seed(0)
starts = 8 * torch.rand(1000, 2, generator=generator) - 4
starts = starts.to(device)

# %%
# All at once or one after the other: the same bottoms.

together = descend(starts)
alone = torch.stack([descend(start) for start in starts[:20]])
print("largest difference", (together[:20] - alone).abs().max().item())

# %%
# And the time, over the number of starts.


def stacked(size, device):
    return lambda: descend(starts[:size])


def in_a_loop(size, device):
    return lambda: [descend(start) for start in starts[:size]]


sizes = [1, 10, 100]
timing = ag.compare(
    {"one after the other": in_a_loop, "all at once": stacked},
    sizes=sizes,
    device=device,
    min_run_time=0.1,
)
print(timing)

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
plotting.durations(timing, ax=ax)
ax.set_xlabel("starts")
gain = (timing.median[0] / timing.median[1]).tolist()
fig.set_label(
    "Time of 50 steps of descent over the number of starts. In a loop it "
    "grows in proportion; stacked it hardly grows. At "
    f"{sizes[-1]} starts stacking is {gain[-1]:.0f} times as fast."
)

# %%
# The times are this machine's. The reason for them is the same on all: the
# number of operations that torch is asked for.


class Count(TorchDispatchMode):
    """Counts the operations that torch is asked for."""

    asked = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.asked += 1
        return operation(*args, **(kwargs or {}))


def operations(run):
    with Count() as count:
        run()
    return count.asked


loops = [operations(in_a_loop(size, device)) for size in sizes]
stacks = [operations(stacked(size, device)) for size in sizes]
print("in a loop:", loops, "stacked:", stacks)

# %%
# What it is good for: from one start you find *a* valley. From a thousand
# you see which valleys there are, how deep, and how likely to be found.

depths = valleys(together)
found, counts = (100 * depths).round().unique(return_counts=True)
found, shares = (found / 100).tolist(), (counts / len(starts)).tolist()
fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.barh([f"{depth:.2f}" for depth in found], shares)
ax.invert_yaxis()
ax.set(xlabel="share of the starts", ylabel="depth reached")
fig.set_label(
    f"A thousand starts end at {len(found)} depths. The deepest, "
    f"{found[0]:.2f}, is reached from {shares[0]:.0%} of them."
)

# %%
# **Where it breaks.** A stacked function must treat each start alone. A sum
# over the wrong axis mixes them, and one number comes out for all.

mixed = (0.5 * starts**2).sum()
separate = (0.5 * starts**2).sum(-1)
print(tuple(mixed.shape), "instead of", tuple(separate.shape))

# %%
# ``torch.vmap`` is the way out when a function is written for one start: it
# adds the axis for you, and no sum can reach across.

by_vmap = torch.vmap(valleys)(together)

assert torch.allclose(together[:20], alone, atol=1e-5)
assert torch.allclose(by_vmap, depths)
assert min(stacks) == max(stacks) < loops[-1] / 50
assert torch.allclose(slope(together), torch.zeros_like(starts), atol=1e-4)
assert len(found) > 3
plt.show()
