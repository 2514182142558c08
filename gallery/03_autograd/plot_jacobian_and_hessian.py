"""
A Jacobian and a Hessian show who depends on whom
=================================================

Each entry of a Jacobian is one derivative: this output, that input. Drawn
as a picture, it shows the structure of a function without reading its code.
"""

# curriculum: C5.12
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.derivatives import hessian, jacobian

device = ag.preferred_device()

# %%
# Eight numbers in a row, and the square of each difference of neighbours.


def squared_differences(x):
    return (x[1:] - x[:-1]) ** 2


x = torch.linspace(0, 1, 8, dtype=torch.float64, device=device) ** 2
J = jacobian(squared_differences)(x)
print("outputs and inputs:", tuple(J.shape))
print("first row:", [round(entry, 3) for entry in J[0].tolist()])

# %%
# Their sum is one number, the roughness of the row. Its gradient has eight
# entries, and the derivatives of *those* are the Hessian: 8 by 8.


def roughness(x):
    return squared_differences(x).sum()


H = hessian(roughness)(x)
print(H.cpu().numpy().astype(int))

# %%
# Two diagonals in the Jacobian: an output knows two inputs. Three in the
# Hessian: an entry of the gradient knows itself and its two neighbours. The
# empty places are zeros that one need not store.

fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, matrix, title, ylabel in (
    (axes[0], J, "Jacobian", "output"),
    (axes[1], H, "Hessian", "input"),
):
    bound = float(matrix.abs().max())
    image = ax.imshow(matrix.cpu(), cmap="PuOr", vmin=-bound, vmax=bound)
    ax.set(title=title, xlabel="input", ylabel=ylabel)
    fig.colorbar(image, ax=ax, shrink=0.8)
fig.set_label(
    f"The Jacobian, {J.shape[0]} by {J.shape[1]}, has "
    f"{int((J != 0).sum())} entries that are not 0, on two diagonals; the "
    f"Hessian, {H.shape[0]} by {H.shape[1]}, has {int((H != 0).sum())}, on "
    "three."
)

# %%
# **Where it breaks.** The pictures grow with the square of the inputs. For
# a million parameters the Hessian has a million rows.

parameters = 1_000_000
terabytes = parameters**2 * x.element_size() / 1e12
print(f"Hessian of {parameters:,} parameters: {terabytes:.0f} TB")

# %%
# **The fix**: hardly anyone needs the matrix. Its product with one vector
# costs about as much as two gradients, and no matrix is stored: the slope
# of (gradient · vector).

x.requires_grad_()
v = torch.ones_like(x)
v[0] = 5
(gradient,) = torch.autograd.grad(roughness(x), x, create_graph=True)
(product,) = torch.autograd.grad(gradient @ v, x)
print("H v:", product.tolist())

# %%
# A Hessian is symmetric: it does not matter in which order one
# differentiates. And this roughness has one flat direction, in which all
# numbers rise together: its smallest curvature is 0.

curvatures = torch.linalg.eigvalsh(H)
print(f"curvatures from {abs(curvatures[0]):.1f} to {curvatures[-1]:.2f}")

assert torch.equal(H, H.mT)
assert torch.allclose(product, H @ v)
assert torch.allclose(J.sum(0), gradient)
assert abs(curvatures[0]) < 1e-12 < curvatures[1]
plt.show()
