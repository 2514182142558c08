"""
Subtract the derivative, on either side
=======================================

Left of a minimum the derivative is negative, right of it positive. So
"minus the derivative" leads towards the minimum from both sides, and one
rule serves. Adding the derivative on the left leads away for ever.
"""

# curriculum: C2.2, C2.4, C2.5
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.derivatives import grad

device = ag.preferred_device()

# %%
# The parabola :math:`2x^2` has its minimum at 0. Three points on the left,
# three on the right:


def parabola(x):
    return 2 * x**2


slope = torch.vmap(grad(parabola))
points = torch.tensor([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], device=device)
for x, d in zip(points.tolist(), slope(points).tolist(), strict=True):
    print(f"x {x:+.0f}   derivative {d:+.0f}   minus it leads {-d:+.0f}")

# %%
# The right rule multiplies the derivative by the learning rate, and
# subtracts the result.

learning_rate = 0.05


def walk(sign, start, steps=12):
    x = torch.tensor([start], device=device)
    path = [x]
    for _ in range(steps):
        x = x + sign * learning_rate * slope(x)
        path.append(x)
    return torch.cat(path)


right_rule = {start: walk(-1, start) for start in (-2.0, 2.0)}
wrong_rule = walk(+1, -0.5)

# %%
# "Left of the minimum the derivative is negative, and we must go right,
# so add": the two halves of that sentence do not fit. Adding a negative
# number goes further left. Each step multiplies *x* by
# :math:`1 + 4 \cdot 0.05 = 1.2`; subtracting multiplies it by 0.8.

fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), layout="constrained")
xs = torch.linspace(-4.6, 4.6, 101, device=device)
for ax in axes:
    ax.plot(xs.cpu(), parabola(xs).cpu())
    ax.set(xlabel="x", ylabel="2x²")
paths = [
    (axes[0], right_rule[-2.0], "C1"),
    (axes[0], right_rule[2.0], "C2"),
    (axes[1], wrong_rule, "C3"),
]
for ax, path, colour in paths:
    label = f"from {path[0]:+.1f}"
    ax.plot(
        path.cpu(), parabola(path).cpu(), "o-", color=colour, label=label
    )
    ax.legend(loc="upper center")
axes[0].set_title("minus the derivative")
axes[1].set_title("plus the derivative")
fig.set_label(
    "Two parabolas. With minus, the paths from −2 and from 2 both roll to "
    f"the bottom and end within {right_rule[2.0][-1]:.2f} of it. With plus "
    f"the path from −0.5 climbs the left wall, to {wrong_rule[-1]:.1f}."
)

# %%
# The wrong sign is not slow, it is lost: given time it passes every
# bound. The right sign has no such end, whatever the side.

longer = {
    "subtract, from the left": walk(-1, -2.0, 200)[-1],
    "subtract, from the right": walk(-1, 2.0, 200)[-1],
    "add, from the left": walk(+1, -0.5, 200)[-1],
}
for name, end in longer.items():
    print(f"{name}: x = {end:.1e} after 200 steps")

# %%
# The textbook reaches the bottom in one go: :math:`4x = 0`, so
# :math:`x = 0`. That works because the equation can be solved; see
# :doc:`/guide/derivatives` for one that cannot.

assert ((slope(points) * points) > 0).all()
assert longer["subtract, from the left"].abs() < 1e-6
assert longer["subtract, from the right"].abs() < 1e-6
assert longer["add, from the left"] < -1e6
plt.show()
