"""
A minimum is sharp in a few directions and flat in most
=======================================================

At a minimum the second derivative says how steeply the loss rises. It is
large along a few directions and next to nothing along the rest. But how
large is no property of the function that the network computes.
"""

# curriculum: C2.12
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.derivatives import grad, hessian
from autodiff_guide.landscape import hessian_directions, random_directions

device = ag.preferred_device()
torch.manual_seed(0)

# %%
# Three classes on three arms of a spiral, and a small network in float64.

turn = torch.linspace(0, 4, 60, dtype=torch.float64, device=device)
arms = [turn + 2 * torch.pi / 3 * k for k in range(3)]
radius = 0.1 + turn / 4
inputs = torch.cat(
    [torch.stack([radius * a.cos(), radius * a.sin()], 1) for a in arms]
)
targets = torch.arange(3, device=device).repeat_interleave(60)
data = inputs, targets

net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
net.to(device, torch.float64)
optimizer = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=1e-4)
for _ in range(600):
    optimizer.zero_grad()
    cross_entropy(net(inputs), targets).backward()
    optimizer.step()

# %%
# The curvature along a direction is the second derivative by the step. A
# difference of three losses would not do: a ReLU has a kink, and one that
# lies between the three counts as much as all the rest.

names = [name for name, _ in net.named_parameters()]
shapes = [part.shape for part in net.parameters()]


def loss_at(vector):
    parts = vector.split([shape.numel() for shape in shapes])
    named = {
        name: part.view(shape)
        for name, part, shape in zip(names, parts, shapes, strict=True)
    }
    output = torch.func.functional_call(net, named, (inputs,))
    return cross_entropy(output, targets)


def here():
    return nn.utils.parameters_to_vector(net.parameters()).detach()


def curvature(direction):
    center = here()
    bend = grad(grad(lambda step: loss_at(center + step * direction)))
    return bend(center.new_zeros(())).item()


# %%
# Lanczos' method finds the directions of largest curvature from products
# of the Hessian with vectors. All directions here have length 1, so what
# differs between them is the curvature alone.

sharp = hessian_directions(net, cross_entropy, data)
blind = normalize(random_directions(net, count=40), dim=1)
top = curvature(sharp[0])
others = [curvature(direction) for direction in blind]
typical = sorted(others)[len(others) // 2]
print(f"largest curvature {top:.2f}")
print(f"of 40 random directions the median is {typical:.3f}")

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for direction, color, name, value in (
    (sharp[0], "C1", "sharpest", top),
    (sharp[1], "C3", "second", curvature(sharp[1])),
    (blind[0], "C0", "random", others[0]),
):
    found = ag.slice_loss(
        net, cross_entropy, data, direction[None], span=0.6
    )
    label = f"{name}, curvature {value:.2f}"
    plotting.slice_line(found, label=label, color=color, ax=ax)
ax.legend()
fig.set_label(
    "Loss along three directions of length 1. Along the sharpest it has a "
    f"curvature of {top:.1f}, along a random one of {others[0]:.2f}: that "
    "curve is almost a straight line."
)
plt.show()

# %%
# Is the method right? The network is small enough to build the Hessian and
# ask for its largest eigenvalue.

matrix = hessian(loss_at)(here())
eigenvalues = torch.linalg.eigvalsh(matrix)
largest = eigenvalues[-1].item()
flat = (eigenvalues.abs() < 0.01 * largest).double().mean().item()
print(f"eigenvalue {largest:.4f}, measured along the direction {top:.4f}")
print(f"{flat:.0%} of the eigenvalues are below a hundredth of it")

# %%
# It is tempting to call a network with a large top curvature *sharp*, and
# to expect that it does worse on new data. Here is where that breaks. Make
# the first layer 4 times larger and the last one 4 times smaller: a ReLU
# lets the factor through, and the function stays the same.

with torch.no_grad():
    before = net(inputs)
    net[0].weight *= 4
    net[0].bias *= 4
    net[2].weight /= 4
    difference = (net(inputs) - before).abs().max().item()
(sharper,) = hessian_directions(net, cross_entropy, data, count=1)
scaled = curvature(sharper)
print(f"outputs differ by {difference:.0e}")
print(f"largest curvature {scaled:.2f}, it was {top:.2f}")

# %%
# Same function, same answers on any data, and another sharpness. Curvature
# is counted per unit of weight, and the unit has changed. Compare it only
# where the scale of the weights is fixed, or by normalised directions:
# :doc:`/auto_gallery/09_landscapes/plot_axes_have_a_length`.

assert abs(top / largest - 1) < 1e-6
assert top > 10 * abs(typical)
assert difference < 1e-10
assert scaled > 4 * top
plt.show()
