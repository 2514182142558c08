"""
ResNet-56: one valley with skips, two dozen pits without
========================================================

The network of the well-known picture, 56 layers deep, at half its width.
Training both takes minutes, so this page draws stored results: where they
come from is printed below, **they were not computed in this build**.
"""

# curriculum: C2.12
import hashlib
import json
from importlib import resources

import matplotlib.pyplot as plt
import numpy as np
import torch

from autodiff_guide import plotting
from autodiff_guide.landscape import Landscape

# %%
# The script ``docs/_stored/resnet56.py`` of the repository trained both
# networks on scikit-learn's digits and wrote one file. The file tells its
# own story, and the hash of its numbers.

stored = resources.files("autodiff_guide") / "data" / "resnet56.npz"
with stored.open("rb") as raw, np.load(raw) as file:
    story = json.loads(str(file["story"]))
    axis = torch.tensor(file["axis"])
    values = {name: file[name] for name in ("with", "without")}

found = hashlib.sha256(b"".join(v.tobytes() for v in values.values()))
assert found.hexdigest() == story["values"]
print("not run in this build:")
for name in ("depth", "width", "epochs", "seed"):
    print(f"  {name:8} {story[name]}")
for name in ("machine", "threads", "torch", "date"):
    print(f"  {name:8} {story[name]}")
print(f"  {'script':8} sha256 {story['script'][:16]}…")
for name in values:
    facts = story[name]
    print(f"{name} skips, {facts['parameters']:,} parameters:")
    print(f"  training loss {facts['training loss']:.4f}")
    accuracy = facts["accuracy on digits held back"]
    print(f"  right on {accuracy:.1%} of the digits held back")

# %%
# Each loss on a plane through the trained parameters. A colour means the
# same loss in both pictures, and the levels are logarithmic.

slices = {
    name: Landscape(
        torch.tensor(value),
        axis,
        torch.tensor(story[name]["loss at the centre"]),
    )
    for name, value in values.items()
}
smooth, rough = slices["with"], slices["without"]

LOW, HIGH = -4, 4  # powers of ten, for both
levels = np.logspace(LOW, HIGH, 33)
fig, axes = plt.subplots(2, figsize=(5, 8), layout="constrained")
for ax, (name, found) in zip(axes, slices.items(), strict=True):
    heights = found.values.T
    drawn = ax.contourf(axis, axis, heights, levels=levels, norm="log")
    ax.set(title=f"{name} skips", aspect="equal")
    ax.set(xlabel="step along direction 1", ylabel="step along direction 2")
powers = 10.0 ** np.arange(LOW, HIGH + 1)
bar = fig.colorbar(drawn, ax=axes, label="loss", aspect=40)
bar.set_ticks(powers, labels=[f"{power:g}" for power in powers])
fig.set_label(
    "Contours of the loss around two trained networks of 56 layers, in the "
    f"same colours. With skips, closed rings around {smooth.minima} "
    f"minimum at {smooth.values.min():.4f}; without, {rough.minima} minima "
    f"in a wide plain whose lowest value is {rough.values.min():.1f}."
)
plt.show()

# %%
# In space, with the same heights and colours for both. With skips the loss
# is lower in the middle *and* higher at the edge. Without skips the pits
# are many and, on this scale, shallow.

spread = plt.figure(figsize=(7.2, 3.4))
for place, (name, found) in enumerate(slices.items(), start=1):
    ax = spread.add_subplot(1, 2, place, projection="3d")
    plotting.surface(found, ax=ax)
    ax.collections[0].set_clim(LOW, HIGH)
    ax.set_zlim(LOW, HIGH)
    ax.set_zticks(range(LOW, HIGH + 1, 2), powers[::2])
    ax.set_title(f"{name} skips")
spread.set_label(
    "The two losses as surfaces on one logarithmic scale: a smooth funnel "
    f"down to {smooth.values.min():.4f} with skips, and a jagged bowl, "
    f"nearly flat, that ends at {rough.values.min():.1f} without."
)
plt.show()

# %%
# Where is this picture weak? The network without skips learned something,
# but is far from solving the task. It got as much time as the other one.
# Guessing would cost :math:`\ln 10` and be right for one digit in ten.

guessing = np.log(10)
print(f"{'':8} training loss  right on digits held back")
print(f"{'guessing':8} {guessing:13.2f}  {0.1:24.1%}")
for name in ("without", "with"):
    facts = story[name]
    accuracy = facts["accuracy on digits held back"]
    print(f"{name:8} {facts['training loss']:13.4f}  {accuracy:24.1%}")

# %%
# So we compare the surroundings of a good solution with those of a poor
# one. We do not see how the surface would look around a *good* solution
# without skips, as none was found. And it is one pair of networks, from one
# seed.
#
# What can be counted, we count: minima inside the plane, and the share of
# points at which the surface bends downwards.

for name, found in slices.items():
    bend = f"bends downwards at {found.nonconvex:.0%}"
    print(f"{name:8} minima {found.minima:3}, {bend} of the points")
assert smooth.minima == 1
assert rough.minima >= 20
assert rough.nonconvex > 2 * smooth.nonconvex
losses = {name: story[name]["training loss"] for name in slices}
assert losses["with"] < 0.001 < 1 < losses["without"] < 0.7 * guessing
right = {
    name: story[name]["accuracy on digits held back"] for name in slices
}
assert 0.4 < right["without"] < 0.6
assert right["with"] > 0.95
assert smooth.values.quantile(0.9) > 10 * rough.values.quantile(0.9)
assert smooth.values.min() < rough.values.min() / 1000
for found in slices.values():
    assert 10**LOW < found.values.min() < found.values.max() < 10**HIGH
plt.show()
