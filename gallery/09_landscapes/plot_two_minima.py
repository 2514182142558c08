"""
Between two good networks lies a bad one
========================================

Train the same network twice, from two random starts. Both solve the task.
On the straight line from one to the other the loss climbs over a barrier,
and part of that barrier is only a matter of names.
"""

# curriculum: C2.12
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.landscape import direction_to

device = ag.preferred_device()

# %%
# Three classes on three arms of a spiral; one hidden layer.

turn = torch.linspace(0, 4, 100, device=device)
arms = [turn + 2 * torch.pi / 3 * k for k in range(3)]
radius = torch.linspace(0.1, 1, 100, device=device)
inputs = torch.cat(
    [torch.stack([radius * a.cos(), radius * a.sin()], 1) for a in arms]
)
targets = torch.arange(3, device=device).repeat_interleave(100)
hidden = 256


def network():
    net = nn.Sequential(nn.Linear(2, hidden), nn.ReLU())
    return net.append(nn.Linear(hidden, 3)).to(device)


def trained(seed):
    torch.manual_seed(seed)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(500):
        optimizer.zero_grad()
        cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    return net


one, other = trained(1), trained(2)


def between(start, end):
    way = direction_to(start, end)
    data = inputs, targets
    return ag.slice_loss(start, cross_entropy, data, way, span=(0.0, 1.0))


def barrier(found):
    ends = torch.max(found.values[0], found.values[-1])
    return (found.values.max() - ends).item()


straight = between(one, other)
print(f"barrier between two trained networks: {barrier(straight):.3f}")

# %%
# How can there be a barrier between two solutions? Look at a case that
# leaves no doubt: the first network, with its hidden units in another
# order. It is the same function, and every output is the same.


def reordered(net, order):
    twin = network()
    with torch.no_grad():
        twin[0].weight.copy_(net[0].weight[order])
        twin[0].bias.copy_(net[0].bias[order])
        twin[2].weight.copy_(net[2].weight[:, order])
        twin[2].bias.copy_(net[2].bias)
    return twin


shuffled = reordered(one, torch.randperm(hidden).to(device))
with torch.no_grad():
    difference = (one(inputs) - shuffled(inputs)).abs().max().item()
renamed = between(one, shuffled)
print(f"outputs differ by {difference:.1e}")
print(f"barrier to its own reordered twin: {barrier(renamed):.3f}")

# %%
# Halfway, each unit is the mean of two units that do different jobs, and
# does neither. So before we walk, we pair units that are alike: again and
# again the most similar pair of what is left, incoming and outgoing
# weights together.


def paired(net, like):
    units = [
        torch.cat([n[0].weight, n[0].bias[:, None], n[2].weight.T], 1)
        for n in (like, net)
    ]
    distance = torch.cdist(units[0].detach(), units[1].detach())
    order = torch.empty(hidden, dtype=torch.long, device=device)
    for _ in range(hidden):
        mine, theirs = divmod(int(distance.argmin()), hidden)
        order[mine] = theirs
        distance[mine], distance[:, theirs] = torch.inf, torch.inf
    return reordered(net, order)


matched = between(one, paired(other, one))
print(f"barrier after pairing: {barrier(matched):.3f}")

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for found, label, color in (
    (straight, "as trained", "C0"),
    (renamed, "its own twin, reordered", "C2"),
    (matched, "units paired first", "C1"),
):
    text = f"{label}: barrier {barrier(found):.2f}"
    plotting.slice_line(found, label=text, color=color, ax=ax)
ax.legend(loc="upper left", bbox_to_anchor=(0, 1.3))
ax.set_xlabel("share of the way from one network to the other")
fig.set_label(
    "Loss along straight lines between networks. Between the two trained "
    f"ones it rises by {barrier(straight):.2f}, between one and its own "
    f"reordered twin by {barrier(renamed):.2f}, and by only "
    f"{barrier(matched):.2f} where alike units were paired first."
)

# %%
# So a barrier on a straight line does not prove that two solutions are
# different. Part of it is the names of the units. A network of 256 hidden
# units has 256! orders of them, and as many copies of each minimum.

assert difference < 1e-4
assert barrier(renamed) > 0.05
assert barrier(matched) < 0.6 * barrier(straight)
plt.show()
