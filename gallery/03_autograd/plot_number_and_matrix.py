"""
One call differentiates a number or a matrix
============================================

``backward()`` does not care how many numbers went in. It asks for one
number out, and gives every input its own derivative, in the input's shape.
"""

# curriculum: C5.1, C5.2, C5.3
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# One number in. The derivative of :math:`x^2` is :math:`2x`, so at 1 it
# is 2.

x = torch.tensor([1.0], device=device, requires_grad=True)
y = x**2
y.backward()
print("gradient of x² at 1:", x.grad.tolist())

# %%
# A polynomial, :math:`y = 2x^2 + 3x + 1` at 2. By hand
# :math:`dy/dx = 4x + 3 = 11`.

x = torch.tensor(2.0, device=device, requires_grad=True)
y = 2 * x**2 + 3 * x + 1
y.backward()
value, slope = y.item(), x.grad.item()
print(f"y = {value:g}, dy/dx = {slope:g}")

# %%
# Four numbers in, one number out: the sum of :math:`x^2 + 2x + 1` over a
# matrix. Each entry meets only its own term of the sum, so its derivative
# is :math:`2x + 2`. The gradient has the shape of the matrix.

matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
matrix.requires_grad_()
total = (matrix**2 + 2 * matrix + 1).sum()
total.backward()
print(f"sum = {total:g}, gradient:\n{matrix.grad.cpu()}")

# %%
# Both examples in one picture. An entry's derivative depends on that entry
# alone, so the four entries of the matrix lie on one line, 2x + 2.

line = torch.linspace(0, 5, 2)
entries = matrix.detach().cpu().flatten()
slopes = matrix.grad.cpu().flatten()
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(line, 4 * line + 3, label="by hand: 4x + 3")
ax.plot(line, 2 * line + 2, label="by hand: 2x + 2")
ax.plot(2, slope, "s", ms=9, color="C0", label="autograd, the number")
ax.plot(entries, slopes, "o", color="C1", label="autograd, the matrix")
ax.set(xlabel="entry x", ylabel="derivative")
ax.legend()
fig.set_label(
    f"Derivative against entry. The gradient {slope:g} of the polynomial "
    "at 2 lies on the line 4x + 3; the gradients "
    f"{', '.join(f'{s:g}' for s in slopes)} of the matrix lie on 2x + 2."
)

# %%
# **Where it breaks.** Write the same matrix without decimal points, and
# torch refuses.

try:
    torch.tensor([[1, 2], [3, 4]], device=device, requires_grad=True)
except RuntimeError as error:
    refusal = str(error)
print(refusal)

# %%
# Why: a derivative asks what a *small* change does, and an integer has no
# small change. Say the dtype, and the integers become floats.

repaired = torch.tensor(
    [[1, 2], [3, 4]],
    dtype=torch.float32,
    device=device,
    requires_grad=True,
)
(repaired**2 + 2 * repaired + 1).sum().backward()

# %%
# The numbers by hand, the numbers from autograd: the same. What a matrix
# *out* needs is on
# :doc:`/auto_gallery/03_autograd/plot_vector_jacobian`.

assert (value, slope) == (15, 11)
assert total == 54
assert matrix.grad.tolist() == [[4, 6], [8, 10]]
assert repaired.grad.equal(matrix.grad)
assert "floating point" in refusal
plt.show()
