"""
Checkpointing trades time for memory
====================================

The backward pass needs values of the forward pass, and a deep network has
many of them.
Checkpointing keeps a few of them and computes the others again.
"""

# curriculum: C5.10
import statistics
import time
import weakref
from collections import Counter

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# Sixty-four layers, and a batch of rows to send through.

torch.manual_seed(0)
layers = [nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(64)]
network = nn.Sequential(*layers).to(device)
batch = torch.randn(256, 64, device=device, requires_grad=True)

# %%
# What does the graph hold? torch lets us see each tensor that is saved and
# when it is let go. The weights are there anyway and do not count.


class Saved:
    """Stands for a saved tensor as long as the graph holds it."""

    def __init__(self, tensor):
        self.tensor = tensor


class Meter:
    """Counts the bytes that a graph has saved, and the most it had."""

    def __init__(self, network):
        parameters = network.parameters()
        self.known = {p.untyped_storage().data_ptr() for p in parameters}
        self.held, self.now, self.peak = Counter(), 0, 0

    def pack(self, tensor):
        saved = Saved(tensor)
        place = tensor.untyped_storage().data_ptr()
        if place not in self.known:
            self.add(place, 1, tensor.nbytes)
            weakref.finalize(saved, self.add, place, -1, -tensor.nbytes)
        return saved

    def add(self, place, one, size):
        if max(self.held[place], self.held[place] + one) == 1:
            self.now += size  # the first to save it, or the last to let go
        self.held[place] += one
        self.peak = max(self.peak, self.now)


def run(segments):
    if segments is None:
        return network(batch)
    return checkpoint_sequential(
        network, segments, batch, use_reentrant=True
    )


def measure(segments):
    meter, start = Meter(network), time.perf_counter()
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(meter.pack, lambda saved: saved.tensor):
        run(segments).square().mean().backward()
    seconds = time.perf_counter() - start
    gradient, batch.grad = batch.grad, None
    network.zero_grad()
    return meter.peak / 1e6, 1000 * seconds, gradient


# %%
# Without checkpoints, and with 2 to 32 of them. Each is run three times in
# turn, and the time is a median.

choices = [None, 2, 4, 8, 16, 32]
runs = {choice: [] for choice in choices}
for _ in range(3):
    for choice in choices:
        runs[choice].append(measure(choice))
megabytes = [runs[choice][0][0] for choice in choices]
times = [
    statistics.median(taken for _, taken, _ in runs[choice])
    for choice in choices
]
for choice, size, taken in zip(choices, megabytes, times, strict=True):
    print(f"segments {choice}: {size:5.2f} MB saved, {taken:5.1f} ms")

# %%
# Few segments are long, and each is held in full while it is computed
# again. Many segments are short, and each keeps its input. The best number
# is near the root of the depth: here 8 of 64.

fig, (top, bottom) = plt.subplots(
    2, 1, sharex=True, figsize=(6.4, 4.4), layout="constrained"
)
names = ["none", *map(str, choices[1:])]
top.bar(names, megabytes)
top.set(ylabel="saved at most [MB]")
bottom.bar(names, times, color="C1")
bottom.set(xlabel="number of segments", ylabel="time [ms]")
least = min(megabytes)
fig.set_label(
    f"Without checkpoints the graph holds {megabytes[0]:.1f} MB. With "
    f"{names[megabytes.index(least)]} segments it holds {least:.1f} MB at "
    "most, and the run took "
    f"{times[megabytes.index(least)] / times[0]:.1f} times as long."
)

# %%
# **Where it breaks.** The layers run twice, so what they do besides
# computing happens twice: a counter counts double, a running mean moves
# twice. Only the random numbers are replayed.

calls = []
counted = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)).to(device)
counted[0].register_forward_hook(lambda *_: calls.append(1))
checkpoint_sequential(
    counted, 2, batch, use_reentrant=True
).sum().backward()
print("calls of a layer in one step:", len(calls))

# %%
# The gradient is the same as without.

plain, *others = (runs[choice][0][2] for choice in choices)
for other in others:
    torch.testing.assert_close(other, plain)
assert least < megabytes[0] / 3
assert names[megabytes.index(least)] in ("8", "16")
assert len(calls) == 2
plt.show()
