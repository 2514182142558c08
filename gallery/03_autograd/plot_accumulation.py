"""
A second backward adds: 4, then 8
=================================

``backward()`` does not set ``.grad``, it adds to it. That is right when
several losses share a parameter, and wrong when each step needs a fresh
slope. ``zero_()`` starts the sum again.
"""

# curriculum: C5.5
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()


def parabola(x):
    return x**2 - 8 * x + 12


# %%
# The slope at 6 is 4, and it stays 4. What ``.grad`` shows is the sum of
# all slopes so far.

x = torch.tensor(6.0, device=device, requires_grad=True)
parabola(x).backward()
first = x.grad.item()
parabola(x).backward()
second = x.grad.item()
print(f"after one backward: {first:g}, after two: {second:g}")

# %%
# ``zero_()`` overwrites the sum with 0, in place. The next backward adds
# to that 0.

x.grad.zero_()
parabola(x).backward()
after_zero = x.grad.item()
print(f"after zero_() and one backward: {after_zero:g}")

# %%
# Why torch adds: if two losses use one parameter, the gradient of their
# sum is the sum of their gradients. Two backwards then do the work of one.

losses_apart = torch.tensor(6.0, device=device, requires_grad=True)
parabola(losses_apart).backward()
(losses_apart**3).backward()
loss_together = torch.tensor(6.0, device=device, requires_grad=True)
(parabola(loss_together) + loss_together**3).backward()
print(f"two backwards {losses_apart.grad:g}, one {loss_together.grad:g}")

# %%
# **Where it breaks.** Gradient descent needs the slope *here*. Without
# ``zero_()`` it walks by the sum of all slopes it ever met.


def descend(zero, steps=40, lr=0.1):
    point = torch.tensor(6.0, device=device, requires_grad=True)
    path = [point.detach().clone()]
    for _ in range(steps):
        parabola(point).backward()
        with torch.no_grad():
            point -= lr * point.grad
        if zero:
            point.grad.zero_()
        path.append(point.detach().clone())
    return torch.stack(path).cpu()


good, bad = descend(zero=True), descend(zero=False)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(good, label="with zero_()")
ax.plot(bad, label="without")
ax.axhline(4, linestyle="--", color="C2", label="minimum at x = 4")
ax.set(xlabel="step", ylabel="x")
ax.legend(ncols=3, loc="lower center")
ax.set_ylim(0.5, 6.5)
fig.set_label(
    "Two descents from x = 6. With zero_() the point settles at "
    f"{good[-1]:.4f}; without it the point swings between {bad.min():.2f} "
    f"and {bad.max():.2f} and does not settle. The minimum is at 4."
)

# %%
# **A second trap.** ``zero_()`` works in place, so a gradient that was kept
# without ``clone()`` becomes 0 as well: it was the same memory.

x = torch.tensor(6.0, device=device, requires_grad=True)
parabola(x).backward()
kept, copied = x.grad, x.grad.clone()
x.grad.zero_()
print(f"kept: {kept:g}, copied: {copied:g}")

# %%
# An optimizer's ``zero_grad()`` avoids the trap: it lets go of the old
# tensor and puts ``None`` in its place. After it, and before the first
# backward, there is no gradient to call ``zero_()`` on.

optimizer = torch.optim.SGD([x], lr=0.1)
optimizer.zero_grad()
try:
    x.grad.zero_()
except AttributeError as error:
    refusal = str(error)
print(x.grad, "and", refusal)

# %%
# The sum, the fresh start, and the swing:

assert (first, second, after_zero) == (4, 8, 4)
assert losses_apart.grad == loss_together.grad
assert (good[-1] - 4).abs() < 1e-3
assert (bad[-10:] - 4).abs().max() > 1
assert (kept, copied) == (0, 4)
assert "zero_" in refusal
plt.show()
