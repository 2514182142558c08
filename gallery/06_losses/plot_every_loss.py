"""
Every loss on one page, with its gradient by hand
=================================================

Seventeen losses of ``torch.nn``: each curve is the loss along one straight
line, each dashed line its slope, from a gradient derived by hand.
"""

# curriculum: C7.4
import warnings

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()


def draw(names):
    """One small plot for each loss, two in a row."""
    rows = -(-len(names) // 2)
    fig = plt.figure(figsize=(6.4, 2.6 * rows), layout="constrained")
    for place, name in enumerate(names, start=1):
        ax = fig.add_subplot(rows, 2, place)
        t, values, slopes = CATALOGUE[name].curve()
        ax.plot(t, values, label="loss")
        ax.plot(t, slopes, "--", label="slope")
        ax.set_title(CATALOGUE[name].title)
        ax.set(xlabel=CATALOGUE[name].line.label, ylabel="loss, slope")
    fig.axes[0].legend()
    return fig


# %%
# Losses of a number that should be near another. What differs is how the
# slope grows with the distance: without bound, not at all, or to a limit.

names = [
    "mse_loss", "l1_loss", "huber_loss",
    "smooth_l1_loss", "poisson_nll_loss", "gaussian_nll_loss",
]  # fmt: skip
fig = draw(names)
fig.set_label(
    f"Six curves with slopes: {', '.join(names)}. The slope of the squared "
    "error grows with the residual, that of the absolute error is -1 or 1, "
    "those of Huber and smooth L1 are straight near 0, constant beyond 1."
)

# %%
# Losses of a guess at the class. The two from logits are bent lines: steep
# where the model is wrong, flat where it is right.

names = [
    "cross_entropy", "nll_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "kl_div", "multi_margin_loss",
]  # fmt: skip
fig = draw(names)
fig.set_label(
    f"Six curves with slopes: {', '.join(names)}. The two from "
    "logits fall with a slope from -1 to 0; nll_loss and kl_div are "
    "straight lines; multi_margin_loss is 0 beyond its margin."
)

# %%
# Losses that compare. All but one have a region where nothing is left to
# learn: loss 0 and slope 0.

names = [
    "hinge_embedding_loss", "soft_margin_loss", "margin_ranking_loss",
    "cosine_embedding_loss", "triplet_margin_loss",
]  # fmt: skip
fig = draw(names)
fig.set_label(
    f"Five curves with slopes: {', '.join(names)}. The slopes of the three "
    "hinges jump between -1, 0 and 1; those of the soft "
    "margin and the cosine are smooth."
)

# %%
# Is each gradient right? Draw operands at random, and compare with
# autograd through torch's own loss.


def largest_difference(loss):
    """How far the gradient by hand is from autograd's, relative to it."""
    generator = torch.Generator().manual_seed(0)
    operands = loss.sample(64, 10, generator=generator)
    operands = [operand.to(device) for operand in operands]
    outputs = operands[: len(loss.outputs)]
    for output in outputs:
        output.requires_grad_()
    value = loss(*operands, reduction="sum")
    by_autograd = torch.autograd.grad(value, outputs)
    by_hand = loss.gradient(*operands, reduction="sum")
    if torch.is_tensor(by_hand):
        by_hand = (by_hand,)
    return max(
        ((a - b).norm() / b.norm()).item()
        for a, b in zip(by_hand, by_autograd, strict=True)
    )


differences = {}
for name, loss in CATALOGUE.items():
    differences[name] = largest_difference(loss)
    print(f"{name:32} {loss.title:30} {differences[name]:.0e}")

# %%
# **Where the names mislead.** A mean is over *what*? The divergence of two
# distributions is the sum over their classes. ``kl_div`` with
# ``reduction="mean"`` divides by the number of classes as well, and torch
# warns of it.

kl = CATALOGUE["kl_div"]
log_q, p = kl.sample(64, 10, generator=torch.Generator().manual_seed(1))
divergences = (p * (p.log() - log_q)).sum(1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    by_mean = kl(log_q, p, reduction="mean")
print(str(caught[0].message).partition(".")[0])
by_rows = kl(log_q, p, reduction="sum") / len(p)
print(f"mean over rows {divergences.mean():.4f}")
print(f"'mean'         {by_mean:.4f}, {p.shape[1]} times too small")
print(f"'sum' / rows   {by_rows:.4f}")

# %%
# The gradient is too small by the same factor, and nothing else is wrong
# with it: training only looks as if its learning rate were too low.

assert len(CATALOGUE) == 17
assert max(differences.values()) < 1e-12
assert torch.isclose(by_mean * p.shape[1], divergences.mean())
assert torch.isclose(by_rows, divergences.mean())
plt.show()
