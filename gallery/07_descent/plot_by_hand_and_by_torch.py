r"""
One loop in NumPy, the same loop in torch
=========================================

For :math:`y = 2x^2` a step of descent multiplies *x* by exactly 0.96. The
derivative may be written by hand or come from autograd: the path is the
same, down to the digits that float32 has.
"""

# curriculum: C3.1, C3.2, C3.3
import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag
from autodiff_guide.descent import GradientDescent, Status

device = ag.preferred_device()

# %%
# In NumPy the derivative :math:`4x` is our own work. The start is random,
# from [-1000, 1000).


def descend_numpy(derivative, start, lr=0.01, steps=1000):
    path = [start]
    for _ in range(steps):
        path.append(path[-1] - lr * derivative(path[-1]))
    return np.array(path)


start = np.random.default_rng(0).uniform(-1000, 1000)
anywhere = descend_numpy(lambda x: 4 * x, start)
fixed = descend_numpy(lambda x: 4 * x, 777.0)
print(f"from {start:.1f} to {anywhere[-1]:.2e}")
print(f"from {fixed[0]:.1f} to {fixed[-1]:.2e}")

# %%
# Why: :math:`x - 0.01 \cdot 4x = 0.96\,x`, whatever *x* is. After a
# thousand steps :math:`0.96^{1000}` of it is left.

factors = fixed[1:] / fixed[:-1]
print(f"smallest factor {factors.min():.15f}, largest {factors.max():.15f}")

# %%
# Three unknowns, :math:`f = x^2 + y^2 + z^2`, and the partial derivatives
# :math:`2x, 2y, 2z`: the same loop, on an array. The factor is 0.98.

space = descend_numpy(lambda p: 2 * p, np.array([777.0, -500.0, 20.0]))
print("left of the three:", space[-1])

# %%
# In torch only the derivative changes hands. Four lines make a step:
# forward, backward, update under ``no_grad``, zero the gradient.


def descend_torch(function, start, lr=0.01, steps=1000):
    x = torch.tensor(start, device=device, requires_grad=True)
    path = [x.detach().clone()]
    for _ in range(steps):
        function(x).backward()
        with torch.no_grad():
            x -= lr * x.grad
        x.grad.zero_()
        path.append(x.detach().clone())
    return torch.stack(path).cpu().numpy()


line_torch = descend_torch(lambda x: 2 * x**2, 777.0)
space_torch = descend_torch(lambda p: (p**2).sum(), [777.0, -500.0, 20.0])
off = abs(line_torch / fixed - 1).max()
print(f"furthest from NumPy, relative: {off:.0e} (float32)")

# %%
# On a logarithmic scale a constant factor is a straight line.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
some = np.arange(0, 1001, 50)
ax.plot(fixed, label="$2x^2$, NumPy")
ax.plot(some, line_torch[some], "o", label="$2x^2$, torch")
ax.plot(np.linalg.norm(space, axis=1), label="$x^2+y^2+z^2$, NumPy")
norm = np.linalg.norm(space_torch, axis=1)
ax.plot(some, norm[some], "s", label="$x^2+y^2+z^2$, torch")
ax.set(xlabel="step", ylabel="distance to the minimum", yscale="log")
ax.legend()
fig.set_label(
    "Distance to the minimum against step, on a logarithmic scale: two "
    f"straight lines. 2x² falls from 777 to {fixed[-1]:.2e}, the sum of "
    f"squares more slowly, to {np.linalg.norm(space[-1]):.2e}. The points "
    "of torch lie on the lines of NumPy."
)

# %%
# **Where it breaks.** The factor is :math:`1 - 4\eta`. At
# :math:`\eta = 0.5` it is -1: the point jumps to the other side and back,
# for ever. Beyond, it flees.

for lr in (0.49, 0.5, 0.51):
    end = descend_numpy(lambda x: 4 * x, 777.0, lr=lr)[-1]
    print(f"lr {lr}: factor {1 - 4 * lr:+.2f}, ends at {end:.2e}")

# %%
# One routine serves both: ``minimize`` takes a derivative by hand, or asks
# autograd if none is given. By itself it stops where rounding leaves little
# of the gradient.

point = torch.tensor([777.0], dtype=torch.float64, device=device)
rule, hand = GradientDescent(0.01), lambda x: 4 * x
by_hand = ag.minimize(lambda x: 2 * x[0] ** 2, point, rule, gradient=hand)
by_torch = ag.minimize(lambda x: 2 * x[0] ** 2, point, rule)

assert np.allclose(factors, 0.96, rtol=1e-13, atol=0)
assert np.isclose(fixed[-1], 777 * 0.96**1000, atol=0)
assert fixed[-1] < 1.46e-15
assert np.allclose(space[1:] / space[:-1], 0.98, rtol=1e-13, atol=0)
assert np.allclose(line_torch, fixed, rtol=1e-4, atol=0)
assert np.allclose(space_torch, space, rtol=1e-4, atol=0)
path = by_torch.points[:, 0].cpu()
assert np.allclose(path, fixed[: len(path)], rtol=1e-12, atol=0)
assert by_hand.points.equal(by_torch.points)
assert by_torch.status is Status.GRADIENT_BELOW
plt.show()
