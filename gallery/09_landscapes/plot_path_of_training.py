"""
Training hardly moves in a random plane
=======================================

Where does training walk on the landscape? In a random plane through its
end it seems to stand still. The plane must be made from the path itself.
"""

# curriculum: C2.12
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.landscape import (
    pca_directions,
    project,
    random_directions,
)

device = ag.preferred_device()
torch.manual_seed(0)

# %%
# Three classes on three arms of a spiral. While the network learns, we
# note all its parameters as one vector, every tenth step.

turn = torch.linspace(0, 4, 100, device=device)
arms = [turn + 2 * torch.pi / 3 * k for k in range(3)]
radius = torch.linspace(0.1, 1, 100, device=device)
inputs = torch.cat(
    [torch.stack([radius * a.cos(), radius * a.sin()], 1) for a in arms]
)
targets = torch.arange(3, device=device).repeat_interleave(100)

net = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 3))
net.to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)


def now():
    return nn.utils.parameters_to_vector(net.parameters()).detach()


moments = [now()]
for step in range(400):
    optimizer.zero_grad()
    cross_entropy(net(inputs), targets).backward()
    optimizer.step()
    if step % 10 == 9:
        moments.append(now())
moments = torch.stack(moments)
end = moments[-1]

# %%
# Two planes through the end of training: one spanned by random directions,
# one by the two directions in which the path is longest. All four
# directions have length 1. How much of the way does each plane see?

planes = {
    "random": normalize(random_directions(net), dim=1),
    "principal": pca_directions(moments),
}
paths = {
    name: project(moments, end, plane) for name, plane in planes.items()
}
walked = (moments[0] - end).norm()
seen = {
    name: (path[0].norm() / walked).item() for name, path in paths.items()
}
for name, share in seen.items():
    print(f"{name}: {share:.1%} of the distance from start to end")

# %%
# The *explained variance* counts all moments, not only the start: the share
# of their squared distances from the end that each direction of a plane
# holds.

total = (moments - end).square().sum()
explained = {
    name: (path.square().sum(0) / total).tolist()
    for name, path in paths.items()
}
for name, shares in explained.items():
    print(f"{name}: " + ", ".join(f"{share:.1%}" for share in shares))

fig, axes = plt.subplots(2, figsize=(5, 8), layout="constrained")
span = 1.2 * paths["principal"].abs().max().item()
for ax, (name, plane) in zip(axes, planes.items(), strict=True):
    found = ag.slice_loss(
        net, cross_entropy, (inputs, targets), plane, span=span, points=31
    )
    plotting.contour(found, ax=ax)
    x, y = paths[name].T.cpu()
    ax.plot(x, y, ".-", color="C1", label="training")
    ax.plot(x[-1], y[-1], "o", color="C1", label="its end")
    ax.set_title(
        f"{name} plane, explained variance {sum(explained[name]):.1%}"
    )
fig.legend(
    *axes[0].get_legend_handles_labels(),
    loc="outside upper center",
    ncols=2,
)
fig.set_label(
    "The path of training on two planes through its end. On the random "
    f"plane it is a dot that shows {seen['random']:.0%} of the way; on the "
    f"principal plane a long curve that shows {seen['principal']:.0%}."
)
plt.show()

# %%
# Why? The network has hundreds of parameters. The share of a fixed vector
# that lies along a random unit vector is about :math:`1 / \sqrt{P}`, and
# along two of them :math:`\sqrt{2 / P}`.

expected = (2 / end.numel()) ** 0.5
print(f"{end.numel()} parameters: a random plane sees about {expected:.1%}")

# %%
# The principal plane has its own trap. It shows the way well *because* it
# was chosen to, and a path that looks straight in it need not be. And only
# the end lies on the plane: the loss of an earlier moment is not the
# colour below its dot.

with torch.no_grad():
    below = ag.slice_loss(
        net,
        cross_entropy,
        (inputs, targets),
        paths["principal"][:1] @ planes["principal"],
        span=(0.0, 1.0),
        points=3,
    ).values[-1]
    nn.utils.vector_to_parameters(moments[0], net.parameters())
    true = cross_entropy(net(inputs), targets)
print(f"loss at the start {true:.3f}, below its dot {below:.3f}")
assert seen["random"] < 4 * expected < seen["principal"]
assert seen["principal"] > 0.8
assert sum(explained["principal"]) > 0.9 > 0.1 > sum(explained["random"])
assert (true - below).abs() > 0.01
plt.show()
