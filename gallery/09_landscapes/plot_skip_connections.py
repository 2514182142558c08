"""
Skip connections make a chaotic loss surface smooth
===================================================

Two networks of 44 layers learn handwritten digits. One adds the input of
every block to its output, the other does not. Both are trained here, and
then the loss around each is cut by a plane. The page takes half a minute,
and needs scikit-learn: ``pip install scikit-learn``.
"""

# curriculum: C2.12
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.landscape import random_directions

device = ag.preferred_device()

# %%
# A block is two convolutions. The whole difference between the networks
# is ``y + self.shortcut(x)``.


class Block(nn.Module):
    def __init__(self, before, after, stride, skip):
        super().__init__()
        self.skip = skip
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential()
        if skip and before != after:
            self.shortcut.append(nn.Conv2d(before, after, 1, stride))

    def forward(self, x):
        y = self.body(x)
        return (y + self.shortcut(x) if self.skip else y).relu()


def network(skip, blocks=7):
    parts = [nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)]
    parts.append(nn.ReLU())
    before = 8
    for after in (8, 16, 32):
        for _ in range(blocks):
            stride = 1 if before == after else 2
            parts.append(Block(before, after, stride, skip))
            before = after
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    for part in nn.ModuleList(parts).modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
    return nn.Sequential(*parts).to(device)


# %%
# Digits of 8 × 8 pixels. The network without skips gets more than twice as
# many epochs, and still ends higher.

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32, device=device)
images = (images[:, None] - images.mean()) / images.std()
labels = torch.tensor(digits.target, device=device)
images, labels = images[:1408], labels[:1408]


def train(net, epochs, lr=0.03, batch=64):
    optimizer = torch.optim.SGD(
        net.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    steps = len(images) // batch
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=epochs * steps, pct_start=0.2
    )
    for _ in range(epochs):
        order = torch.randperm(len(images))[: steps * batch].to(device)
        for some in order.split(batch):
            optimizer.zero_grad()
            cross_entropy(net(images[some]), labels[some]).backward()
            optimizer.step()
            cycle.step()
    return net.eval()


nets, losses = {}, {}
for name, skip, epochs in (("with", True, 10), ("without", False, 24)):
    torch.manual_seed(0)
    nets[name] = train(network(skip), epochs)
    with torch.no_grad():
        losses[name] = cross_entropy(nets[name](images), labels).item()
    print(f"{name} skips: training loss {losses[name]:.4f}")

# %%
# Two random directions span a plane through the trained parameters. A step
# of 1 changes each filter by its own length. At 21 × 21 points we measure
# the loss of 128 digits.

slices = {}
for name, net in nets.items():
    generator = torch.Generator(device).manual_seed(0)
    slices[name] = ag.slice_loss(
        net,
        cross_entropy,
        (images[:128], labels[:128]),
        random_directions(net, generator=generator),
        span=0.8,
        points=21,
    )
smooth, rough = slices["with"], slices["without"]

fig, axes = plt.subplots(2, figsize=(5, 8), layout="constrained")
for ax, (name, found) in zip(axes, slices.items(), strict=True):
    plotting.contour(found, ax=ax)
    ax.set_title(f"{name} skips")
words = "with {} minima inside, bending downwards at {:.0%} of the points"
fig.set_label(
    "Contours of two losses. With skips: one valley "
    f"{words.format(smooth.minima, smooth.nonconvex)}. Without: ridges and "
    f"pits {words.format(rough.minima, rough.nonconvex)}."
)
plt.show()

# %%
# How rough is rough? The share of the points at which the surface bends
# downwards is a measure that lasts: on other seeds, processors and numbers
# of threads it comes out alike, several times as large without skips as
# with them. The number of minima is none. Training is itself chaotic here,
# and of the pits that another run finds there may be ten or one.

for name, found in slices.items():
    print(f"{name} skips: {found}")

# %%
# The same two surfaces, seen from the side.

fig, axes = plt.subplots(
    1, 2, figsize=(7.2, 3.4), subplot_kw={"projection": "3d"}
)
for ax, (name, found) in zip(axes, slices.items(), strict=True):
    plotting.surface(found, ax=ax)
    ax.set_title(f"{name} skips")
fig.set_label(
    "The two losses as surfaces: a bowl with skips, a jagged one without."
)

# %%
# Where does this break? The networks did **not** reach the same loss: the
# one without skips is worse on the very digits it was trained on. So these
# are the surroundings of a good place and of a poor one. What the pictures
# cannot tell is whether the surface is rough because training failed, or
# training failed because the surface is rough.
#
# Why do skips help? Each layer without one multiplies the signal by one
# more matrix. A small change in an early layer is multiplied by all the
# later ones, and over 44 layers it grows or dies. With a skip each block
# adds to the signal, and a path without any product stays open.
#
# :doc:`/auto_gallery/09_landscapes/plot_resnet56` shows 56 layers, and
# :doc:`/auto_gallery/09_landscapes/plot_axes_have_a_length` says what the
# axes mean.

assert losses["without"] > losses["with"]
assert rough.nonconvex > 2 * smooth.nonconvex
plt.show()
