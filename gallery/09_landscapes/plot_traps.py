"""
Two ways to draw a landscape that is not there
==============================================

Directions are a choice, and two common choices mislead. Uniform random
numbers make a plane that is almost a line; and a step along BatchNorm's
own parameters changes what the other weights mean.
"""

# curriculum: C2.12
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.landscape import random_directions

device = ag.preferred_device()
torch.manual_seed(0)

# %%
# Three classes on three arms of a spiral; a network with BatchNorm.

turn = torch.linspace(0, 4, 100, device=device)
arms = [turn + 2 * torch.pi / 3 * k for k in range(3)]
radius = torch.linspace(0.1, 1, 100, device=device)
inputs = torch.cat(
    [torch.stack([radius * a.cos(), radius * a.sin()], 1) for a in arms]
)
targets = torch.arange(3, device=device).repeat_interleave(100)

net = nn.Sequential(nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU())
net.append(nn.Linear(64, 64)).append(nn.BatchNorm1d(64)).append(nn.ReLU())
net.append(nn.Linear(64, 3)).to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(150):
    optimizer.zero_grad()
    cross_entropy(net(inputs), targets).backward()
    optimizer.step()


def plane(directions):
    data = inputs, targets
    return ag.slice_loss(net, cross_entropy, data, directions, points=21)


# %%
# **The first trap.** ``torch.rand`` draws from 0 to 1, ``torch.randn``
# around 0. Both are random, but two vectors of positive numbers always
# point the same way. The cosine of the angle between them tends to
# :math:`E[u]^2 / E[u^2] = \frac{1/4}{1/3} = 0.75`.

count = sum(part.numel() for part in net.parameters())
uniform = torch.rand(2, count, device=device)
gaussian = random_directions(net)
cosines = {
    name: cosine_similarity(*directions, dim=0).item()
    for name, directions in (("uniform", uniform), ("Gaussian", gaussian))
}
for name, cosine in cosines.items():
    print(f"{name}: cosine {cosine:.3f}")

# %%
# Scaled to the same lengths, the uniform plane shows a long valley. It is
# an artefact: along the diagonal the two steps cancel, so one hardly
# moves at all.

uniform *= gaussian.norm(dim=1, keepdim=True) / uniform.norm(
    dim=1, keepdim=True
)
fig, axes = plt.subplots(2, figsize=(5, 8), layout="constrained")
for ax, (name, directions) in zip(
    axes, (("uniform", uniform), ("Gaussian", gaussian)), strict=True
):
    found = plane(directions)
    plotting.contour(found, ax=ax)
    ax.set_title(f"{name}: cosine {cosines[name]:.2f}")
fig.set_label(
    "Contours of one loss on two planes. Uniform directions, of cosine "
    f"{cosines['uniform']:.2f}, show a diagonal valley; Gaussian ones, of "
    f"cosine {cosines['Gaussian']:.2f}, show none."
)
plt.show()

together = (uniform[0] + uniform[1]).norm().item()
apart = (uniform[0] - uniform[1]).norm().item()
print(f"step (1, 1) is {together:.1f} long, step (1, -1) {apart:.1f}")

# %%
# **The second trap.** In evaluation BatchNorm is one factor and one offset
# for each unit. Their parameters multiply all that the layer below
# computes. Here we take the same direction twice, and once let it move
# BatchNorm's parameters, too, by numbers as large as they are themselves.

still = gaussian[:1]
parts = []
for module in net:
    for parameter in module.parameters():
        part = torch.zeros_like(parameter)
        if isinstance(module, nn.BatchNorm1d):
            part = torch.randn_like(parameter)
            part *= parameter.norm() / part.norm()
        parts.append(part.detach().flatten())
moved = still + torch.cat(parts)

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
lines = {}
for name, direction, color in (
    ("BatchNorm stays", still, "C0"),
    ("BatchNorm moved", moved, "C1"),
):
    lines[name] = plane(direction)
    plotting.slice_line(lines[name], label=name, color=color, ax=ax)
ax.legend()
lost = lines["BatchNorm moved"].values - lines["BatchNorm stays"].values
share = ((moved - still).norm() / moved.norm()).item()
few = sum(part.count_nonzero().item() for part in parts) / count
fig.set_label(
    "Loss along one direction, with BatchNorm's parameters held and moved. "
    f"Moved, they change the loss by up to {lost.abs().max():.2f}."
)
print(f"moving {few:.1%} of the parameters changed the loss by up to")
print(f"{lost.abs().max():.2f}; they are {share:.0%} of the step's length")

# %%
# What to do instead: Gaussian directions, scaled filter by filter, zero on
# biases and on normalisation layers. That is what
# :func:`autodiff_guide.landscape.random_directions` draws.

assert abs(cosines["uniform"] - 0.75) < 0.03
assert abs(cosines["Gaussian"]) < 0.1
assert together > 2 * apart
assert lost.abs().max() > 0.1
plt.show()
