r"""
Convex or not: ten thousand chords decide, almost
=================================================

On a convex surface the middle of every chord lies on or above the surface.
Each chord that dips below proves the contrary. Chords that do not are
evidence, not proof.
"""

# curriculum: C2.6
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()
catalogue = ag.objectives.CATALOGUE

# %%
# One chord first. Its middle is :math:`z_1`, the mean of the two ends; the
# surface below it is :math:`z_2`. Convex means :math:`z_1 \ge z_2` for any
# two points; strictly convex, :math:`z_1 > z_2` for any two different ones.


def chord(function, a, b):
    middle = (function(a) + function(b)) / 2
    return middle, function((a + b) / 2)


a, b = torch.tensor([[-3.0], [2.0]], device=device)
names = ["parabola", "styblinski_tang"]
fig, axes = plt.subplots(1, 2, figsize=(7.0, 3.6), layout="constrained")
gaps = []
for ax, name in zip(axes, names, strict=True):
    function = catalogue[name].fn
    line = torch.linspace(-4, 4, 200, device=device)[:, None]
    z1, z2 = chord(function, a, b)
    gaps.append((z1 - z2).item())
    ends = torch.stack([a, b])
    ax.plot(line[:, 0].cpu(), function(line).cpu())
    ax.plot(ends[:, 0].cpu(), function(ends).cpu(), "o-")
    middle = [((a + b) / 2).item()] * 2
    ax.plot(middle, [z1.item(), z2.item()], "s--", color="C2")
    title = f"{catalogue[name].title}: {gaps[-1]:+.3g}"
    ax.set(title=title, xlabel="x")
axes[0].set_ylabel("value")
fig.set_label(
    "A chord over each of two curves from -3 to 2. Over the parabola its "
    f"middle is {gaps[0]:g} above the curve; over Styblinski and Tang's "
    f"curve with two dips it is {-gaps[1]:.3g} below."
)

# %%
# Now ten thousand random chords for each function of the catalogue, within
# the part of the plane where it is usually drawn.

torch.manual_seed(0)


def share_below(function, domain, count=10_000):
    low, high = torch.tensor(domain, dtype=torch.float64).T
    pairs = torch.rand(2, count, len(low), dtype=torch.float64)
    first, second = (low + (high - low) * pairs).to(device)
    z1, z2 = chord(function, first, second)
    rounding = 1e-12 * (1 + z1.abs() + z2.abs())
    return (z1 < z2 - rounding).double().mean().item()


def logistic(points):
    """Return the cross-entropy of a slope and a bias on six labels."""
    z = points[..., :1] * torch.arange(6).to(points) + points[..., 1:]
    labels = torch.tensor([0, 0, 1, 0, 1, 1]).to(points)
    return (torch.nn.functional.softplus(z) - labels * z).mean(-1)


shares = {e.title: share_below(e, e.domain) for e in catalogue.values()}
shares["logistic regression"] = share_below(logistic, ((-4, 4), (-9, 9)))
order = sorted(shares, key=shares.get)
fig, ax = plt.subplots(figsize=(6.4, 5.4), layout="constrained")
ax.barh(order, [100 * shares[name] for name in order])
ax.set_xlabel("chords whose middle is below the surface (%)")
ax.grid(visible=False, axis="y")
convex = [name for name in order if shares[name] == 0]
fig.set_label(
    f"Share of 10 000 chords below the surface for each of {len(order)} "
    f"functions. It is zero for {len(convex)}: {', '.join(convex)}. It is "
    f"largest for {order[-1]}, {shares[order[-1]]:.0%}."
)

# %%
# Every bar is a proof that its function is not convex: one bad chord is
# enough. The losses of linear and of logistic regression have none; both
# are convex, as their second derivatives prove. A convex function has no
# local minimum that is not the lowest, so where there is a minimum,
# gradient descent with a small enough learning rate cannot be trapped
# above it.
#
# **Where it breaks.** A small dent far from the chords' middles goes
# unseen. Here is a parabola with a dent a thousandth wide.


def dented(x):
    return (x**2).sum(-1) - 0.1 * torch.exp(-((x[..., 0] / 1e-3) ** 2))


few = torch.rand(2, 1000, 1, dtype=torch.float64).to(device) * 8 - 4
z1, z2 = chord(dented, *few)
missed = int((z1 < z2).sum())
print(f"of 1000 chords, {missed} dip below the dented parabola")

# %%
# **The local test** sees it: a function is convex where its second
# derivatives have no negative eigenvalue, and the rim of the dent has one.

rim = torch.tensor([1.5e-3], dtype=torch.float64, device=device)
bend = ag.descent.classify(dented, rim).eigenvalues[0].item()
print(f"curvature at the rim of the dent: {bend:.0f}")

# %%
# Which passed, which failed, and what was missed:

assert gaps[0] > 0 > gaps[1]
assert {"parabola", "Booth", "Matyas", "sphere"} <= set(convex)
assert {"linear regression", "logistic regression"} <= set(convex)
for name in ("Himmelblau", "Rastrigin", "Rosenbrock", "saddle", "Ackley"):
    assert shares[name] > 0
assert missed == 0
assert bend < -1000
plt.show()
