"""
An axis of a loss landscape has a length
========================================

"One step to the right" means nothing until one says how long a step is.
Two networks that compute the same function can look sharp and flat, only
because their weights differ in scale. Filter normalisation cures that.
"""

# curriculum: C2.12
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.landscape import random_directions

device = ag.preferred_device()
torch.manual_seed(0)

# %%
# Three classes on three arms of a spiral, and a small network.

turn = torch.linspace(0, 4, 100, device=device)
arms = [turn + 2 * torch.pi / 3 * k for k in range(3)]
radius = torch.linspace(0.1, 1, 100, device=device)
inputs = torch.cat(
    [torch.stack([radius * a.cos(), radius * a.sin()], 1) for a in arms]
)
targets = torch.arange(3, device=device).repeat_interleave(100)

net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
net.to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
for _ in range(400):
    optimizer.zero_grad()
    cross_entropy(net(inputs), targets).backward()
    optimizer.step()

# %%
# The twin: the first layer times 8, the last weights divided by 8. A ReLU
# lets a positive factor through, so every output stays what it was.

twin = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
twin.to(device).load_state_dict(net.state_dict())
with torch.no_grad():
    twin[0].weight *= 8
    twin[0].bias *= 8
    twin[2].weight /= 8
    difference = (net(inputs) - twin(inputs)).abs().max().item()
print(f"outputs differ by {difference:.1e}")

# %%
# Now the same random numbers as direction for both, as they come, and then
# with every filter scaled to the length of the network's own filter.


def line(module, normalize):
    direction = random_directions(
        module,
        count=1,
        normalize=normalize,
        generator=torch.Generator(device).manual_seed(1),
    )
    return ag.slice_loss(
        module, cross_entropy, (inputs, targets), direction, span=1.0
    )


found = {
    (kind, name): line(module, kind)
    for kind in (None, "filter")
    for name, module in (("network", net), ("twin", twin))
}

fig, axes = plt.subplots(
    2, figsize=(6.4, 6), sharex=True, layout="constrained"
)
for ax, kind in zip(axes, (None, "filter"), strict=True):
    for name, color, width in (("network", "C0", 4), ("twin", "C1", 1.5)):
        plotting.slice_line(
            found[kind, name], label=name, color=color, ax=ax
        )
        ax.lines[-2].set_linewidth(width)
    ax.set_title(f"normalize={kind!r}")
    ax.set_yscale("log")
    ax.legend()
axes[0].set_xlabel("")

raw = [found[None, name].values for name in ("network", "twin")]
same = [found["filter", name].values for name in ("network", "twin")]
ratio = (raw[1].max() / raw[0].max()).item()
fig.set_label(
    "Loss along a random direction for two networks that are one function. "
    "With raw directions the twin's curve is another one, "
    f"{ratio:.1f} times as high; normalised, the curves coincide."
)
plt.show()

# %%
# Why? A raw step moves each weight by about 1. In the twin's last layer
# the weights are 8 times smaller, so 1 is 8 times as far for them. Filter
# normalisation measures a step in units of the filter itself: a step of 1
# is as long as the filter, in the network and in the twin.
#
# It does not make *everything* comparable. The factor cancels only where
# nothing else in the network sees it. And biases are not moved: they have
# no filter to be measured by.

worst = (same[0] - same[1]).abs().max().item()
print(f"normalised curves differ by {worst:.1e}")
apart = (raw[0] - raw[1]).abs().max().item()
print(f"raw curves differ by {apart:.1e}")
assert difference < 1e-4
assert worst < 1e-3 * same[0].max()
assert apart > 1
plt.show()
