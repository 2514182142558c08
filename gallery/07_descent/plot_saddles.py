r"""
At a saddle descent looks converged, and is not
===============================================

The gradient is zero, the value stands still, every alarm is quiet. Only
the second derivatives know that one direction still goes down.
"""

# curriculum: C2.7
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import GradientDescent, Kind, Newton, Status

device = ag.preferred_device()
saddle = ag.objectives.CATALOGUE["saddle"]
monkey = ag.objectives.CATALOGUE["monkey_saddle"]

# %%
# :math:`x^2 - y^2` goes up along *x* and down along *y*. The monkey saddle
# :math:`x^3 - 3xy^2` has three ways down: two for the legs, one for the
# tail.

fig, axes = plt.subplots(
    1,
    2,
    figsize=(7.0, 3.6),
    subplot_kw={"projection": "3d"},
    layout="constrained",
)
for ax, surface in zip(axes, (saddle, monkey), strict=True):
    plotting.surface(surface, ax=ax)
    ax.set_title(f"${surface.formula}$")
    ax.tick_params(pad=-2)
fig.set_label(
    "Two surfaces: a saddle, with two ways down, and a monkey saddle, with "
    "three. Both are level at the middle, (0, 0)."
)

# %%
# Start exactly on the ridge, at (1, 0). The gradient has no *y* part, so
# descent never leaves the ridge and comes to rest in the middle.

start = torch.tensor([1.0, 0.0], dtype=torch.float64, device=device)
rule = GradientDescent(0.1)
calm = ag.minimize(saddle, start, rule, gradient_below=1e-6)
calm

# %%
# Why it stopped is one question. Where it stands is another:

verdict = ag.descent.classify(saddle, calm.points[-1])
verdict

# %%
# **The way out** may be tiny. A start off the ridge by a billionth grows by
# the factor :math:`1 + 2 \cdot 0.1` a step, until it falls.

nudged = start + torch.tensor([0.0, 1e-9]).to(start)
fallen = ag.minimize(saddle, nudged, rule, value_below=-1.0)
steps = int(fallen.steps)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(fallen.values.cpu(), label="value")
ax.plot(fallen.gradient_norms.cpu(), label="gradient norm")
ax.set(xlabel="step", ylabel="value or norm", ylim=(-1.1, 2.1))
ax.legend()
flat = int((fallen.gradient_norms < 0.01).sum())
fig.set_label(
    "Value and gradient norm from a start one billionth off the ridge. "
    f"Both are near zero for {flat} steps, as if converged; then the "
    f"point falls off the saddle, at step {steps}."
)

# %%
# The plateau is where training "has converged": the gradient is under 0.01
# for most of the steps. A stopping rule that looks at it stops too early.

early = ag.minimize(saddle, nudged, rule, gradient_below=0.01)
print(early.status)

# %%
# **The fix** is to ask the second derivatives. Newton's method with
# absolute curvatures is pushed *away* from a saddle, however flat.

away = ag.minimize(saddle, nudged, Newton(), value_below=-1.0)
print(f"descent needs {steps} steps to leave, Newton {int(away.steps)}")

# %%
# **Where that breaks too.** In the middle of the monkey saddle the second
# derivatives are all zero. They decide nothing, and the verdict says so.

level = torch.zeros(2, dtype=torch.float64, device=device)
print(ag.descent.classify(monkey, level))

# %%
# Noise leaves every saddle: from 1000 random starts near the middle, none
# stays.

torch.manual_seed(0)
near = 0.01 * torch.randn(1000, 2, dtype=torch.float64).to(device)
left = ag.minimize(
    saddle, near, rule, value_below=-1.0, steps=100, batched=True
)
left

# %%
# Quiet, and wrong; then loud, and right:

assert calm.status is Status.GRADIENT_BELOW
assert verdict.kind is Kind.SADDLE
assert fallen.status is Status.VALUE_BELOW
assert flat > steps / 2
assert early.status is Status.GRADIENT_BELOW
assert early.steps < steps
assert away.status is Status.VALUE_BELOW
assert away.steps < steps / 3
assert ag.descent.classify(monkey, level).kind is Kind.FLAT
assert left.stopped_by(Status.VALUE_BELOW).all()
plt.show()
