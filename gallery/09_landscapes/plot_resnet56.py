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
# Each loss on a plane through the trained parameters. Each colour is one
# range of losses; the ranges differ between the two pictures.

slices = {
    name: Landscape(
        torch.tensor(value),
        axis,
        torch.tensor(story[name]["loss at the centre"]),
    )
    for name, value in values.items()
}
smooth, rough = slices["with"], slices["without"]

fig, axes = plt.subplots(2, figsize=(5, 8), layout="constrained")
for ax, (name, found) in zip(axes, slices.items(), strict=True):
    plotting.contour(found, ax=ax)
    ax.set_title(f"{name} skips")
fig.set_label(
    "Contours of the loss around two trained networks of 56 layers. With "
    f"skips, closed rings around {smooth.minima} minimum; without, "
    f"{rough.minima} minima between ridges."
)
plt.show()

# %%
# In space, turning. Start the animation with the button.

spread = plt.figure(figsize=(7.2, 3.4))
for place, (name, found) in enumerate(slices.items(), start=1):
    ax = spread.add_subplot(1, 2, place, projection="3d")
    plotting.surface(found, ax=ax)
    ax.set_title(f"{name} skips")
spread.set_label(
    "The two losses as surfaces, heights logarithmic: a smooth funnel down "
    f"to {smooth.values.min():.4f} with skips, and a jagged bowl that ends "
    f"at {rough.values.min():.1f} without."
)
plt.show()

turning = plotting.turning_surface(rough, frames=18)
plt.gcf().set_label(
    "The surface without skips turns once: pits and ridges on all sides."
)
plt.show()

# %%
# Where is this picture weak? The network without skips was hardly trained:
# 60 epochs left its training loss near that of guessing, :math:`\ln 10`.
# It got as much time as the other one, and could not use it. That is the
# point of the comparison, and its limit: we do not see how the surface
# would look around a *good* solution without skips, as none was found.
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
assert losses["without"] > losses["with"]
plt.show()
