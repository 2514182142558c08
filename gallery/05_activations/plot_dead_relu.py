"""
A ReLU can die, and in the first layer a dead one never wakes
=============================================================

Where its input is negative a ReLU passes nothing, forward or backward. A
unit whose input is negative for *every* sample gets no gradient at all.
Whether it stays dead depends on where it stands.
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


def network(activation=nn.ReLU, bias=None, seed=0):
    torch.manual_seed(seed)
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
# The whole second layer is dead, and it blocks the first. Training changes
# the last bias, nothing else: the best it can do is a constant.


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
# **Can a dead unit wake?** Its own weights get no gradient, so it wakes
# only if its inputs change. Kill four of sixteen units, in the first layer
# or in the second, by a bias that puts their largest input just below 0.
# Train twenty such networks, each from its own seed, and look at each step.


def seeds_that_wake(layer, units=4, frozen=()):
    nets = [network(seed=seed) for seed in range(20)]
    for net in nets:
        with torch.no_grad():
            highest = net[: layer + 1](x).max(0).values
            net[layer].bias[:units] -= highest[:units] + 0.05
    weights, _ = torch.func.stack_module_state(nets)

    def outputs(upto):
        part = nets[0][:upto]
        mine = {k: weights[k] for k, _ in part.named_parameters()}
        call = torch.func.functional_call
        return torch.vmap(lambda w: call(part, w, (x,)))(mine)

    trained = [w for name, w in weights.items() if name[0] not in frozen]
    optimizer = torch.optim.SGD(trained, lr=0.05, momentum=0.9)
    woke = torch.zeros(20, dtype=torch.bool, device=device)
    for _ in range(300):
        on = outputs(layer + 1)[..., :units].detach() > 0
        woke |= on.any(2).any(1)
        optimizer.zero_grad()
        errors = (outputs(5) - target).square().mean((1, 2))
        errors.sum().backward()
        optimizer.step()
    return int(woke.sum())


awake = {
    "four units of the first layer": seeds_that_wake(0),
    "four units of the second layer": seeds_that_wake(2),
    "the same, first layer frozen": seeds_that_wake(2, frozen="0"),
    "all units of the second layer": seeds_that_wake(2, units=16),
}
for name, count in awake.items():
    print(f"{name:31} one wakes in {count:2} of 20 networks")

# %%
# In the first layer none wakes: the inputs are the data, and they stay what
# they are. In the second most networks wake one, because the first layer
# goes on learning and its outputs change. It cannot happen where the layer
# before is frozen, nor where the whole layer is dead, for then no gradient
# reaches the layer before. (Weight decay also moves the weights of a dead
# unit; there is none here.)
#
# Nobody sets a bias to −20. A learning rate far too large does: one bad
# step throws the weights where no input reaches.

flow(train(network(), lr=20.0, steps=3))

# %%
# **The mend.** A smaller learning rate does not wake a layer that is dead.
# Start again with biases near zero; or let the negative side leak, so that
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
assert awake["four units of the first layer"] == 0
assert awake["four units of the second layer"] > 10
assert awake["the same, first layer frozen"] == 0
assert awake["all units of the second layer"] == 0
assert flow(train(network(), lr=20.0, steps=3)).layers[1].dead > 0.25
assert norms["LeakyReLU, biases -20"] > 1e4 * norms["ELU, biases -20"] > 0
losses = flow(alive).loss, flow(dead).loss
assert losses[0] < 0.1 * losses[1]
plt.show()
