"""
Softmax and cross-entropy: the gradient is p minus one-hot
==========================================================

The logarithm of the loss undoes the exponential of the softmax. What is
left is a subtraction: what the model said, minus what was right.
"""

# curriculum: C7.3
import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag
from autodiff_guide.activations import CATALOGUE as ACTIVATIONS
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()
cross_entropy, softmax = CATALOGUE["cross_entropy"], ACTIVATIONS["softmax"]

# %%
# One sample, three classes. The model prefers class 0; right is class 1.

logits = torch.tensor([3.0, 1.0, -3.0], dtype=torch.float64, device=device)
right = torch.tensor(1, device=device)
onehot = torch.tensor([0.0, 1.0, 0.0], dtype=logits.dtype, device=device)


def loss_at(z):
    return cross_entropy(z, right)


by_hand = softmax(logits) - onehot
leaf = logits.clone().requires_grad_()
loss_at(leaf).backward()
numeric = ag.derivatives.numeric_derivative(loss_at, logits)
for name, gradient in [
    ("by hand ", by_hand),
    ("autograd", leaf.grad),
    ("numeric ", numeric.value),
]:
    print(name, [f"{g:+.8f}" for g in gradient.tolist()])

# %%
# In two steps it takes a matrix. The loss is :math:`-\log p_1`, with
# gradient :math:`-1/p_1` at the right class; times the softmax's Jacobian,
# every :math:`1/p_1` meets a :math:`p_1`, and they cancel.

p = softmax(logits)
two_steps = (-onehot / p) @ softmax.derivative(logits)
print("two steps", [f"{g:+.8f}" for g in two_steps.tolist()])

# %%
# Descent steps against the gradient. So the force on the logits is the
# negative gradient, one-hot minus p: it pushes the logit of each wrong
# class down by exactly the probability it took, and the right one up by
# what it lacks.

places = np.arange(3)
fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.bar(places - 0.27, p.tolist(), 0.27, label="p")
ax.bar(places, onehot.tolist(), 0.27, label="one-hot")
ax.bar(places + 0.27, by_hand.tolist(), 0.27, label="gradient, p − one-hot")
ax.axhline(0, linewidth=1)
ax.set_xticks(places, ["class 0", "class 1 (right)", "class 2"])
ax.set(ylabel="probability, gradient")
fig.legend(loc="outside upper center", ncols=3)
fig.set_label(
    "For each class three bars: probability, one-hot target and gradient. "
    "Gradients: " + ", ".join(f"{g:.3f}" for g in by_hand.tolist()) + "."
)

# %%
# **Where it breaks.** Cross-entropy wants logits. Hand it probabilities,
# and nothing is raised: it takes the softmax of a softmax.

confident = torch.tensor([-20.0, 20.0, -20.0], dtype=p.dtype, device=device)
best_twice = cross_entropy(softmax(confident), right)
print(f"sure and right, from logits: {loss_at(confident).item():.1e}")
print(f"sure and right, twice:       {best_twice.item():.3f}")

# %%
# Probabilities lie within 1 of each other, so the second softmax can never
# be sure: the loss does not fall below :math:`\log(1 + 2/e)`. And a
# confident mistake gets almost no gradient, for the first softmax is flat.

lead = torch.linspace(-8, 8, 81, dtype=p.dtype, device=device)
rows = torch.stack([-lead / 2, lead / 2, -lead / 2], dim=1).requires_grad_()
all_right = right.expand(len(lead))
once = cross_entropy(rows, all_right, reduction="sum")
twice = cross_entropy(softmax(rows), all_right, reduction="sum")
(slope_once,) = torch.autograd.grad(once, rows)
(slope_twice,) = torch.autograd.grad(twice, rows)

fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.plot(lead.cpu(), slope_once[:, 1].cpu(), label="from logits")
ax.plot(lead.cpu(), slope_twice[:, 1].cpu(), "--", label="softmax twice")
ax.set(xlabel="lead of the right class", ylabel="gradient by its logit")
ax.legend()
fig.set_label(
    "Gradient by the right logit against its lead. From logits it is "
    f"{slope_once[0, 1].item():.2f} at a lead of -8; after a softmax taken "
    f"twice it is {slope_twice[0, 1].item():.4f} there."
)

# %%
# The fix is to leave the softmax out of the model while it trains.

assert by_hand[1] < 0 < by_hand[[0, 2]].min()
assert loss_at(logits - 0.1 * by_hand) < loss_at(logits)
assert torch.allclose(by_hand, leaf.grad)
assert torch.allclose(two_steps, leaf.grad)
assert torch.allclose(cross_entropy.gradient(logits, right), leaf.grad)
assert ((numeric.value - by_hand).abs() <= numeric.error).all()
floor = (1 + 2 / torch.tensor(1.0, dtype=p.dtype).exp()).log()
assert torch.isclose(best_twice.cpu(), floor)
assert slope_twice[0, 1].abs() < 0.01 < 0.9 < slope_once[0, 1].abs()
plt.show()
