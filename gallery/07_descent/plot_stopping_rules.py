r"""
Every stopping rule can be fooled
=================================

Stop when the value is low, when the point hardly moves, when the gradient
vanishes, or when the steps are used up. Each rule is sensible, and for each
there is a function that makes it say "done" in the wrong place.
"""

# curriculum: C1.6
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import GradientDescent, Status

device = ag.preferred_device()


def point(*numbers):
    return torch.tensor(numbers, dtype=torch.float64, device=device)


# %%
# On a round bowl all of them work, and the status says which one fired.

bowl = ag.objectives.CATALOGUE["booth"]
rule = GradientDescent(0.05)
settings = [
    {"value_below": 1e-6},
    {"step_below": 1e-6},
    {"gradient_below": 1e-6},
    {"steps": 20},
]
fired = []
for setting in settings:
    descent = ag.minimize(bowl, point(-5.0, 5.0), rule, **setting)
    off = (descent.points[-1] - point(1.0, 3.0)).norm().item()
    print(f"{int(descent.steps):3} steps, {off:.0e} away: {descent.status}")
    fired.append(descent.status)

# %%
# **The step** is the learning rate times the gradient. A tiny learning rate
# makes tiny steps anywhere. On Rosenbrock's valley, with a millionth:

valley = ag.objectives.CATALOGUE["rosenbrock"]
crawl = ag.minimize(
    valley, point(-1.2, 1.0), GradientDescent(1e-6), step_below=1e-4
)
crawl

# %%
# "Converged", far from the minimum at (1, 1):

away = (crawl.points[-1] - point(1.0, 1.0)).norm().item()
slope = crawl.gradient_norms[-1].item()
fig, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
(x0, x1), (y0, y1) = valley.domain
grid = torch.meshgrid(
    torch.linspace(x0, x1, 161), torch.linspace(y0, y1, 161), indexing="xy"
)
values = valley(torch.stack(grid, -1)).clamp(min=1e-2)
levels = torch.logspace(-2, 4, 13)
drawn = ax.contourf(*grid, values, levels=levels, norm="log")
bar = fig.colorbar(drawn, ax=ax, label="value")
bar.set_ticks([0.01, 1, 100, 10_000], labels=["0.01", "1", "100", "10,000"])
plotting.trajectory(crawl, ax=ax)
ax.plot(
    1, 1, "*", color="C1", markeredgecolor="white", ms=16, label="minimum"
)
ax.plot(*crawl.points[-1].cpu(), "s", color="C3", label="stopped here")
ax.set(xlabel="x", ylabel="y", aspect="equal")
fig.legend(loc="outside upper center", ncols=3)
fig.set_label(
    "Rosenbrock's curved valley. The path has hardly left its start when "
    f"the rule stops it, {away:.1f} away from the minimum at (1, 1)."
)

# %%
# The gradient there is far from zero, so the rule on gradients would have
# gone on:

print(f"{away:.2f} away, gradient norm {slope:.0f}")

# %%
# **The gradient** vanishes at a saddle as well. See
# :doc:`/auto_gallery/07_descent/plot_saddles`.

saddle = ag.objectives.CATALOGUE["saddle"]
level = ag.minimize(
    saddle, point(1.0, 0.0), GradientDescent(0.1), gradient_below=1e-6
)
verdict = ag.descent.classify(saddle, level.points[-1])
print(f"{level.status}\n{verdict.kind}")

# %%
# **The value** needs a threshold that suits the function. The lowest value
# of :math:`2x^2 - 8x + 12` is 4, so "below 0.001" never fires. And a flat
# function is below it everywhere: divide by a million, and the start is
# good enough.

shifted = ag.objectives.CATALOGUE["shifted_parabola"]
never = ag.minimize(shifted, point(-5.0), rule, value_below=1e-3)
tiny = ag.minimize(
    lambda x: bowl(x) / 1e6, point(-5.0, 5.0), rule, value_below=1e-3
)
print(f"never: {never.values[-1].item():g}, ended by {never.status}")
print(f"tiny:  {int(tiny.steps)} steps, at {tiny.points[-1].tolist()}")

# %%
# **The limit** knows nothing at all. Too small, it stops a descent on its
# way; too large, it pays for steps that change nothing. That is why
# ``minimize`` has a rule on gradients of its own, so low that rounding
# leaves little beyond it. Without it:

idle = ag.minimize(
    bowl, point(-5.0, 5.0), rule, steps=2000, gradient_below=None
)
useful = int((idle.values > 1e-20).sum())
print(f"2000 steps paid, from step {useful} on the value is below 1e-20")

# %%
# **What to do:** set the limit always, one of the others to save time, and
# look at the gradient before you believe any of them.

assert fired == [
    Status.VALUE_BELOW,
    Status.STEP_BELOW,
    Status.GRADIENT_BELOW,
    Status.LIMIT,
]
assert crawl.status is Status.STEP_BELOW
assert away > 2.1
assert slope > 100
assert verdict.kind is ag.descent.Kind.SADDLE
assert never.status is Status.GRADIENT_BELOW
assert idle.status is Status.LIMIT
assert tiny.steps == 0
assert useful < 500
plt.show()
