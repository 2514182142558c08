"""
A smaller step is not a better derivative
=========================================

A finite difference has two errors. One shrinks with the step, the other
grows. This page measures both, and finds the step at the bottom between.
"""

# curriculum: C2.1
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# The slope of the sine at 1 is the cosine of 1. A central difference looks
# a step to the right and a step to the left. We try 113 steps.

steps = torch.logspace(-14, 0, 113, dtype=torch.float64, device=device)


def central_errors(dtype):
    x = torch.ones((), dtype=dtype, device=device)
    right, left = x + steps.to(dtype), x - steps.to(dtype)
    slope = (torch.sin(right) - torch.sin(left)) / (right - left)
    truth = torch.cos(x.double())
    return (slope.double() - truth).abs()


errors = {
    dtype: central_errors(dtype) for dtype in (torch.float32, torch.float64)
}

# %%
# Read the figure from the right. At first, a tenth of the step leaves a
# hundredth of the error. Then the curve turns, and a tenth of the step
# makes the error ten times larger. Below :math:`\varepsilon` the step is
# lost altogether: 1 + h is 1, and float32 has no dots left.


def draw_errors():
    fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for color, (dtype, error) in zip(
        ("C1", "C0"), errors.items(), strict=True
    ):
        name = str(dtype).removeprefix("torch.")
        ax.loglog(steps.cpu(), error.cpu(), ".", color=color, label=name)
    ax.set(xlabel="step h", ylabel="error of the derivative")
    ax.set_ylim(1e-14, 10)
    return fig, ax


best = {
    dtype: steps[error.nan_to_num(1.0).argmin()].item()
    for dtype, error in errors.items()
}
fig, ax = draw_errors()
ax.legend()
fig.set_label(
    "Error of a central difference against its step, both logarithmic. "
    "Two V-shaped clouds share their right arm. The lowest point is near "
    f"a step of {best[torch.float32]:.0e} in float32 and "
    f"{best[torch.float64]:.0e} in float64."
)

# %%
# Theory says why. The *truncation error* comes from the curvature of the
# sine. By Taylor's series it is :math:`h^2/6 \cdot |f'''|`, a line of slope
# 2 on these axes. The *rounding error* comes from the values: each is
# rounded to its nearest neighbor, at most half of :math:`\varepsilon` away.
# Divided by the step, that is :math:`\varepsilon |f| / (2h)`, a line of
# slope −1.

f, third = torch.sin(torch.ones(())), torch.cos(torch.ones(()))
fig, ax = draw_errors()
truncation = steps**2 / 6 * third
label = "truncation, slope 2"
ax.loglog(steps.cpu(), truncation.cpu(), "--C2", zorder=1, label=label)
for dtype in errors:
    rounding = torch.finfo(dtype).eps * f / (2 * steps)
    label = "rounding, slope −1" if dtype == torch.float64 else None
    ax.loglog(steps.cpu(), rounding.cpu(), ":", color="C3", label=label)
ax.legend(fontsize=9, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.2))
fig.set_label(
    "The two V-shaped clouds of errors, with theory's lines through them: "
    "a right arm of slope 2 for both, and for each a left arm of slope −1."
)

# %%
# Do the measured arms have these slopes? A straight line through each arm
# of the float64 cloud, well away from the bottom, answers.


def fitted_slope(error, arm):
    x, y = steps[arm].log2(), error[arm].log2()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


error = errors[torch.float64]
truncated = fitted_slope(error, (steps > 1e-4) & (steps < 0.3))
rounded = fitted_slope(error, (steps < 1e-6) & (error > 0))
print(f"right {truncated:.2f}, theory 2; left {rounded:.2f}, theory -1")

# %%
# Where is the bottom? Where the two lines cross:
# :math:`h = \sqrt[3]{3 \varepsilon |f| / |f'''|}`. Nobody knows
# :math:`f'''` beforehand.
# :func:`autodiff_guide.derivatives.numeric_derivative` tries many steps,
# removes the truncation error by extrapolation, and gives an error bar.

for dtype, step in best.items():
    crossing = float((3 * torch.finfo(dtype).eps * f / third) ** (1 / 3))
    print(f"{dtype}: best step {step:.0e}, lines cross at {crossing:.0e}")

found = ag.derivatives.numeric_derivative(torch.sin, f.new_ones(()))
print(found)
truth = torch.cos(torch.ones_like(found.value))
assert abs(truncated - 2) < 0.05
assert abs(rounded + 1) < 0.15
assert (found.value - truth).abs() <= found.error < 1e-12
plt.show()
