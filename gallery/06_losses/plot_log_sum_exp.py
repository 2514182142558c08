"""
A loss that overflows, and the shift that saves it
==================================================

``exp`` of 89 does not fit into a float32. The logarithm after it brings
the number back to size, but too late. Subtract the maximum first.
"""

# curriculum: C7.4
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()
soft_margin = CATALOGUE["soft_margin_loss"]

# %%
# Cross-entropy as the formula says, on small logits: right.


def naive_cross_entropy(logits, right):
    return logits.exp().sum().log() - logits[right]


small = torch.tensor([3.0, 1.0, -3.0], device=device)
print(naive_cross_entropy(small, 1).item())

# %%
# **Where it breaks.** The same formula, logits thirty times as large. The
# loss is infinite, and its gradient is not a number: infinity by infinity.

large = (30 * small).requires_grad_()
broken = naive_cross_entropy(large, 1)
broken.backward()
print(broken.item(), large.grad.cpu())

# %%
# **Why, and the fix.** With *m* the largest logit,
# :math:`\log \sum e^{x_j} = m + \log \sum e^{x_j - m}`. The largest
# exponential is now 1. What underflows to 0 was too small to count.


def log_sum_exp(x):
    m = x.detach().max()
    return m + (x - m).exp().sum().log()


not_a_number = large.grad[0].isnan()
large.grad = None
stable = log_sum_exp(large) - large[1]
stable.backward()
print(stable.item(), large.grad.cpu())

# %%
# Torch's ``logsumexp`` and ``cross_entropy`` subtract the maximum as well.
# Its ``soft_margin_loss`` takes :math:`\log(1 + e^{-yx})` as it stands; the
# log-sum-exp of the two terms, ``logaddexp``, does not overflow.


def stable_soft_margin(output, target):
    z = -target * output
    return torch.logaddexp(z, torch.zeros_like(z))


x = torch.linspace(-120, 20, 281, device=device, requires_grad=True)
target = torch.ones_like(x)
theirs = soft_margin(x, target, reduction="none")
(their_slope,) = torch.autograd.grad(theirs.sum(), x)
ours = stable_soft_margin(x, target)
our_slope = soft_margin.gradient(x, target, reduction="none").detach()

lost = theirs.isinf()
edge = x[lost].max().item()
fig, (top, bottom) = plt.subplots(
    2, sharex=True, figsize=(6.4, 4.6), layout="constrained"
)
top.plot(x.detach().cpu(), ours.detach().cpu(), label="logaddexp")
top.plot(x.detach().cpu(), theirs.detach().cpu(), "--", label="torch's")
top.set(ylabel="loss")
top.legend()
bottom.plot(x.detach().cpu(), our_slope.cpu())
bottom.plot(x.detach().cpu(), their_slope.cpu(), "--")
bottom.set(xlabel="output, target 1 (float32)", ylabel="slope")
fig.set_label(
    "The soft margin loss and its slope over the output. Torch's curves "
    f"end at {edge:.1f}, below which they are infinite and not a number; "
    f"ours go on to {x[0].item():.0f} with slope {our_slope[0].item():.0f}."
)

# %%
# Below the edge are the worst mistakes, and there torch returns ``nan``.
# One such sample spoils every weight that the batch trains.

batch = torch.tensor([1.0, 0.5, -100.0], device=device, requires_grad=True)
soft_margin(batch, torch.ones_like(batch)).backward()
finite = soft_margin.gradient(batch, torch.ones_like(batch)).detach()
print("autograd:", batch.grad.cpu())
print("by hand: ", finite.cpu())

# %%
# **A second trap, inside the fix.** A popular stable form of
# :math:`\log(1 + e^{x})` is :math:`\max(x, 0) + \log(1 + e^{-|x|})`. Its
# values are right. At 0 autograd differentiates two kinks, and 0 is where
# every model with zero weights starts.


def two_kinks(z):
    return z.relu() + (-z.abs()).exp().log1p()


def no_kink(z):
    return torch.logaddexp(z, torch.zeros_like(z))


slopes = {}
for form in (two_kinks, no_kink):
    z = torch.tensor(0.0, device=device, requires_grad=True)
    form(z).backward()
    slopes[form.__name__] = z.grad.item()
    print(f"{form.__name__:9} {form(z).item():.4f}, slope {z.grad.item()}")

# %%
# The slope of :math:`\log(1 + e^x)` at 0 is ½. ``logaddexp`` has neither
# fault.

assert broken.isinf()
assert not_a_number
assert large.grad.isfinite().all()
assert finite.isfinite().all()
assert torch.isclose(stable.detach().cpu(), torch.tensor(60.0))
assert -89.1 < edge < -88
assert their_slope[lost].isnan().all()
assert our_slope[lost].eq(-1).all()
assert slopes == {"two_kinks": 0.0, "no_kink": 0.5}
plt.show()
