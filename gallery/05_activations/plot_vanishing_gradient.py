"""
The deeper the sigmoids, the less gradient reaches the first layer
==================================================================

Each layer multiplies the gradient by its weights and its slopes. Where the
product is below one, depth makes it vanish: the first layer stands still.
"""

# curriculum: C6.3
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.flow import gradient_flow

device = ag.preferred_device()
torch.manual_seed(0)
inputs = torch.randn(64, 32).to(device)
target = inputs[:, :1] ** 2

# %%
# A stack of equal layers, as deep as one likes.


def network(depth, activation, initialise=lambda weight: None, seed=1):
    torch.manual_seed(seed)
    layers = []
    for _ in range(depth):
        linear = nn.Linear(32, 32)
        initialise(linear.weight)
        layers += [linear, activation()]
    return nn.Sequential(*layers, nn.Linear(32, 1)).to(device)


def flow(net):
    return gradient_flow(net, functional.mse_loss, (inputs, target))


# %%
# Ten sigmoids, layer by layer. The verdict stands beside each, and below
# the table what to try.

flow(network(10, nn.Sigmoid))

# %%
# How much of the last layer's gradient norm reaches the first?

depths = (2, 5, 10, 20, 50)
ratios = {depth: flow(network(depth, nn.Sigmoid)).ratio for depth in depths}
for depth, ratio in ratios.items():
    print(f"{depth:3} sigmoids: {ratio:.0e}")

# %%
# At fifty layers it is zero, or so small that float32 hardly holds it. Not
# slow learning; none.
#
# **Two cures.** A ReLU passes all of the gradient wherever it is on, and
# He's initialisation makes the weights large enough that neither the signal
# nor the gradient shrinks. Each cure alone is not enough: ReLU with torch's
# default weights vanishes, and so do sigmoids with Xavier's larger ones.


def he(weight):
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


cures = {
    "sigmoid": flow(network(20, nn.Sigmoid)),
    "sigmoid, Xavier": flow(
        network(20, nn.Sigmoid, nn.init.xavier_uniform_)
    ),
    "ReLU": flow(network(20, nn.ReLU)),
    "ReLU, He's initialisation": flow(network(20, nn.ReLU, he)),
}
fig, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
for name, result in cures.items():
    drawn = len(ax.lines)
    plotting.gradient_flow(result, ax=ax)
    ax.lines[drawn].set_label(f"{name}: ratio {result.ratio:.0e}")
handles, names = ax.get_legend_handles_labels()
fig.legend(handles, names, loc="outside upper center", ncols=2)
fig.set_label(
    "Gradient norm by layer in networks of 20 layers. First layer over "
    "last: "
    + ", ".join(f"{name} {flow.ratio:.0e}" for name, flow in cures.items())
    + "."
)

# %%
# Does it matter? Fit the target for 100 steps, with twenty layers each.


def loss_after_training(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        loss = functional.mse_loss(net(inputs), target)
        loss.backward()
        optimizer.step()
    return float(loss.detach())


mean_only = float(functional.mse_loss(target.mean().expand(64, 1), target))
stuck = loss_after_training(network(20, nn.Sigmoid))
learned = loss_after_training(network(20, nn.ReLU, he))
print(f"always the mean: {mean_only:.3f}")
print(f"sigmoids:        {stuck:.3f}")
print(f"ReLUs, He:       {learned:.3f}")

assert list(ratios.values()) == sorted(ratios.values(), reverse=True)
assert ratios[50] < 1e-30
for seed in range(20):
    assert flow(network(20, nn.ReLU, he, seed)).ratio > 0.01
    assert flow(network(20, nn.ReLU, seed=seed)).ratio < 1e-6
    xavier = network(20, nn.Sigmoid, nn.init.xavier_uniform_, seed)
    assert flow(xavier).ratio < 1e-12
    assert flow(network(20, nn.Sigmoid, seed=seed)).ratio < 1e-15
assert stuck > 0.9 * mean_only > 10 * learned
plt.show()
