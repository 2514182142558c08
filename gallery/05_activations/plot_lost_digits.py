"""
One minus nearly one: how an activation loses its digits
========================================================

GELU's tail is small, and its formula subtracts two numbers close to 1 to
get it. Every digit cancels. Written for the tail, the same function keeps
them.
"""

# curriculum: C6.6
import math
from decimal import Decimal

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()
# %%
# :math:`x\,\Phi(x)`, by its formula
# :math:`\tfrac{x}{2}(1 + \mathrm{erf}(x/\sqrt2))`, by torch, and by the
# form with ``erfc``, in which nothing is subtracted:


def gelu(x):
    return x / 2 * torch.erfc(-x / math.sqrt(2))


x = torch.tensor([-2.0, -4, -6, -8, -9], device=device).double()
formula = x / 2 * (1 + torch.erf(x / 2**0.5))
by_torch, exact = CATALOGUE["gelu"](x), gelu(x)
for row in torch.stack([x, formula, by_torch, exact], dim=1).tolist():
    print("{:4.0f}{:20.11e}{:20.11e}{:20.11e}".format(*row))

# %%
# At −9 the difference of 1 and 1 − 2·10⁻¹⁹ is 0. The true value is not.
#
# GELU has a cheaper form, with tanh. It loses its digits in the same way;
# as a sigmoid, whose exponential is all that is small, it keeps them. Where
# do the digits go? Count those that survive.


def gelu_tanh(x):
    inner = x + 0.044715 * x**3
    return x * torch.sigmoid(math.sqrt(8 / math.pi) * inner)


grid = torch.linspace(-12, 4, 1601, dtype=torch.float64, device=device)
tails = {"gelu": gelu, "gelu_tanh": gelu_tanh}
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
surviving = {}
for name, tail in tails.items():
    exact, torchs = tail(grid), CATALOGUE[name](grid)
    error = ((torchs - exact) / exact).abs().nan_to_num(0).clamp(1e-16, 1)
    surviving[name] = -error.log10()
    ax.plot(grid.cpu(), surviving[name].cpu(), label=f"torch's {name}")
ax.set_xlabel("x")
ax.set_ylabel("correct decimal digits")
ax.legend()
gone = {name: float(grid[surviving[name] < 0.5].max()) for name in tails}
fig.set_label(
    "Correct digits of torch's GELU in float64: about 16 for positive x, "
    f"falling to none at {gone['gelu']:.1f}, and for its tanh form at "
    f"{gone['gelu_tanh']:.1f}."
)

# %%
# Does a network care? Hardly: where the digits are gone the value is below
# :math:`10^{-14}`. But one who compares a gradient with a formula does, and
# wonders which of the two is wrong. The catalogue's entries say where
# torch's value is not exact to the last digits:

for entry in CATALOGUE.values():
    if entry.note:
        print(f"{entry.name}: {entry.note}")

# %%
# The truth to hold them against, from the tail's series
# :math:`\Phi(x) \approx \frac{\varphi(x)}{-x}
# (1 - x^{-2} + 3x^{-4} - \dots)` in 28-digit decimals, at −9:

at, term, series = Decimal(-9), Decimal(1), Decimal(0)
for n in range(40):
    series += term
    term *= -(2 * n + 1) / at**2
pi = Decimal("3.141592653589793238462643383279")
truth = -(-at * at / 2).exp() / (2 * pi).sqrt() * series
ours = float(gelu(x)[-1])
print(f"series {truth:.12e}, ours {ours:.12e}")

assert float(formula[-1]) == 0
assert abs(ours / float(truth) - 1) < 1e-13
plt.show()
