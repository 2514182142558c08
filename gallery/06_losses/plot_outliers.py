"""
What a regression loss punishes: one outlier, three lines
=========================================================

The negative gradient of a loss is a force on the output of each sample.
With squared error one far point in ten has a third of all the force.
"""

# curriculum: C7.4
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()
NAMES = ["mse_loss", "l1_loss", "huber_loss"]

# %%
# The smallest model: one number, *c*, for five targets, one an outlier.
# Descend on each loss by its gradient by hand.

targets = torch.tensor([1.0, 2.0, 3.0, 4.0, 40.0], device=device)


def best_constant(loss, lr=0.2, steps=2000):
    c = torch.zeros((), device=device)
    for step in range(steps):
        slope = loss.gradient(c.expand(5), targets).sum()
        c = c - lr / (1 + step / 100) * slope
    return c.item()


best = {name: best_constant(CATALOGUE[name]) for name in NAMES}
for name in NAMES:
    print(f"{name:10} {best[name]:6.2f}")

# %%
# Squared error finds the mean, 10, a value near none of the targets. The
# absolute error finds the median: it does not ask how far a point is away.
#
# On a line the same happens. Ten points on *y* = *x* + noise, one spoiled.

generator = torch.Generator().manual_seed(0)
x = torch.linspace(0, 1, 10)
y = x + 0.05 * torch.randn(10, generator=generator)
y[9] -= 2
x, y = x.to(device), y.to(device)
features = torch.stack([x, torch.ones_like(x)], dim=1)


def fit(loss, steps=3000, **settings):
    weights = torch.zeros(2, device=device)
    for step in range(steps):
        force = -loss.gradient(features @ weights, y, **settings)
        weights = weights + 0.3 / (1 + step / 300) * features.T @ force
    return weights


settings = {name: {} for name in NAMES} | {"huber_loss": {"delta": 0.1}}
lines = {name: fit(CATALOGUE[name], **settings[name]) for name in NAMES}

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ax.plot(x.cpu(), y.cpu(), "o", color="C3", label="data")
for name, style in zip(NAMES, ["-", "--", ":"], strict=True):
    slope = lines[name][0].item()
    label = f"{name}, slope {slope:.2f}"
    ax.plot(x.cpu(), (features @ lines[name]).cpu(), style, label=label)
ax.set(xlabel="x", ylabel="y")
ax.legend()
fitted = [f"{lines[name][0].item():.2f} ({name})" for name in NAMES]
fig.set_label(
    "Ten points near the diagonal, the last far below it. The fitted "
    f"slopes are {', '.join(fitted)}."
)

# %%
# **Why.** Look at the size of the outlier's force, as a share of all ten.

shares = {}
for name in NAMES:
    output = features @ lines[name]
    force = CATALOGUE[name].gradient(output, y, **settings[name]).abs()
    shares[name] = (force[9] / force.sum()).item()
    print(f"{name:10} the outlier exerts {shares[name]:.0%} of the force")

# %%
# **Where the absolute error breaks.** Its gradient is as large next to the
# target as far from it. With a constant step it cannot come to rest.

finals = {}
target = torch.tensor(1.0, device=device)
for name in NAMES:
    path = torch.zeros(61, device=device)
    for k in range(60):
        force = -CATALOGUE[name].gradient(path[k], target)
        path[k + 1] = path[k] + 0.3 * force
    finals[name] = path.cpu()

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for name, style in zip(NAMES, ["-", "--", ":"], strict=True):
    ax.plot(finals[name][:16], style, label=name)
ax.axhline(1, linewidth=1)
ax.set(xlabel="step", ylabel="output")
ax.legend()
swing = (finals["l1_loss"][-1] - finals["l1_loss"][-2]).abs().item()
fig.set_label(
    "Descent to the target 1 with step 0.3. Squared error and Huber settle "
    f"at 1; the absolute error jumps to and fro by {swing:.1f} for ever."
)

# %%
# The Huber loss takes the best of both: straight far away, so that an
# outlier is only one vote; round near the target, so that descent rests.

assert abs(best["mse_loss"] - targets.mean().item()) < 0.05
assert abs(best["l1_loss"] - targets.median().item()) < 0.05
assert lines["mse_loss"][0] < 0.4
assert all(0.8 < lines[name][0] < 1.2 for name in ("l1_loss", "huber_loss"))
assert shares["mse_loss"] > 2 * shares["huber_loss"]
assert 0.3 < shares["mse_loss"] < 0.4
assert shares["l1_loss"] < 0.11
# A third, whatever the noise: least squares has a closed form.
noise = torch.randn(100, 10, generator=generator, dtype=torch.float64)
many = x.cpu().double() + 0.05 * noise
many[:, 9] -= 2
design = features.cpu().double()
residuals = many - many @ torch.linalg.pinv(design).T @ design.T
outlier = residuals[:, 9].abs() / residuals.abs().sum(1)
assert ((outlier > 0.3) & (outlier < 0.4)).all()
assert swing > 0.2
assert abs(finals["huber_loss"][-1] - 1) < 1e-4
plt.show()
