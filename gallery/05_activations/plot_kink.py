"""
At its kink torch returns one slope of many, and training survives
==================================================================

At 0 a ReLU has no derivative. Torch returns 0. Any number from 0 to 1 would
serve: almost no input ever lies exactly on the kink.
"""

# curriculum: C6.4
import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()

# %%
# From the right the slope is 1, from the left 0; at 0 there is none.

zero = torch.zeros((), dtype=torch.float64, device=device)
relu = CATALOGUE["relu"]
for h in (0.1, 1e-3, 1e-6):
    right = (relu(zero + h) - relu(zero)) / h
    left = (relu(zero) - relu(zero - h)) / h
    print(
        f"h = {h:g}: from the left {left:.0f}, from the right {right:.0f}"
    )

# %%
# What torch returns, asked directly, and why it is dangerous to read it as
# a derivative: :math:`\mathrm{relu}(x) - \mathrm{relu}(-x)` *is* x, whose
# slope is 1 everywhere.


def slope(function, at):
    leaf = at.clone().requires_grad_()
    return torch.autograd.grad(function(leaf), leaf)[0]


print("relu at 0:", float(slope(functional.relu, zero)))
same_as_x = float(slope(lambda x: relu(x) - relu(-x), zero))
print("relu(x) - relu(-x) at 0:", same_as_x)

# %%
# Other kinks, other choices. The dot is the slope torch returns.

fig, axes = plt.subplots(1, 3, figsize=(7.2, 3.0), layout="constrained")
for ax, name in zip(axes, ("relu", "selu", "hardswish"), strict=True):
    plotting.activation(CATALOGUE[name], ax=ax)
    ax.set_title(name)
kinks = {name: CATALOGUE[name].kinks for name in ("relu", "selu")}
fig.set_label(
    "Three activations with kinks. At 0 torch returns slope "
    f"{kinks['relu'][0.0]:.0f} for ReLU and {kinks['selu'][0.0]:.2f}, the "
    "left one, for SELU; a dot marks the slope it returns at each kink."
)

# %%
# Does the choice matter for training? Here is a ReLU whose slope at 0 is
# ours to choose, and which counts how often it was asked.


class ChosenReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, at_zero, hits):
        ctx.save_for_backward(x)
        ctx.at_zero = at_zero
        hits.append((x == 0).sum())
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        slopes = torch.where(x == 0, ctx.at_zero, (x > 0).to(x.dtype))
        return gradient * slopes, None, None


x = torch.linspace(-2, 2, 64, device=device).double().unsqueeze(-1)
target = torch.sin(2 * x)


def trained_loss(at_zero, *, zero_weights=False):
    torch.manual_seed(0)
    first, last = nn.Linear(1, 32).to(x), nn.Linear(32, 1).to(x)
    if zero_weights:
        nn.init.zeros_(first.weight)
        nn.init.zeros_(first.bias)
    parameters = [*first.parameters(), *last.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    hits = []
    for _ in range(150):
        optimizer.zero_grad()
        output = last(ChosenReLU.apply(first(x), at_zero, hits))
        loss = functional.mse_loss(output, target)
        loss.backward()
        optimizer.step()
    return float(loss.detach()), int(sum(hits))


asked = 150 * 64 * 32
results = {}
for at_zero in (0.0, 0.5, 1.0):
    results[at_zero] = loss, hits = trained_loss(at_zero)
    print(f"slope {at_zero} at 0: loss {loss:.6f}, {hits} hits of {asked}")

# %%
# The same loss: of all those numbers none was exactly 0.
#
# **Where it does matter**: set the first layer's weights and biases to
# zero, and every input of every ReLU is 0. Now the choice is everything.

from_zero = {}
for at_zero in (0.0, 0.5, 1.0):
    from_zero[at_zero] = trained_loss(at_zero, zero_weights=True)
    loss, hits = from_zero[at_zero]
    print(f"slope {at_zero} at 0: loss {loss:.6f}, {hits} hits of {asked}")

# %%
# With slope 0 not one unit ever moved. That is one reason why weights start
# at random.

assert same_as_x == 0
assert all(hits == 0 for _, hits in results.values())
assert math.isclose(results[0.0][0], results[0.5][0])
assert math.isclose(results[0.0][0], results[1.0][0])
assert from_zero[0.0][1] == asked > 50 * from_zero[1.0][1]
assert from_zero[1.0][0] < from_zero[0.0][0]
plt.show()
