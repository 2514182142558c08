"""
Batch norm and layer norm keep the gradient from vanishing
==========================================================

A normalization layer subtracts a mean and divides by a spread. After it
the size of the weights before it no longer matters, so a deep network with
weights of the wrong size still gets a gradient, and learns.
"""

# curriculum: C6.3
import matplotlib.pyplot as plt
import torch
from torch.nn import functional

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# *Layer norm* normalizes each example over its units: their mean becomes 0
# and their mean square 1. *Batch norm* does the same with each unit, over
# the examples of the batch. (Torch's layers also have a weight and a bias
# for each unit, which begin at 1 and 0. They are left out here.)


def normalized(z, dim):
    centered = z - z.mean(dim, keepdim=True)
    variance = centered.square().mean(dim, keepdim=True)
    return centered / (variance + 1e-5).sqrt()


NORMS = {
    "none": lambda z: z,
    "batch": lambda z: normalized(z, dim=-2),
    "layer": lambda z: normalized(z, dim=-1),
}
torch.manual_seed(0)
z = torch.randn(6, 4, dtype=torch.float64).to(device)
of_torch = {
    "batch": functional.batch_norm(z, None, None, training=True),
    "layer": functional.layer_norm(z, (4,)),
}
for name, theirs in of_torch.items():
    worst = (NORMS[name](z) - theirs).abs().max()
    print(f"{name} norm, torch's differs by {worst:.0e}")

# %%
# **Its gradient.** Adding a constant to all units changes nothing, so the
# gradient with respect to them sums to 0. Multiplying all by a constant
# changes nothing either, so the gradient is at right angles to them. And
# twice as large units get half the gradient. (This is exact without the
# 1e-5, which keeps the root away from 0.)

wanted = torch.randn(6, 4, dtype=torch.float64).to(device)


def gradient(z, normalize):
    leaf = z.clone().requires_grad_()
    loss = functional.mse_loss(normalize(leaf), wanted, reduction="sum")
    return torch.autograd.grad(loss, leaf)[0]


def laws(normalize):
    g = gradient(z, normalize)
    halved = 2 * gradient(2 * z, normalize)
    return {
        "sum": g.sum(1).abs().max().item(),
        "along z": (g * z).sum(1).abs().max().item(),
        "half at 2z": (halved - g).abs().max().item(),
    }


for name in ("none", "layer"):
    for law, violated in laws(NORMS[name]).items():
        print(f"{name:5} norm, {law:10} off by {violated:.0e}")

# %%
# **In a deep network.** Ten layers with ReLU, He initialization, and then
# all weights of these layers times a factor. How large is the gradient of
# the first layer's weights?

inputs = torch.randn(64, 32).to(device)
target = inputs[:, :1] ** 2
target = target - target.mean()


def weights(factor, seeds, depth=10):
    """Stack the networks of all seeds: for each layer one tensor."""
    made = []
    for seed in seeds:
        torch.manual_seed(seed)
        hidden = torch.randn(depth, 32, 32) * factor * (2 / 32) ** 0.5
        made.append([*hidden, torch.randn(32, 1) * 32**-0.5])
    return [
        torch.stack(same).to(device).requires_grad_()
        for same in zip(*made, strict=True)
    ]


def losses_of(layers, normalize):
    h = inputs.expand(len(layers[0]), -1, -1)
    for weight in layers[:-1]:
        h = normalize(h @ weight).relu()
    return (h @ layers[-1] - target).square().mean((1, 2))


def first_gradient(norm, factor, depth=10):
    layers = weights(factor, range(10), depth)
    loss = losses_of(layers, NORMS[norm]).sum()
    return torch.autograd.grad(loss, layers[0])[0].norm(dim=(1, 2)).cpu()


FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
sizes = {
    norm: torch.stack([first_gradient(norm, f) for f in FACTORS])
    for norm in NORMS
}
TITLES = {"none": "no norm", "batch": "batch norm", "layer": "layer norm"}
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for norm, style in zip(NORMS, (":", "--", "-"), strict=True):
    middle = sizes[norm].median(1).values
    ax.plot(FACTORS, middle, style, marker="o", label=TITLES[norm])
ax.set(xscale="log", yscale="log", xlabel="factor on the weights")
ax.set_ylabel("gradient of the first layer")
ax.set_xticks(FACTORS, [f"{factor:g}" for factor in FACTORS])
ax.minorticks_off()
fig.legend(loc="outside upper center", ncols=3)
fig.set_label(
    "Norm of the first layer's gradient against the factor on the weights, "
    "medians of ten seeds. From the smallest factor to the largest: "
    + "; ".join(
        f"{TITLES[norm]} {each.median(1).values[0]:.0e} to "
        f"{each.median(1).values[-1]:.0e}"
        for norm, each in sizes.items()
    )
    + "."
)

# %%
# Without a norm the gradient vanishes at one end and explodes at the other,
# for ten layers multiply by the factor. With a norm it is only divided by
# the factor, once.
#
# **Does it train?** Weights of 0.4 times He's are about torch's default.
# Train ten seeds side by side, with three rates, and keep the best rate for
# each norm. The control has no norm, but He's weights.


def trained(norm, factor, steps=150):
    found = {}
    for rate in (0.003, 0.01, 0.03):
        layers = weights(factor, range(10))
        for _ in range(steps):
            loss = losses_of(layers, NORMS[norm]).sum()
            slopes = torch.autograd.grad(loss, layers)
            with torch.no_grad():
                for weight, slope in zip(layers, slopes, strict=True):
                    weight -= rate * slope
        last = losses_of(layers, NORMS[norm]).detach().cpu()
        found[rate] = last.nan_to_num(float("inf"))
    return min(found.values(), key=lambda each: each.median())


mean_only = float(target.var(unbiased=False))
cases = {
    "no norm, 0.4 times He's": trained("none", 0.4),
    "batch norm, 0.4 times He's": trained("batch", 0.4),
    "layer norm, 0.4 times He's": trained("layer", 0.4),
    "no norm, He's": trained("none", 1.0),
}
print(f"always the mean: loss {mean_only:.2f}")
for name, each in cases.items():
    print(
        f"{name:27} {each.min():.2f} to {each.max():.2f}, "
        f"median {each.median():.2f}"
    )

# %%
# Without a norm no network learns. With batch norm all ten do, and with
# layer norm most of them. The control learns as well: weights of the right
# size are another cure.
#
# **Where it breaks.** Batch norm at the start of the training makes the
# gradient grow a little from layer to layer in the backward pass. Ten
# layers do not mind; fifty do.

deep = {
    norm: [first_gradient(norm, 1.0, depth).median() for depth in (10, 50)]
    for norm in NORMS
}
for norm, (ten, fifty) in deep.items():
    print(f"{norm:5} norm: 10 layers {ten:.0e}, 50 layers {fifty:.0e}")

# %%
# And batch norm mixes the examples: the output of one depends on the
# others. With layer norm it does not.

mixed = {}
for norm in ("batch", "layer"):
    leaf = z.clone().requires_grad_()
    (by_inputs,) = torch.autograd.grad(NORMS[norm](leaf)[0, 0], leaf)
    mixed[norm] = by_inputs[1:].abs().max().item()
    print(f"{norm} norm: derivative by other examples {mixed[norm]:.0e}")

# %%
# A batch of one has no spread, so torch refuses to normalize it:
# :doc:`/pitfalls/batch-norm-of-one`.

for name, theirs in of_torch.items():
    torch.testing.assert_close(NORMS[name](z), theirs)
assert laws(NORMS["layer"])["sum"] < 1e-12
assert max(laws(NORMS["layer"]).values()) < 0.05
assert min(laws(NORMS["none"]).values()) > 1
assert sizes["none"][0].max() < 1e-3
assert sizes["none"][-1].min() > 1e6
for norm in ("batch", "layer"):
    times_factor = sizes[norm] * torch.tensor(FACTORS)[:, None]
    assert (times_factor / times_factor[2] - 1).abs().max() < 0.05
    assert times_factor.min() > 0.1
    assert times_factor.max() < 50
without, batch, layer, he = cases.values()
assert without.min() > 0.99 * mean_only
assert batch.max() < 0.1 * mean_only
assert layer.median() < 0.3 * mean_only
assert he.max() < 0.1 * mean_only
assert deep["batch"][1] > 300 * deep["batch"][0]
assert all(deep[norm][1] < 3 * deep[norm][0] for norm in ("none", "layer"))
assert mixed["batch"] > 0.01
assert mixed["layer"] == 0
plt.show()
