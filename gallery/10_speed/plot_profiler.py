"""
Where the time goes: ask the profiler, not your intuition
=========================================================

The slow line is seldom the one that looks expensive. The profiler counts
every operation that torch runs, and the time that each of them takes.
"""

# curriculum: C8.2
import matplotlib.pyplot as plt
import torch
from torch.profiler import ProfilerActivity, profile

import autodiff_guide as ag

device = ag.preferred_device()
generator = torch.Generator().manual_seed(0)
X = torch.randn(200, 64, generator=generator).to(device)
y = torch.randn(200, generator=generator).to(device)
w = torch.randn(64, generator=generator).to(device).requires_grad_()

# %%
# Two ways to the same loss: one sample after the other, as in the formula,
# or all samples at once.


def one_by_one():
    total = 0
    for i in range(len(X)):
        total = total + (X[i] @ w - y[i]) ** 2
    return total / len(X)


def all_at_once():
    return ((X @ w - y) ** 2).mean()


print(f"{one_by_one().item():.5f} {all_at_once().item():.5f}")

# %%
# One forward and backward pass of each under the profiler. It records each
# operation of torch by its name, ``aten::…``; *self* time leaves out what
# an operation spends in others that it calls.


def recorded(loss):
    for _ in range(2):
        loss().backward()
    with profile(activities=[ProfilerActivity.CPU]) as record:
        loss().backward()
    w.grad = None
    return {
        event.key: (event.count, event.self_cpu_time_total)
        for event in record.key_averages()
    }


loop, batch = recorded(one_by_one), recorded(all_at_once)
for name, events in (("one by one", loop), ("all at once", batch)):
    calls = sum(count for count, _ in events.values())
    spent = sum(time for _, time in events.values())
    print(f"{name:12}{calls:7} events {spent / 1000:8.2f} ms")

# %%
# The five most expensive of the loop. The dot product is all that the
# formula asks for. The rest is the price of 200 small results: each row is
# taken out, each has its own backward, and their gradients are added up.

top = sorted(loop, key=lambda key: -loop[key][1])[:5]
for key in top:
    count, time = loop[key]
    print(f"{key[:44]:46}{count:5} calls {time / 1000:7.2f} ms")

# %%
# Side by side, on a logarithmic axis.

times_of = {
    "one by one": [loop[key][1] for key in top],
    "all at once": [batch.get(key, (0, 0.0))[1] for key in top],
}
short = [key.removeprefix("aten::").split(":")[-1].strip() for key in top]
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for shift, (name, times) in zip((-0.2, 0.2), times_of.items(), strict=True):
    places = [place + shift for place in range(5)]
    ax.barh(places, [time / 1000 for time in times], 0.4, label=name)
ax.set_yticks(range(5), short)
ax.invert_yaxis()
ax.set(xlabel="self time in milliseconds", xscale="log")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
fig.set_label(
    "The five operations on which the loop spends most, as bars: "
    + ", ".join(
        f"{name} {time / 1000:.2f} ms"
        for name, time in zip(short, times_of["one by one"], strict=True)
    )
    + ". The batched version spends far less on them, or calls none."
)

# %%
# **Where it misleads.** The profiler itself costs time for every event. A
# program of many small operations looks slower under it than it is: take
# the *counts* from the profiler, and the time from a clock.

timing = ag.compare(
    {
        "one by one": lambda size, device: one_by_one,
        "all at once": lambda size, device: all_at_once,
    },
    sizes=[len(X)],
    min_run_time=0.1,
)
print(timing)

# %%
# Counts are also what does not change from machine to machine.

dots = loop["aten::dot"][0]
assert torch.isclose(one_by_one(), all_at_once(), rtol=1e-4)
assert dots == len(X) < 0.1 * sum(count for count, _ in loop.values())
assert batch["aten::mv"][0] <= 2
assert "aten::dot" not in batch
plt.show()
