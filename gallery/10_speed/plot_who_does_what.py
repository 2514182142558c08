"""
Python, torch, CUDA and the GPU: who does what
==============================================

Python only asks. Torch decides which code answers, by the device and the
dtype of the tensors. On a GPU that code was written in CUDA.
"""

# curriculum: C8.2
import matplotlib.pyplot as plt
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import autodiff_guide as ag
from autodiff_guide import plotting

device = ag.preferred_device()
print("this page runs on:", device)
print("built with CUDA:", torch.version.cuda or "no, for the CPU only")
print("GPUs found:", torch.cuda.device_count())

# %%
# One line of Python, whatever the device. The tensor knows where its
# numbers are, and the result is born in the same place.

a = torch.tensor([1.0, 2.0, 3.0], device=device)
print((a * a).device, (a * a).tolist())

# %%
# So a tensor in Python is only a label: shape, dtype, device. Torch's
# device ``meta`` has labels and no memory at all. This one would need 3.6
# gigabytes, and takes none.

label = torch.ones(30_000, 30_000, device="meta")
print(tuple(label.shape), f"{label.nbytes / 1e9:.1f} GB")

# %%
# **Where it breaks.** The label answers every question about the shape.
# Ask for a number, and somebody must have it.

try:
    label[0, 0].item()
except RuntimeError as error:
    refusal = str(error)
print(refusal)

# %%
# For the same reason two devices do not mix. Nobody copies behind your
# back: it would be slow, and you would not see why.

if device.type != "cpu":
    try:
        a + torch.ones(3)
    except RuntimeError as error:
        print(error)
else:
    print("Only one device here, so nothing to mix.")

# %%
# **What the asking costs.** Each operation is looked up, checked and
# recorded for autograd before a number is touched. For one number that is
# nearly all of the time; for a million it does not count.


def add(size, device):
    x = torch.ones(size, device=device)
    return lambda: x + x


sizes = [1, 100, 10_000, 1_000_000]
timing = ag.compare(
    {f"x + x on {device.type}": add},
    sizes=sizes,
    device=device,
    min_run_time=0.1,
)
print(timing)
each = (timing.median[0] / torch.tensor(sizes) * 1e9).tolist()
for size, nanoseconds in zip(sizes, each, strict=True):
    print(f"{size:>9,} numbers: {nanoseconds:9.3f} ns for each")

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
plotting.durations(timing, ax=ax)
ax.set_xlabel("numbers")
fig.set_label(
    "Time of one addition over the number of elements. One number takes "
    f"{each[0]:.0f} nanoseconds, a million take {each[-1]:.2f} each."
)

# %%
# The way out of small operations is to make them large: rows into a batch,
# starts into one tensor, or a function into one kernel by
# ``torch.compile``. The other pages of this section measure each.
#
# The times depend on the machine. What does not: each number has been asked
# for at once, in one operation, however many there are.


class Count(TorchDispatchMode):
    """Counts the operations that torch is asked for."""

    asked = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.asked += 1
        return operation(*args, **(kwargs or {}))


runs = [add(size, device) for size in sizes]
counts = []
for run in runs:
    with Count() as count:
        run()
    counts.append(count.asked)
print("operations asked for:", counts)

assert (a * a).device == a.device
assert "meta" in refusal
assert counts == [1] * len(sizes)
plt.show()
