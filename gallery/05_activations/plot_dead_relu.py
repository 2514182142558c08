"""
A ReLU can die, and a dead one never wakes
==========================================

Where its input is negative a ReLU passes nothing, forward or back. A unit
whose input is negative for *every* sample gets no gradient at all, so no
step can revive it.
"""

# curriculum: C6.4
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.flow import gradient_flow

device = ag.preferred_device()
x = torch.linspace(-2, 2, 64, device=device).unsqueeze(-1)
target = torch.sin(2 * x)

# %%
# A small network for a wave; and the same one with the biases of its second
# layer at −20.


def network(activation=nn.ReLU, bias=None):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(1, 16),
        activation(),
        nn.Linear(16, 16),
        activation(),
        nn.Linear(16, 1),
    ).to(device)
    if bias is not None:
        nn.init.constant_(net[2].bias, bias)
    return net


def flow(net):
    return gradient_flow(net, functional.mse_loss, (x, target))


flow(network(bias=-20.0))

# %%
# The second layer is dead, and it blocks the first. Training changes the
# last bias, nothing else: the best it can do is a constant.


def train(net, lr=0.05, steps=200):
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
    return net


dead, alive = train(network(bias=-20.0)), train(network())

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(x.cpu(), target.cpu(), linestyle=":", label="target")
for name, net in {"alive": alive, "dead": dead}.items():
    ax.plot(x.cpu(), net(x).detach().cpu(), label=name)
ax.set_xlabel("x")
ax.set_ylabel("output")
ax.legend()
spread = float(dead(x).detach().std())
fig.set_label(
    "A wave and two networks fitted to it. The healthy one follows it; the "
    f"dead one draws a flat line, whose spread is {spread:.1g}."
)

# %%
# Nobody sets a bias to −20. A learning rate far too large does: one bad
# step throws the weights where no input reaches.

flow(train(network(), lr=20.0, steps=3))

# %%
# **The mend.** A smaller learning rate does not wake what is dead. Start
# again with biases near zero; or let the negative side leak, so that
# nothing can die.

mends = {
    "ReLU, biases -20": network(bias=-20.0),
    "ELU, biases -20": network(nn.ELU, bias=-20.0),
    "LeakyReLU, biases -20": network(nn.LeakyReLU, bias=-20.0),
    "ReLU, biases near 0": network(),
}
before = {name: flow(net) for name, net in mends.items()}
for name, result in before.items():
    first = result.layers[0].gradient
    dead_share = result.layers[1].dead
    print(f"{name:22} dead {dead_share:4.0%}, first gradient {first:.0e}")

# %%
# ELU is not counted as dead, yet it would stand still: its slope at −20 is
# :math:`e^{-20}`. LeakyReLU moves, but slowly: a hundredth in each of two
# layers. Biases near zero are the better cure; the fit above has them.

fig, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
for name, result in before.items():
    drawn = len(ax.lines)
    plotting.gradient_flow(result, ax=ax)
    ax.lines[drawn].set_label(name)
ax.legend()
norms = {name: result.layers[0].gradient for name, result in before.items()}
fig.set_label(
    "Gradient norm by layer before training. At the first layer: "
    + ", ".join(f"{name}: {norm:.0e}" for name, norm in norms.items())
    + "."
)

first_of_dead, second_of_dead, _ = flow(network(bias=-20.0)).layers
assert second_of_dead.dead == 1
assert first_of_dead.gradient == second_of_dead.gradient == 0
assert spread < 1e-6
assert flow(train(network(), lr=20.0, steps=3)).layers[1].dead > 0.25
assert norms["LeakyReLU, biases -20"] > 1e4 * norms["ELU, biases -20"] > 0
losses = flow(alive).loss, flow(dead).loss
assert losses[0] < 0.1 * losses[1]
plt.show()
