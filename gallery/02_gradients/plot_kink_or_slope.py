"""
A kink has two slopes
=====================

A derivative exists where the slopes from the left and from the right
agree. Where they differ there is a kink, and one number cannot tell: it
takes both sides.
"""

# curriculum: C2.1
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.derivatives import (
    grad,
    numeric_derivative,
    one_sided_derivatives,
)

device = ag.preferred_device()
zero = torch.zeros((), dtype=torch.float64, device=device)

# %%
# The absolute value and the sine, both at 0. The central difference sees
# nothing odd: it measures the mean of the two sides.

for name, fn in {"abs": torch.abs, "sin": torch.sin}.items():
    central = numeric_derivative(fn, zero)
    print(f"{name}: {central.value:.6f} ± {central.error:.0e}")

# %%
# Zero is no slope of the absolute value at all: near 0 it has only −1
# and 1. One-sided differences see it, each with its own error bar.

sides = {
    fn: one_sided_derivatives(fn, zero) for fn in (torch.abs, torch.sin)
}

fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), layout="constrained")
near = torch.linspace(-1.5, 1.5, 201)
for ax, (fn, found) in zip(axes, sides.items(), strict=True):
    ax.plot(near, fn(near), label="f")
    for side, end in (("left", -1.5), ("right", 1.5)):
        slope = getattr(found, side).value.item()
        name = f"{side} slope {slope:.4g}"
        ax.plot([0, end], [0, end * slope], "--", color="C1", label=name)
    ax.set(xlabel="x", ylabel="f(x)")
    ax.set_title(f"{fn.__name__} has a {'kink' if found.kink else 'slope'}")
    ax.legend(fontsize=9)
absolute = sides[torch.abs]
fig.set_label(
    "Left, the absolute value with its half tangents at 0, of slopes "
    f"{absolute.left.value:.0f} and {absolute.right.value:.0f}: a kink. "
    "Right, the sine, whose two half tangents at 0 form one straight line."
)

# %%
# And what does autograd say at a kink? A number, without a warning: one of
# the slopes in between. Torch chose 0 for both of these.

for fn in (torch.abs, torch.relu):
    print(f"{fn.__name__}: autograd {grad(fn)(zero):.0f}")

# %%
# Is it enough to look at the function closely? A rounded corner looks like
# a kink from afar. The error bars decide: the two slopes differ by more
# than both bars, or they do not.

softness = 1e-3


def rounded_corner(x):
    return torch.sqrt(x**2 + softness**2)


soft = one_sided_derivatives(rounded_corner, zero)
for side in (soft.left, soft.right):
    print(
        f"slope {side.value:+.1e} ± {side.error:.0e}, step {side.step:.0e}"
    )
print(f"kink: {soft.kink}")

# %%
# At the edge of the domain there is one side only. The other is NaN with
# an infinite bar, and that is no kink.

edge = one_sided_derivatives(lambda x: torch.sqrt(x) ** 3, zero)
print(f"left {edge.left.value:.1e} ± {edge.left.error:.0e}")
print(f"right {edge.right.value:.1e} ± {edge.right.error:.0e}")

assert absolute.kink
assert not sides[torch.sin].kink
assert not soft.kink
assert not edge.kink
assert edge.left.value.isnan()
assert absolute.left.value <= grad(torch.abs)(zero) <= absolute.right.value
plt.show()
