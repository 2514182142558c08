"""
``backward(gradient=v)`` multiplies a vector by the Jacobian
============================================================

Many numbers out have many slopes each: a matrix, the Jacobian :math:`J`.
``backward`` never builds it. It computes one product, :math:`v^T J`, and
``gradient=`` is the name torch gave to :math:`v`.
"""

# curriculum: C5.6
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting

device = ag.preferred_device()


def parabola(x):
    return 2 * x**2 - 8 * x + 12


# %%
# Four outputs, one for each entry. A plain ``backward()`` is refused: torch
# cannot know which output's slope is meant.

x = torch.ones(2, 2, device=device, requires_grad=True)
y = parabola(x)
try:
    y.backward()
except RuntimeError as error:
    refusal = str(error)
print(refusal)

# %%
# Weigh the outputs, and it is one number again. Ones give every output the
# same weight: each entry receives its own slope, :math:`4x - 8 = -4`.

y.backward(gradient=torch.ones_like(y))
print(x.grad.cpu())

# %%
# The weights, the Jacobian, and the sum of each column. Output *i* sees
# only input *i*, so here the Jacobian is diagonal.

weights = torch.ones(2, 2, device=device)
jacobian = ag.derivatives.jacobian(parabola)(x.detach())
fig, ax = plt.subplots(figsize=(5, 5), layout="constrained")
plotting.vector_jacobian_product(weights, jacobian, x.grad, ax=ax)
fig.set_label(
    "A column of four ones, v, beside a 4 by 4 Jacobian with "
    f"{jacobian.min():g} on its diagonal and 0 elsewhere. The row below, "
    f"v transposed times J, is {x.grad.min():g} four times."
)

# %%
# **Where it misleads.** From this example ``gradient=`` looks like a factor
# for each slope. Mix the inputs, and it is not: every output now has three
# slopes, and :math:`v` weighs the *outputs*.

mixing = torch.tensor(
    [[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]],
    device=device,
)


def squares(point):
    return (mixing @ point) ** 2


point = torch.tensor([1.0, 1.0, 0.0], device=device, requires_grad=True)
v = torch.tensor([1.0, -2.0], device=device)
squares(point).backward(gradient=v)

J = ag.derivatives.jacobian(squares)(point.detach())
fig, ax = plt.subplots(figsize=(5, 3.75), layout="constrained")
plotting.vector_jacobian_product(v, J, point.grad, ax=ax)
rows = "; ".join(", ".join(f"{d:g}" for d in row) for row in J.tolist())
product = ", ".join(f"{d:g}" for d in point.grad.tolist())
fig.set_label(
    f"Weights {v[0]:g} and {v[1]:g} beside a 2 by 3 Jacobian with rows "
    f"{rows}. Below each column its weighted sum: {product}."
)

# %%
# The weights must therefore have the shape of the *output*. Three weights,
# one for each input, are refused.

try:
    squares(point).backward(gradient=torch.ones_like(point))
except RuntimeError as error:
    mismatch = str(error)
print(mismatch)

# %%
# Two other spellings of the same product: weigh and sum by hand, or ask for
# one row of the Jacobian with a one-hot vector.

point.grad = None
(v * squares(point)).sum().backward()
by_hand = point.grad
point.grad = None
squares(point).backward(gradient=torch.eye(2, device=device)[1])
second_row = point.grad

assert "scalar" in refusal
assert (x.grad == -4).all()
assert by_hand.equal(v @ J)
assert second_row.equal(J[1])
assert "Mismatch in shape" in mismatch
plt.show()
