"""
Subtract the derivative: from either side that leads to the minimum
===================================================================

Left of a minimum the derivative is negative, right of it positive. So
*minus* the derivative points to the minimum from both sides. One rule is
enough, and a second one for the left side sends the point away.
"""

# curriculum: C2.4, C2.5
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
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
for ax, start in zip(axes, starts, strict=True):
    descent = ag.minimize(parabola, start, rule, steps=4)
    plotting.tangent_steps(descent, function=parabola, ax=ax)
    ax.set_title(f"from x = {start.item():g}")
axes[1].set_ylabel("")
fig.set_label(
    "A parabola, descended in four steps from x = -3 on its left and from "
    "x = 3 on its right. Both paths move towards the minimum at 0."
)

# %%
# **Where it breaks.** A rule one meets in print: "on the right subtract the
# derivative, on the left add it". On the left the derivative is already
# negative. To add it there is to subtract its size, on both sides alike.


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
# To climb a hill, descend its negative.


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
