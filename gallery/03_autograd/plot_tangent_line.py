"""
The gradient at 6 is the slope of the tangent line
==================================================

A derivative is a number; a tangent is what the number means. At 6 the
parabola :math:`x^2 - 8x + 12` has slope 4, and the line with that slope
touches it in (6, 0).
"""

# curriculum: C5.4
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()


def parabola(x):
    return x**2 - 8 * x + 12


# %%
# Value and slope at 6, in three lines. By hand the slope is
# :math:`2x - 8 = 4`.

point = torch.tensor(6.0, device=device, requires_grad=True)
height = parabola(point)
height.backward()
slope = point.grad
print(f"height {height.item():g}, slope {slope.item():g}")

# %%
# A point and a slope make a line. It passes (6, 0).


def tangent(x):
    return height.detach() + slope * (x - point.detach())


x = torch.linspace(0, 9, 200, device=device)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(x.cpu(), parabola(x).cpu(), label="$x^2 - 8x + 12$")
ax.plot(x.cpu(), tangent(x).cpu(), label=f"tangent, slope {slope:g}")
ax.plot(point.item(), height.item(), "o", color="C1")
ax.annotate(
    f"({point.item():g}, {height.item():g})",
    (point.item(), height.item()),
    xytext=(8, -14),
    textcoords="offset points",
)
ax.set(xlabel="x", ylabel="y", ylim=(-12, 16))
ax.legend()
fig.set_label(
    f"A parabola and the straight line that touches it at x = {point:g}. "
    f"The line has slope {slope:g} and passes ({point:g}, {height:g})."
)

# %%
# **Where it breaks.** A tangent is true *at* its point only. At 4 it
# claims that the parabola still falls to the left; the parabola turns
# there.

at_four = torch.tensor(4.0, device=device, requires_grad=True)
parabola(at_four).backward()
print(f"slope at 6: {slope:g}, slope at 4: {at_four.grad:g}")
print(f"parabola at 4: {parabola(at_four):g}, tangent: {tangent(4):g}")

# %%
# Why, and how fast: the line leaves out the term of second order. For this
# parabola that term is :math:`(x - 6)^2`, so a step ten times as long makes
# the line a hundred times as wrong.

steps = torch.logspace(-2, 0, 9, dtype=torch.float64, device=device)
gaps = parabola(6 + steps) - tangent(6 + steps)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.loglog(steps.cpu(), gaps.cpu(), "o", label="curve minus tangent")
ax.loglog(steps.cpu(), steps.cpu() ** 2, label="(step length)²")
ax.set(xlabel="step away from x = 6", ylabel="gap in y")
ax.legend()
fig.set_label(
    "The gap between curve and tangent against the length of the step, on "
    f"logarithmic axes: a straight line, from {gaps[0]:.0e} at a step of "
    f"{steps[0]:g} to {gaps[-1]:.0f} at a step of {steps[-1]:g}."
)

# %%
# The remedy is to ask again after each short step, and that is gradient
# descent: see :doc:`/guide/autograd` for the calls it needs.

assert slope == 4
assert height == 0
assert tangent(6) == 0
assert at_four.grad == 0
assert torch.allclose(gaps, steps**2)
plt.show()
