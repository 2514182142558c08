"""
Initialization: equal weights stay equal, small ones hardly learn
=================================================================

With weights of zero no weight gets a gradient. With a constant all units of
a layer stay copies of each other. Random numbers must have the right size:
that of He initialization lets a deep network with ReLU learn.
"""

# curriculum: C6.3
import itertools

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

import autodiff_guide as ag

device = ag.preferred_device()
SEEDS = 5
torch.manual_seed(0)
inputs = torch.randn(SEEDS, 128, 4).to(device)
target = inputs[..., :1] * inputs[..., 1:2]
mean_only = target.var((1, 2), unbiased=False)

# %%
# Five sets of 128 examples; the target is the product of two inputs. The
# loss is given relative to that of the best constant, the mean.
#
# Eight hidden layers of 32 units with ReLU, all biases 0, and five ways to
# choose the weights. The third is what ``nn.Linear`` does by itself.


def default(weight):
    bound = weight.shape[1] ** -0.5
    nn.init.uniform_(weight, -bound, bound)


WAYS = {
    "zeros": nn.init.zeros_,
    "constant": lambda w: nn.init.constant_(w, 1 / w.shape[1]),
    "default": default,
    "Xavier": nn.init.xavier_uniform_,
    "He": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
}


def network(initialize, seed, depth=8):
    torch.manual_seed(seed)
    widths, layers = [4] + [32] * depth + [1], []
    for fan_in, fan_out in itertools.pairwise(widths):
        linear = nn.Linear(fan_in, fan_out)
        initialize(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(device)


# %%
# **Zeros.** Every unit is 0, and in the backward pass every gradient is 0
# but one: that of the last layer's bias. The network can learn the mean of
# the targets and nothing else.


def gradients(net, seed=0):
    net.zero_grad()
    functional.mse_loss(net(inputs[seed]), target[seed]).backward()
    return {name: each.grad for name, each in net.named_parameters()}


with_gradient = [
    name
    for name, gradient in gradients(network(nn.init.zeros_, 0)).items()
    if gradient.count_nonzero()
]
print("zeros, a gradient reaches only:", with_gradient)

# %%
# **A constant.** Now a gradient comes through, but all units of a layer are
# equal, so they get equal gradients and stay equal. Thirty-two units work
# like one. Train for 50 steps, and look how far the first two units of a
# layer differ.


def apart(initialize, seed, steps=50):
    net = network(initialize, seed, depth=2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(steps):
        gradients(net, seed)
        optimizer.step()
    weight = net[2].weight.detach()
    return float((weight - weight[0]).abs().max())


distances = {
    name: [apart(WAYS[name], seed) for seed in range(3)]
    for name in ("constant", "He")
}
for name, each in distances.items():
    shown = ", ".join(f"{distance:.0e}" for distance in each)
    print(f"{name:9} units differ by {shown}")

# %%
# **Random numbers** make the units different. Now their size counts. A
# layer of *n* inputs, whose weights have variance *v*, multiplies the mean
# square of the signal by *nv*, and ReLU halves it. He initialization has
# :math:`v = 2/n`, torch's default :math:`1/(3n)`, and Xavier's, between
# layers of equal width, :math:`1/n`.


@torch.no_grad()
def sizes(initialize, seed):
    h, found = inputs.flatten(0, 1), []
    for layer in network(initialize, seed)[:-1]:
        h = layer(h)
        if isinstance(layer, nn.ReLU):
            found.append(float(h.square().mean().sqrt()))
    return found


RANDOM = ("default", "Xavier", "He")
by_layer = {
    name: torch.tensor([sizes(WAYS[name], seed) for seed in range(20)])
    for name in RANDOM
}
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
places = range(1, 9)
for name, style in zip(RANDOM, ("--", "-.", "-"), strict=True):
    middle = by_layer[name].median(0).values
    ax.plot(places, middle, style, marker=".", label=name)
ax.set(xlabel="layer", ylabel="size of the signal", yscale="log")
fig.legend(loc="outside upper center", ncols=3)
fig.set_label(
    "Root mean square of a layer's outputs against the layer, medians of "
    "20 networks, on a logarithmic scale. At the eighth layer: "
    + ", ".join(f"{n} {by_layer[n][:, -1].median():.1g}" for n in RANDOM)
    + "."
)

# %%
# **Does it train?** Perhaps small weights only need a larger learning rate.
# Therefore train each way on the five sets, each from its own seed, with
# four rates, all networks side by side. Keep for each way its best rate.

RATES = (0.01, 0.03, 0.1, 0.3)


def trained(initialize, depth=8, steps=150):
    nets = [network(initialize, seed, depth) for seed in range(SEEDS)]
    stacked = []
    for same in zip(*(net[::2] for net in nets), strict=True):
        weight = torch.stack([layer.weight.detach().T for layer in same])
        bias = torch.stack([layer.bias.detach()[None] for layer in same])
        stacked += [
            each.repeat(len(RATES), 1, 1) for each in (weight, bias)
        ]
    for each in stacked:
        each.requires_grad_()
    rates = torch.tensor(RATES, device=device).repeat_interleave(SEEDS)
    history = []
    for _ in range(steps):
        h = inputs.repeat(len(RATES), 1, 1)
        for place in range(0, len(stacked), 2):
            h = h.relu() if place else h
            h = torch.baddbmm(stacked[place + 1], h, stacked[place])
        losses = (h - target.repeat(len(RATES), 1, 1)).square().mean((1, 2))
        history.append(losses.detach().cpu())
        found = torch.autograd.grad(losses.sum(), stacked)
        with torch.no_grad():
            for each, gradient in zip(stacked, found, strict=True):
                each -= rates[:, None, None] * gradient
    history = torch.stack(history).view(steps, len(RATES), SEEDS)
    history = (history / mean_only.cpu()).nan_to_num(float("inf"))
    best = int(history[-1].median(1).values.argmin())
    return history[:, best], RATES[best]


runs = {name: trained(initialize) for name, initialize in WAYS.items()}
last = {name: losses[-1] for name, (losses, _) in runs.items()}
for name, (losses, rate) in runs.items():
    print(f"{name:9} median {losses[-1].median():.3f} with rate {rate}")

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
styles = (":", "--", "-.", "--", "-")
for number, (name, style) in enumerate(zip(WAYS, styles, strict=True)):
    middle = runs[name][0].median(1).values
    color = f"C{number}" if number < 4 else "C0"
    ax.plot(middle, style, color=color, label=name)
ax.set(xlabel="step", ylabel="loss, relative to the mean's", yscale="log")
fig.legend(loc="outside upper center", ncols=5)
fig.set_label(
    "Loss against step, medians of five seeds, each with its best rate. At "
    "the end: "
    + ", ".join(f"{way} {each.median():.2g}" for way, each in last.items())
    + ". 1 is the loss of the mean of the targets."
)

# %%
# Zeros stay at the mean of the targets, and so do most networks with
# torch's default, even with the best rate. The constant learns what one
# unit for each layer can learn. With He's weights every network learns.
# With Xavier's most do: their signal is smaller after eight layers, but a
# larger rate makes up for it.
#
# **Where it does not matter.** With one hidden layer the default weights
# learn as well as the others. Depth is what multiplies a factor by itself.

shallow = {name: trained(WAYS[name], depth=1)[0][-1] for name in RANDOM}
for name, each in shallow.items():
    print(f"one hidden layer, {name:8} {each.median():.3f}")

assert with_gradient == ["16.bias"]
assert max(distances["constant"]) < 1e-6 < 0.1 < min(distances["He"])
# From the first to the eighth layer: the predicted factors.
for name, factor in (("default", 1 / 6), ("Xavier", 1 / 2), ("He", 1)):
    ratio = by_layer[name][:, -1] / by_layer[name][:, 0]
    assert factor**7 / 3 < ratio.median() ** 2 < 3 * factor**7
assert last["zeros"].min() > 0.99
assert last["default"].median() > 0.9
assert last["constant"].min() > 2 * last["He"].max()
assert last["He"].max() < 0.3
assert last["Xavier"].median() < 0.3
assert all(each.max() < 0.3 for each in shallow.values())
plt.show()
