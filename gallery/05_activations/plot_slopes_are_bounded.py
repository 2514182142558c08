"""
A sigmoid passes on a quarter of the gradient, at most
======================================================

Its slope is :math:`\\sigma(1 - \\sigma) \\le 1/4`; that of tanh is
:math:`1 - \\tanh^2 \\le 1`. ReLU's is 0 or 1. Every layer multiplies by it.
"""

# curriculum: C6.3, C6.4
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()

# %%
# The bounds, first by autograd, at a hundred thousand places.

x = torch.linspace(-30, 30, 100_001, dtype=torch.float64, device=device)
slopes = {}
for name in ("sigmoid", "tanh", "relu"):
    leaf = x.clone().requires_grad_()
    CATALOGUE[name](leaf).sum().backward()
    slopes[name] = leaf.grad
    least, most = leaf.grad.aminmax()
    print(f"{name:8} slope from {least:.1e} to {most:.4f}")

# %%
# Why: :math:`p(1 - p)` is largest at :math:`p = 1/2`, so the sigmoid's
# slope is largest where its value is one half, at :math:`x = 0`. And
# :math:`\tanh x = 2\sigma(2x) - 1`, so tanh is a sigmoid four times as
# steep.

four_times = 4 * CATALOGUE["sigmoid"].derivative(2 * x)
difference = (slopes["tanh"] - four_times).abs().max()
print(f"tanh' against 4 sigmoid'(2x): at most {difference:.0e} apart")

# %%
# On a logarithmic scale the tails are straight lines: an exponential decay.
# Five units from zero, a sigmoid passes less than a hundredth.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
near = x.abs() <= 10
for (name, slope), style in zip(
    slopes.items(), ("-", "--", ":"), strict=True
):
    ax.semilogy(x[near].cpu(), slope[near].cpu(), style, label=name)
ax.set_ylim(1e-5, 3)
ax.set_xlabel("x")
ax.set_ylabel("slope")
ax.legend()
at_5 = {
    name: float(CATALOGUE[name].derivative(x.new_tensor(5.0)))
    for name in slopes
}
fig.set_label(
    f"Slopes on a logarithmic scale. At x = 5 the sigmoid's is "
    f"{at_5['sigmoid']:.4f}, that of tanh {at_5['tanh']:.5f}, ReLU's "
    f"{at_5['relu']:.0f}; left of zero ReLU's is zero."
)

# %%
# What that means in depth: with the best luck, all units at zero, each
# sigmoid layer leaves a quarter. A tanh at zero leaves all of it, but only
# there.

for depth in (1, 5, 10, 20):
    print(f"{depth:3} layers pass at most {0.25**depth:.1e}")

# %%
# A weight can make up for it, if it is large; but large weights drive the
# units away from zero, into the tails. The next page measures who wins:
# :doc:`/auto_gallery/05_activations/plot_vanishing_gradient`.

assert slopes["sigmoid"].max() < 0.25 + 1e-15
assert slopes["tanh"].max() < 1 + 1e-15
assert set(slopes["relu"].unique().tolist()) == {0.0, 1.0}
assert difference < 4e-15
plt.show()
