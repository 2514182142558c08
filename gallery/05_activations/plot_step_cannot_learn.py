"""
A step cannot learn: its slope is zero
======================================

The first neuron, the perceptron, fires or stays silent. It decides well,
but gradient descent cannot teach it: wherever its weights stand, moving
them a little changes nothing.
"""

# curriculum: C6.1
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()

# %%
# For one number, a step is an ``if``; for an array it is a comparison,
# turned into numbers.


def step(x):
    return 1 if x > 0 else 0


def step_of_array(x):
    return (x > 0).astype(int)


print([step(x) for x in (-1.0, 0.0, 2.0)])
print(step_of_array(np.array([-1.0, 0.0, 2.0])))

# %%
# Write ``int`` here and not ``np.int``: NumPy has removed that name.

try:
    np.int
except AttributeError as error:
    print(str(error).splitlines()[0])

# %%
# With the right weights, set by hand, a perceptron computes AND.

inputs = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], device=device)
target = torch.tensor([0.0, 0, 0, 1], device=device)
fires = CATALOGUE["step"]
by_hand = fires(inputs @ inputs.new_tensor([0.5, 0.5]) - 0.7)
print(by_hand)

# %%
# Its slope is zero on both sides, and at 0 it jumps. Shaded is where the
# slope is too small to learn by: for the step, everywhere.

fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.8), layout="constrained")
for ax, name in zip(axes, ("step", "sigmoid"), strict=True):
    plotting.activation(CATALOGUE[name], ax=ax)
    ax.set_title(name)
fig.legend(
    *axes[1].get_legend_handles_labels(),
    loc="outside lower center",
    ncols=2,
)
fig.set_label(
    "The step: 0, then 1, with slope 0 all along, so all of it is shaded "
    "as saturated. The sigmoid climbs smoothly from 0 to 1, with slope "
    f"{CATALOGUE['sigmoid'].derivative(torch.zeros(())):.2f} in the middle."
)

# %%
# **Where it breaks.** Train both from the same wrong weights. A step's
# weights never move. A sigmoid's do, and find AND.


def trained(activation):
    torch.manual_seed(0)
    weights = torch.randn(2).to(device).requires_grad_()
    bias = torch.zeros((), device=device, requires_grad=True)
    start = weights.detach().clone()
    optimizer = torch.optim.SGD([weights, bias], lr=2.0)
    for _ in range(500):
        optimizer.zero_grad()
        output = activation(inputs @ weights + bias)
        functional.mse_loss(output, target).backward()
        optimizer.step()
    moved = (weights.detach() - start).norm()
    return moved, activation(inputs @ weights + bias).detach()


for name in ("step", "sigmoid"):
    moved, output = trained(CATALOGUE[name])
    print(
        f"{name:8} weights moved by {moved:.2f}: {output.round().tolist()}"
    )

# %%
# The chain rule multiplies by the step's slope, so the gradient of every
# weight is zero. The sigmoid is a step with a slope. That is why the
# sigmoid took its place.

assert torch.equal(by_hand, target)
assert trained(CATALOGUE["step"])[0] == 0
assert torch.equal(trained(CATALOGUE["sigmoid"])[1].round(), target)
plt.show()
