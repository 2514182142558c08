"""
A view is the same memory, read in another order
================================================

Slicing, transposing and reshaping copy nothing. Write through one view and
all the others change.
"""

# curriculum: C4.2, C4.8
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag
from autodiff_guide import plotting

device = ag.preferred_device()

# %%
# Two rows of three; five views of them.

t = torch.arange(10, 16, device=device).view(2, 3)
views = {
    "t": t,
    "t[1]": t[1],
    "t.T": t.T,
    "t[:, ::2]": t[:, ::2],
    "t.split(1)[0]": t.split(1)[0],
    "t.unsqueeze(0)": t.unsqueeze(0),
}

# %%
# The top row is the storage. Below it, the cells each view reads, and the
# place of each in that view. A transpose only counts in another order.

fig, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
plotting.storage(views, ax=ax)
reads = {name: view.numel() for name, view in views.items()}
fig.set_label(
    f"One storage of {t.numel()} numbers, and below it the cells that each "
    "view reads: "
    + ", ".join(f"{name} reads {count}" for name, count in reads.items())
    + "."
)

# %%
# Write one entry through one view, and look at the others.

t[1, 0] = 99
print(views["t[1]"], views["t.T"][0], views["t.unsqueeze(0)"][0, 1])

# %%
# Strides are how a view reads: steps in storage for a step along each axis.
# The transpose has the strides of ``t`` swapped.

print(f"t {t.stride()}, t.T {t.T.stride()}, t[:, ::2] {t[:, ::2].stride()}")
ag.describe(t.T)

# %%
# **Where it breaks.** ``view`` must find strides that fit. To read the
# transpose as one line, no single step will do:

try:
    t.T.view(6)
except RuntimeError as error:
    print(textwrap.fill(str(error), 72))

# %%
# ``reshape`` does it all the same, by copying, and says nothing. What is
# written into the copy is lost to ``t``:

flat = t.T.reshape(6)
flat[0] = -1
print(f"flat[0] is {flat[0]}, t[0, 0] is still {t[0, 0]}")

# %%
# ``stack`` and ``cat`` copy too: their result is one new block of memory.

stacked = torch.stack([t[0], t[1]])
stacked[0, 0] = -1
print(f"stacked[0, 0] is {stacked[0, 0]}, t[0, 0] is still {t[0, 0]}")

# %%
# Sharing reaches beyond torch. ``from_numpy`` shares the array's memory, on
# the CPU; ``torch.tensor`` copies it.

array = np.zeros(3)
shared, copied = torch.from_numpy(array), torch.tensor(array)
array[0] = 7
print(f"shared {shared.tolist()}, copied {copied.tolist()}")

# %%
# **The fix,** where sharing is not wanted: ``clone``.

safe = t.clone()
safe[0, 0] = -1
print(f"safe[0, 0] is {safe[0, 0]}, t[0, 0] is still {t[0, 0]}")

# %%
# The claims: every view looks into one storage, every copy into its own.

home = t.untyped_storage().data_ptr()
for view in views.values():
    assert view.untyped_storage().data_ptr() == home
for copy in (flat, stacked, safe):
    assert copy.untyped_storage().data_ptr() != home
assert t[0, 0] == 10
assert t[1, 0] == views["t.T"][0, 1] == 99
assert shared[0] == 7
assert copied[0] == 0
plt.show()
