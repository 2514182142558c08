"""
Squared error on a probability forgives the worst mistakes
==========================================================

A classifier that is sure and wrong should learn the most. With squared
error on a sigmoid it learns the least, and cross-entropy mends that.
"""

# curriculum: C7.4
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()
mse, bce = CATALOGUE["mse_loss"], CATALOGUE["binary_cross_entropy"]
bce_with_logits = CATALOGUE["binary_cross_entropy_with_logits"]

# %%
# One logit *z*, target 1, and the model says "surely not": *z* = -8.

z = torch.tensor(-8.0, dtype=torch.float64, device=device)
one = torch.ones_like(z)
p = z.sigmoid()
slope_of_sigmoid = p * (1 - p)
by_squares = mse.gradient(p, one) * slope_of_sigmoid
by_entropy = bce.gradient(p, one) * slope_of_sigmoid
print(f"squared error  {by_squares.item():+.6f}")
print(f"cross-entropy  {by_entropy.item():+.6f}")

# %%
# The sigmoid's slope :math:`p(1 - p)` is nearly 0 at both ends. Squared
# error is multiplied by it. Cross-entropy has :math:`p (1 - p)` in its
# denominator: they cancel, and :math:`p - y` is left.

logits = torch.linspace(-8, 8, 161, dtype=z.dtype, device=device)
ones = torch.ones_like(logits)
q = logits.sigmoid()
squares = mse.gradient(q, ones, reduction="none") * q * (1 - q)
entropy = bce_with_logits.gradient(logits, ones, reduction="none")
hinge = torch.where(logits < 1, -1.0, 0.0)

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(logits.cpu(), squares.cpu(), label="squared error of the sigmoid")
ax.plot(logits.cpu(), entropy.cpu(), "--", label="cross-entropy")
ax.plot(logits.cpu(), hinge.cpu(), ":", label="hinge")
ax.set(xlabel="logit, target 1", ylabel="gradient by the logit")
ax.legend()
fig.set_label(
    "Gradients by the logit for target 1. At -8 that of the squared error "
    f"is {squares[0].item():.4f}, that of cross-entropy "
    f"{entropy[0].item():.3f}. The hinge's is -1 below 1 and 0 above."
)

# %%
# **What it does to training.** 40 points in two groups, and weights that
# begin pointing the wrong way.

generator = torch.Generator().manual_seed(0)
labels = torch.arange(40) % 2
points = torch.randn(40, 2, generator=generator)
points = (points + 4 * labels[:, None] - 2).double().to(device)
labels = labels.double().to(device)


def train(gradient_by_logit, steps=400, lr=0.1):
    """Descend from wrong weights; return the accuracy after each step."""
    weights = torch.tensor([-1.5, -1.5], dtype=z.dtype, device=device)
    accuracy = []
    for _ in range(steps):
        scores = points @ weights
        weights = weights - lr * points.T @ gradient_by_logit(scores)
        accuracy.append(((scores > 0) == (labels > 0.5)).double().mean())
    return torch.stack(accuracy).cpu()


def squared(scores):
    guess = scores.sigmoid()
    return mse.gradient(guess, labels) * guess * (1 - guess)


def logistic(scores):
    return bce_with_logits.gradient(scores, labels)


with_squares, with_entropy = train(squared), train(logistic)
fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.plot(with_squares, label="squared error of the sigmoid")
ax.plot(with_entropy, "--", label="cross-entropy")
ax.set(xlabel="step", ylabel="accuracy", ylim=(-0.05, 1.05))
ax.legend()
both = torch.stack([with_entropy, with_squares])
first, late = (both > 0.9).int().argmax(1).tolist()
fig.set_label(
    "Accuracy over training from wrong weights. Cross-entropy passes 90 % "
    f"after {first} steps, squared error after {late}."
)

# %%
# **Where cross-entropy breaks.** What never forgives a confident mistake
# does not forgive a wrong *label* either: the loss of one mislabelled point
# grows without bound, and its gradient stays near 1.

wrong_label = torch.tensor(8.0, dtype=z.dtype, device=device)
stubborn = bce_with_logits.gradient(wrong_label, torch.zeros_like(z))
smoothed = bce_with_logits.gradient(wrong_label, torch.full_like(z, 0.1))
print(f"label 0 at a logit of 8: gradient {stubborn.item():.3f}")
print(f"smoothed to 0.1:         gradient {smoothed.item():.3f}")

# %%
# Smoothing the labels softens that a little. And it gives every logit a
# place to rest: with target 0.9 that is :math:`\log 9`, not infinity.

assert torch.isclose(by_entropy, p - 1)
assert by_squares.abs() < 1e-3 < 0.99 < by_entropy.abs()
assert with_entropy[-1] > 0.95
assert late > 5 * first
rest = torch.tensor(9.0, dtype=z.dtype, device=device).log()
assert bce_with_logits.gradient(rest, torch.full_like(z, 0.9)).abs() < 1e-12
plt.show()
