r"""
Two starts a millionth apart may reach different minima
=======================================================

A large learning rate, lowered later, is a common schedule. While it is
large, steps can stretch tiny differences until nobody can tell which
minimum a start will reach.
"""

# curriculum: C2.8, C2.9
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.descent import GradientDescent

device = ag.preferred_device()
rastrigin = ag.objectives.CATALOGUE["rastrigin"]
HOT_STEPS, COOL = 100, 0.004

# %%
# Five hundred random starts, each with a twin a millionth to the right. The
# learning rate is `hot` for 100 steps, then 0.004, at which every ripple
# holds.

torch.manual_seed(0)
starts = torch.empty(500, 2, dtype=torch.float64).uniform_(-4, 4)
twins = starts + torch.tensor([1e-6, 0.0])
both = torch.cat([starts, twins]).to(device)


def descend(hot):
    def cooled(step):
        return hot if step < HOT_STEPS else COOL

    rule = GradientDescent(cooled)
    return ag.minimize(rastrigin, both, rule, steps=250, batched=True)


def apart(result):
    first, second = result.points.chunk(2, dim=1)
    return (first - second).norm(dim=-1)


hot, mild = descend(0.015), descend(COOL)
parted = (apart(hot)[-1] > 0.5).double().mean().item()
print(f"hot:  {parted:.0%} of the pairs end in different minima")
print(f"mild: {(apart(mild)[-1] > 0.5).double().mean().item():.0%}")

# %%
# One of the pairs that part. For a while it walks as one. The minima lie
# near the crossings of the grid.

index = int((apart(hot)[-1] > 0.5).nonzero()[0])
pair = hot.points[:, [index, index + 500]].cpu()
fig, ax = plt.subplots(figsize=(6.0, 5.6), layout="constrained")
reach = int(pair.abs().max()) + 1
for path, colour, style in zip(
    pair.unbind(1), ("C1", "C3"), ("o-", "s--"), strict=True
):
    ax.plot(*path[:40].T, style, color=colour, lw=1, ms=3)
    ax.plot(*path[-1], "*", color=colour, ms=16)
ticks = range(-reach, reach + 1)
ax.set(xlabel="x", ylabel="y", xticks=ticks, yticks=ticks, aspect="equal")
(x1, y1), (x2, y2) = pair[-1].tolist()
fig.set_label(
    "Two paths over Rastrigin's ripples that begin a millionth apart. They "
    f"jump about, part, and end at ({x1:.1f}, {y1:.1f}) and ({x2:.1f}, "
    f"{y2:.1f})."
)

# %%
# **Why.** Where the curvature is :math:`\lambda`, a step multiplies the gap
# by :math:`|1 - \eta\lambda|`. If that is above 1 most of the time, the gap
# grows exponentially: this is what *chaos* means. Below, it shrinks.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for name, result in (("hot, 0.015", hot), (f"mild, {COOL}", mild)):
    ax.plot(apart(result).median(dim=1).values.cpu(), label=name)
ax.axvline(HOT_STEPS, color="C2", linestyle=":", label="cooled")
ax.set(xlabel="step", ylabel="median gap in a pair", yscale="log")
ax.set_ylim(1e-11, 100)
ax.legend(loc="center right")
early = apart(hot)[:11].median(dim=1).values
growth = ((early[10] / early[0]) ** 0.1).item()
fig.set_label(
    "Median gap in a pair against step, on a logarithmic scale. With the "
    f"large rate it grows from a millionth, {growth:.1f}-fold a step at "
    "first, to the size of the landscape; with the small one it shrinks."
)

# %%
# **Where chaos sets in.** The steepest curvature is that of the minima,
# about :math:`2 + 40\pi^2`. Sweep the hot rate:

steepest = 2 + 40 * torch.pi**2
print(f"2/L = {2 / steepest:.4f}")
shares = {}
for rate in (0.004, 0.006, 0.008, 0.010, 0.012, 0.015, 0.020):
    ends = apart(descend(rate))[-1]
    shares[rate] = (ends > 0.5).double().mean().item()
    print(f"hot rate {rate:.3f}: {shares[rate]:4.0%} of the pairs part")

# %%
# Just above 2 / L descent bounces around its minimum, but stays in the
# ripple. Only when it can jump out does the millionth matter. Then a seed,
# a rounding or another GPU gives another result, and one run proves little.

assert parted > 0.5
assert (apart(mild)[-1] < 1e-6).any()
assert shares[0.004] == shares[0.006] == 0
assert shares[0.015] > 0.5
assert growth > 1.1
plt.show()
