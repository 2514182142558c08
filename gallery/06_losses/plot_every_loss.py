"""
Every loss on one page, with its gradient by hand
=================================================

Seventeen losses of ``torch.nn``: each curve is the loss along one straight
line, each dashed line its slope, from a gradient derived by hand.
"""

# curriculum: C7.4
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()

# %%
# Losses of a number that should be near another. What differs is how the
# slope grows with the distance: without bound, not at all, or to a limit.

names = ["mse", "mae", "huber", "smooth_l1", "poisson_nll", "gaussian_nll"]
fig = plotting.loss_grid(CATALOGUE[name] for name in names)
fig.set_label(
    f"Six curves with slopes: {', '.join(names)}. The slope of mse grows "
    "with the residual, that of mae is -1 or 1, those of huber and "
    "smooth_l1 are straight near 0 and constant beyond 1."
)

# %%
# Losses of a guess at the class. The two from logits are bent lines: steep
# where the model is wrong, flat where it is right.

names = [
    "cross_entropy", "nll", "bce", "bce_with_logits", "kl", "multi_margin",
]  # fmt: skip
fig = plotting.loss_grid(CATALOGUE[name] for name in names)
fig.set_label(
    f"Six curves with slopes: {', '.join(names)}. cross_entropy and "
    "bce_with_logits fall with a slope from -1 to 0; nll and kl are "
    "straight lines; multi_margin is 0 beyond its margin."
)

# %%
# Losses that compare. All but one have a region where nothing is left to
# learn: loss 0 and slope 0.

names = [
    "hinge_embedding", "soft_margin", "margin_ranking",
    "cosine_embedding", "triplet_margin",
]  # fmt: skip
fig = plotting.loss_grid(CATALOGUE[name] for name in names)
fig.set_label(
    f"Five curves with slopes: {', '.join(names)}. The slopes of the three "
    "hinges jump between -1, 0 and 1; soft_margin and cosine_embedding "
    "are smooth."
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
    value = loss.torch_twin(*operands, reduction="sum")
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
    print(f"{name:17} {differences[name]:.0e}")

# %%
# **Where the names mislead.** A mean is over *what*? The divergence of two
# distributions is the sum over their classes. ``kl`` with
# ``reduction="mean"`` divides by the number of classes as well.

kl = CATALOGUE["kl"]
log_q, p = kl.sample(64, 10, generator=torch.Generator().manual_seed(1))
divergences = (p * (p.log() - log_q)).sum(1)
by_mean = kl(log_q, p, reduction="mean")
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
