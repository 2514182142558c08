"""
Five activations, twice: NumPy and torch agree to the last digits
=================================================================

Step, sigmoid, tanh, ReLU and softplus are each a line of NumPy. The same
line in torch gives the same numbers, and the slope as well.
"""

# curriculum: C6.2, C6.5
import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()

# %%
# In NumPy, as one writes them from the formulas. Where an exponential could
# overflow, it is taken of :math:`-|x|`.


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1, e) / (1 + e)


in_numpy = {
    "step": lambda x: np.where(x > 0, 1.0, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}

# %%
# Side by side on [−5, 5], in float64. The last column counts in units of
# the last place: how many numbers lie between the two answers.

x = np.linspace(-5, 5, 2001)
tensor = torch.from_numpy(x).to(device)
apart = {}
for name, function in in_numpy.items():
    torchs = CATALOGUE[name](tensor).cpu().numpy()
    ours = function(x)
    apart[name] = (np.abs(ours - torchs) / np.spacing(np.abs(torchs))).max()
    print(f"{name:9} at 1: {ours[1200]:.4f}  apart: {apart[name]:.0f} ulp")

# %%
# What torch returns for the sources' own examples: a sigmoid far out, tanh
# and ReLU near zero.

torch.set_printoptions(precision=4, sci_mode=False)
far = torch.linspace(-100, 100, 10, device=device)
near = torch.linspace(-1, 1, 10, device=device)
print(torch.sigmoid(far))
print(torch.tanh(near))
print(torch.relu(near))
torch.set_printoptions(profile="default")

# %%
# The picture has the slope as well: by hand, as the catalogue has it.

fig, axes = plt.subplots(3, 2, figsize=(7.2, 7.2), layout="constrained")
for ax, name in zip(axes.flat, in_numpy, strict=False):
    plotting.activation(CATALOGUE[name], ax=ax)
    ax.set_title(name)
axes[2, 1].set_axis_off()
handles, labels = axes[1, 1].get_legend_handles_labels()
axes[2, 1].legend(handles, ["value", *labels[1:]], loc="center")
fig.set_label(
    "Step, sigmoid, tanh, ReLU and softplus from -5 to 5, each with its "
    "slope; shaded where the slope is below 0.01."
)

# %%
# The slopes by hand are a line each too: 0, :math:`\sigma(1 - \sigma)`,
# :math:`1 - \tanh^2`, 0 or 1, and :math:`\sigma`. Autograd agrees.

by_hand = {
    "sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "softplus": sigmoid,
}
for name, slope in by_hand.items():
    leaf = tensor.clone().requires_grad_()
    CATALOGUE[name](leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad.cpu(), slope(x), atol=1e-14)

assert max(apart.values()) <= 16
plt.show()
