"""
Subtract the derivative: from either side that leads to the minimum
===================================================================

Left of a minimum the derivative is negative, right of it positive. So
*minus* the derivative points to the minimum from both sides. One rule is
enough, and a second one for the left side sends the point away.
"""

# curriculum: C2.4, C2.5
from itertools import pairwise

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.descent import GradientDescent, Status

device = ag.preferred_device()


def parabola(point):
    return (2 * point**2).sum(-1)


# %%
# Two points, one on each side of the minimum at 0, and the derivative
# :math:`4x` there.

starts = torch.tensor([[-3.0], [3.0]], device=device)
leaf = starts.clone().requires_grad_()
(slopes,) = torch.autograd.grad(parabola(leaf).sum(), leaf)
for (x,), (slope,) in zip(starts.tolist(), slopes.tolist(), strict=True):
    print(f"x = {x:+g}: derivative {slope:+g}, so go {-slope:+g}")

# %%
# Each arrow is one step :math:`x - \eta\, f'(x)`. It follows the tangent
# downhill, and the steps shorten by themselves as the slope fades.

rule = GradientDescent(lr=0.12)
fig, axes = plt.subplots(
    1, 2, figsize=(7.0, 3.6), sharey=True, layout="constrained"
)
around = torch.linspace(-3.8, 3.8, 201)
for ax, start in zip(axes, starts, strict=True):
    descent = ag.minimize(parabola, start, rule, steps=4)
    x, y = descent.points[:, 0].tolist(), descent.values.tolist()
    ax.plot(around, 2 * around**2)
    for here, height in zip(x, y, strict=True):
        near = [here - 0.7, here + 0.7]
        tangent = [height + 4 * here * (a - here) for a in near]
        ax.plot(near, tangent, color="C2", linewidth=1)
    ax.plot(x, y, "o", color="C1")
    for tail, head in pairwise(zip(x, y, strict=True)):
        style = {"arrowstyle": "->", "color": "C1", "shrinkB": 4}
        ax.annotate("", xy=head, xytext=tail, arrowprops=style)
    ax.set(xlabel="x", title=f"from x = {start.item():g}")
axes[0].set_ylabel("value")
fig.set_label(
    "A parabola, descended in four steps from x = -3 on its left and from "
    "x = 3 on its right. Both paths move towards the minimum at 0."
)

# %%
# **Where it breaks.** Suppose that one subtracts the derivative on the
# right and adds it on the left. On the left the derivative is already
# negative, so adding it moves the point further to the left.


def two_rules(point):
    return (4 * point).abs()


good = ag.minimize(
    parabola, starts, GradientDescent(0.1), gradient_below=None
)
bad = ag.minimize(
    parabola, starts, GradientDescent(0.1), gradient=two_rules
)
left, right = bad.status
print("left: ", left)
print("right:", f"{bad.points[-1, 1].item():.1e}, reached")

# %%
# Each step multiplies the left point by :math:`1 + 0.1 \cdot 4 = 1.4`,
# where the right sign multiplies it by 0.6.

shown = 40
down, away = (run.points[:shown, 0].abs().cpu() for run in (good, bad))
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(down, label="subtract")
ax.plot(away, label="add, as on the left")
ax.set(xlabel="step", ylabel="distance to the minimum", yscale="log")
ax.legend()
fig.set_label(
    f"Distance to the minimum from x = -3 in {shown - 1} steps. "
    f"Subtracting the derivative leaves {down[-1].item():.0e}; adding it "
    f"grows the distance to {away[-1].item():.0e}."
)

# %%
# **"Climbing to the top"** is the same step with the other sign: plus the
# gradient is *ascent*. Training wants the loss low, so training descends.
# To climb a hill, run the descent on minus the hill.


def hill(point):
    return 5 - (2 * (point - 1) ** 2).sum(-1)


climb = ag.minimize(lambda x: -hill(x), starts[0], GradientDescent(0.1))
print(f"top of the hill: x = {climb.points[-1].item():.4f}")

# %%
# Every step with the right sign comes nearer. The wrong one never does.

distance = good.points.abs()
assert (distance[1:51] < distance[:50]).all()
assert left is Status.DIVERGED
assert bad.points[-1, 1].abs() < 1e-5
growth = away[1:] / away[:-1]
assert torch.allclose(growth, torch.full_like(growth, 1.4))
assert abs(climb.points[-1].item() - 1) < 1e-5
plt.show()
