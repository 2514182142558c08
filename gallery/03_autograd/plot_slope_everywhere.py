"""
Sum the outputs, and one backward gives the slope everywhere
============================================================

To draw a derivative one needs it at hundreds of points. One backward is
enough, if each output depends on its own input alone; if not, the same
line returns wrong numbers without a word.
"""

# curriculum: C5.2, C5.6
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# Two hundred points, two hundred values, one sum. Every entry appears in
# one term of the sum, so its gradient is the slope at its own point.

x = torch.linspace(-4, 4, 200, device=device, requires_grad=True)
y = torch.sin(x) * x
y.sum().backward()
slope = x.grad
by_hand = (x.cos() * x + x.sin()).detach()

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(x.detach().cpu(), y.detach().cpu(), label=r"$x \sin x$")
ax.plot(x.detach().cpu(), slope.cpu(), label="slope, one backward")
ax.axhline(0, linestyle=":", color="C2")
ax.set(xlabel="x", ylabel="value, slope")
ax.legend()
worst = (slope - by_hand).abs().max()
fig.set_label(
    f"The curve x sin x and its slope at {len(x)} points, found by one "
    f"backward. The largest difference from the formula is {worst:.1g}."
)

# %%
# **Where it breaks.** Try it on softmax, which turns logits into
# probabilities. Every gradient is 0, as if softmax were flat.

scores = torch.tensor([3.0, 1.0, -3.0], device=device, requires_grad=True)
shares = scores.softmax(0)
shares.sum().backward()
of_the_sum = scores.grad
print("shares:  ", [f"{p:.4f}" for p in shares.tolist()])
print("gradient:", [f"{g:.1e}" for g in of_the_sum.tolist()])

# %%
# Why: each share depends on *all* scores. Raise one score, and what its own
# share gains the others lose, so the sum stays 1. The gradient of the sum
# is right; it answers another question.
#
# The slope of a share by its own score is on the diagonal of the Jacobian.
# By hand it is :math:`p (1 - p)`.

jacobian = ag.derivatives.jacobian(lambda s: s.softmax(0))(scores.detach())
own = jacobian.diagonal().cpu()
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
left, right = torch.arange(3) - 0.2, torch.arange(3) + 0.2
ax.bar(left, own.tolist(), width=0.4, label="share by its own score")
ax.bar(
    right,
    of_the_sum.tolist(),
    width=0.4,
    label="sum of the shares: 0",
)
ax.set_xticks(range(3), [f"score {s:g}" for s in scores.tolist()])
ax.set(ylabel="derivative")
ax.legend()
fig.set_label(
    "Derivative of each softmax share by its own score: "
    f"{', '.join(f'{d:.4f}' for d in own)}. The gradient of the sum of the "
    "shares is 0 for all three, so its bars cannot be seen."
)

# %%
# The test to make before the trick: is the Jacobian diagonal? Here it is
# for the curve and it is not for softmax.


def is_diagonal(matrix):
    return bool((matrix - matrix.diagonal().diag() == 0).all())


few = x.detach()[::20]
curve = ag.derivatives.jacobian(lambda t: torch.sin(t) * t)(few)
assert is_diagonal(curve)
assert not is_diagonal(jacobian)
assert worst < 1e-5
assert of_the_sum.abs().max() < 1e-6
assert torch.allclose(own, (shares * (1 - shares)).detach().cpu())
plt.show()
