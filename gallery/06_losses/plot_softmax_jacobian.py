"""
Every softmax output depends on every logit
===========================================

Softmax turns any numbers into probabilities. They must sum to 1, so no one
of them can move alone: the derivative is a full matrix,
:math:`\\partial p_i / \\partial x_j = p_i (\\delta_{ij} - p_j)`.
"""

# curriculum: C7.2
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE

device = ag.preferred_device()
softmax = CATALOGUE["softmax"]

# %%
# Three numbers. The results lie between 0 and 1, they sum to 1, they keep
# the order, and the largest number takes nearly all.

x = torch.tensor([3.0, 1.0, -3.0], dtype=torch.float64, device=device)
p = softmax(x)
print("p  ", [f"{value:.4f}" for value in p.tolist()])
print("sum", f"{p.sum().item():.4f}")

# %%
# What counts is the *difference* of two logits: *p* grows by the factor
# *e* for each unit of lead. Adding the same number to all changes nothing.

ratio = p[0] / p[1]
print(f"p₁ / p₂ = {ratio.item():.4f}, e² = {math.exp(2):.4f}")
print("shifted by 100, off by", (softmax(x + 100) - p).abs().max().item())

# %%
# The Jacobian by hand, by autograd and by differences.

J = softmax.derivative(x)
by_autograd = torch.autograd.functional.jacobian(softmax, x)
numeric = ag.derivatives.numeric_derivative(softmax, x)
print(f"hand - autograd: {(J - by_autograd).abs().max().item():.0e}")
print(f"hand - numeric:  {(J - numeric.value).abs().max().item():.0e}")

# %%
# As a picture: positive on the diagonal, negative elsewhere. Each row sums
# to 0, because adding a constant to all logits changes nothing. Each column
# sums to 0, because what one probability gains the others lose.

fig, ax = plt.subplots(figsize=(4.8, 4.2), layout="constrained")
plotting.matrix(
    J,
    rows=[f"p of {value:g}" for value in x.tolist()],
    columns=[f"x = {value:g}" for value in x.tolist()],
    ax=ax,
)
ax.set(xlabel="by this logit", ylabel="derivative of this probability")
fig.set_label(
    "Three by three cells: the derivatives of softmax at 3, 1 and -3. "
    f"On the diagonal {J[0, 0].item():.3g}, {J[1, 1].item():.3g} and "
    f"{J[2, 2].item():.3g}; beside the first {J[0, 1].item():.3g}."
)

# %%
# **Where it breaks.** From sigmoid and tanh one is used to multiply by
# *one* derivative for each element. The same habit here keeps the
# diagonal :math:`p (1 - p)` only.

v = torch.tensor([1.0, 0.5, 2.0], dtype=x.dtype, device=device)
diagonal_only = v * p * (1 - p)
true_vjp = v @ J
print("diagonal only", [f"{g:+.4f}" for g in diagonal_only.tolist()])
print("the truth    ", [f"{g:+.4f}" for g in true_vjp.tolist()])

# %%
# One entry even has the wrong sign. The truth sums to 0; the mistake need
# not, and so it pushes along a direction in which nothing can change.

directions = ["x₁ = 3", "x₂ = 1", "x₃ = -3"]
places = np.arange(3)
fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
ax.bar(places - 0.2, true_vjp.tolist(), 0.4, label="full Jacobian")
ax.bar(places + 0.2, diagonal_only.tolist(), 0.4, label="diagonal only")
ax.set_xticks(places, directions)
ax.set(ylabel="gradient")
ax.legend()
fig.set_label(
    "Bars of the gradient by each logit. With the full Jacobian they are "
    + ", ".join(f"{g:.3f}" for g in true_vjp.tolist())
    + "; with the diagonal only "
    + ", ".join(f"{g:.3f}" for g in diagonal_only.tolist())
    + "."
)

# %%
# The fix costs no matrix: :math:`v^T J = p \odot (v - \langle p, v
# \rangle)`. One inner product carries all that the other elements do.

without_matrix = p * (v - p @ v)

assert (p > 0).all()
assert math.isclose(ratio.item(), math.exp(2))
assert p.argsort().equal(x.argsort())
assert torch.allclose(J, by_autograd)
assert ((J - numeric.value).abs() <= numeric.error).all()
assert J.sum(1).abs().max() < 1e-12
assert J.sum(0).abs().max() < 1e-12
assert (softmax(x + 100) - p).abs().max() < 1e-12
sigmoids = torch.autograd.functional.jacobian(torch.sigmoid, x)
assert sigmoids.sum(1).abs().min() > 1e-2
assert torch.allclose(without_matrix, true_vjp)
assert (diagonal_only.sign() != true_vjp.sign()).any()
plt.show()
