"""
Every activation of torch.nn on one page
========================================

Twenty-six element-wise activations, each with its slope, its kinks and the
region where it hardly passes a gradient; then the four that mix a vector.
"""

# curriculum: C6.6
import math

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()
elementwise = [e for e in CATALOGUE.values() if not e.vector]

# %%
# As numbers: value and slope at three places, the range, and the kinks,
# each with the slope that torch returns there.

x = torch.tensor([-2.0, 0.5, 2.0], dtype=torch.float64, device=device)
print(
    f"{'':12}{'values at -2, 0.5, 2':^24}{'slopes there':^24}{'range':>14}"
)
for entry in elementwise:
    values = "".join(f"{v:8.3f}" for v in entry(x).tolist())
    slopes = "".join(f"{v:8.3f}" for v in entry.derivative(x).tolist())
    low, high = entry.range
    span = f"{low:.2g} to {high:.2g}"
    print(f"{entry.name:12}{values}{slopes}{span:>14}")

# %%
# As pictures.

rows = math.ceil(len(elementwise) / 3)
fig = plt.figure(figsize=(7.2, 1.7 * rows), layout="constrained")
for place, entry in enumerate(elementwise, start=1):
    ax = fig.add_subplot(rows, 3, place)
    plotting.activation(entry, ax=ax)
    ax.set(title=entry.title, xlabel="", ylabel="")
    if entry.name == "relu":
        handles, labels = ax.get_legend_handles_labels()
fig.legend(
    handles, ["value", *labels[1:]], loc="outside upper center", ncols=3
)
fig.supxlabel("x")
fig.supylabel("value and slope")
fig.set_label(
    f"{len(elementwise)} small plots, one for each element-wise "
    "activation, with its value, its slope, its kinks ringed, and shaded "
    "where the slope is below 0.01."
)

# %%
# Where a function has a kink, torch must choose a slope. It does not always
# choose the same side.

for entry in elementwise:
    if kinks := entry.kinks:
        chosen = ", ".join(f"{s:.4g} at {at:g}" for at, s in kinks.items())
        jumps = "  and jumps" if entry.jumps else ""
        print(f"{entry.name:12} {chosen}{jumps}")

# %%
# Softmax and its kin take a whole vector. Their derivative is a matrix, the
# Jacobian: row *i* says how output *i* moves when each input moves.

vector = torch.tensor([3.0, 1.0, -3.0, 0.0], device=device).double()
for entry in (e for e in CATALOGUE.values() if e.vector):
    jacobian = entry.derivative(vector)
    autograd = torch.func.jacrev(entry)(vector)
    torch.testing.assert_close(jacobian, autograd)
    print(f"{entry.name}: Jacobian {tuple(jacobian.shape)}")
print(CATALOGUE["softmax"].derivative(vector).cpu().numpy().round(3))

# %%
# Each value on this page is torch's own. Each slope is written out by hand,
# and is checked against autograd:

for entry in elementwise:
    leaf = x.clone().requires_grad_()
    entry(leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, entry.derivative(x))
plt.show()
