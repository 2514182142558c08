"""
Most starts end in a local minimum
==================================

Rastrigin's function is a bowl with ripples. Descent walks down into the
ripple it starts in, and there it stays: nothing in the gradient says that
a lower place exists.
"""

# curriculum: C2.7
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.descent import GradientDescent, Kind, Momentum

device = ag.preferred_device()
rastrigin = ag.objectives.CATALOGUE["rastrigin"]

# %%
# A thousand random starts, descended at once until the gradient vanishes.

torch.manual_seed(0)
starts = torch.empty(1000, 2, dtype=torch.float64).uniform_(-5, 5)
starts = starts.to(device)
found = ag.minimize(
    rastrigin,
    starts,
    GradientDescent(0.002),
    gradient_below=1e-6,
    batched=True,
)
found

# %%
# All of them have converged, and to true minima: every direction curves
# up. They are only not *the* minimum, at (0, 0).

ends = found.points[-1]
kinds = ag.descent.classify(rastrigin, ends)
best = found.values[-1] < 1e-6
print(kinds)
print(f"at the lowest of all: {best.double().mean().item():.1%}")

# %%
# Where they started is nearly where they ended. The middle of the plane:

fig, ax = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
side = torch.linspace(-2.5, 2.5, 161, dtype=torch.float64)
grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)
drawn = ax.contourf(side, side, rastrigin(grid), levels=range(0, 61, 5))
fig.colorbar(drawn, ax=ax, label="value")
ax.plot(
    *ends[~best].T.cpu(), "o", color="C1", markeredgecolor="white", ms=6
)
ax.plot(0, 0, "*", color="C3", markeredgecolor="white", ms=16)
ax.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")
ax.set(xlabel="x", ylabel="y")
places = len(torch.unique(ends.round(decimals=2), dim=0))
fig.set_label(
    "Contours of Rastrigin's function around its minimum, with the places "
    f"where descents ended: part of a grid of {places} local minima. The "
    "star marks the lowest."
)

# %%
# **What hardly helps:** another rule. Each settles in a ripple near its
# start, even the one with much momentum. (The second lowest minimum is 1,
# so a value below 0.5 is in the lowest ripple.)

print(f"{'rule':38} reached")
reached = {}
for rule in (
    GradientDescent(0.002),
    GradientDescent(0.005),
    Momentum(0.002, momentum=0.9),
    Momentum(0.002, momentum=0.97),
):
    run = ag.minimize(rastrigin, starts, rule, steps=300, batched=True)
    hit = (run.values[-1] < 0.5).double().mean().item()
    reached[repr(rule)] = hit
    print(f"{rule!r:38} {hit:.1%}")

# %%
# **What helps for sure:** several starts, and keep the lowest. If one start
# succeeds with probability *p*, then *k* of them all fail with
# :math:`(1 - p)^k`. Grouping our thousand by ten measures it.

p = best.double().mean().item()
fraction = best.view(100, 10).any(1).double().mean().item()
theory = 1 - (1 - p) ** 10
print(f"one start: {p:.1%}. Ten: {fraction:.0%}, theory {theory:.0%}")

# %%
# Converged is not the same as lowest.

assert kinds.is_a(Kind.MINIMUM).all()
assert best.any()
assert p < 0.1
assert max(reached.values()) < 0.1
assert abs(fraction - theory) < 0.15
plt.show()
