r"""
The largest learning rate that still converges
==============================================

On a quadratic bowl, gradient descent converges exactly when its learning
rate is below :math:`2 / \lambda_{\max}`. This page measures that threshold.
"""

# curriculum: C2.9
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import GradientDescent, Status
from autodiff_guide.objectives import quadratic

device = ag.preferred_device()

# %%
# A bowl with a steep side and a gentle side: curvature 1 along *x*, 10
# along *y*. The largest curvature decides, so theory puts the threshold
# at 2 / 10.

curvatures = [1.0, 10.0]
threshold = 2 / max(curvatures)
bowl = quadratic(curvatures)

# %%
# One descent for each of 41 learning rates, all in one call: a learning
# rate may be a tensor with one entry per start.

rates = torch.linspace(0.5, 1.5, 41, dtype=torch.float64) * threshold
rates = rates.to(device)
starts = torch.ones(41, 2, dtype=torch.float64, device=device)
rule = GradientDescent(lr=rates)
descents = ag.minimize(bowl, starts, rule, steps=200, batched=True)

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
plotting.final_values(descents, against=rates, label="learning rate", ax=ax)
ax.axvline(threshold, color="C1", linestyle="--", label="theory: 2 / 10")
ax.legend()
last = descents.values[-1].cpu()
fig.set_label(
    f"Value after {len(descents.points) - 1} steps against the learning "
    f"rate. It falls to {last.min():.0e}, rises steeply towards the "
    f"threshold {threshold:g}, and beyond it reaches {last.max():.0e}."
)

# %%
# Below the dashed line every start is on its way to the bottom; above it,
# none is. **At** the line the point jumps for ever between two opposite
# walls: each step multiplies *y* by :math:`1 - 0.2 \cdot 10 = -1`.

on_the_line = ag.minimize(
    bowl, starts[0], GradientDescent(threshold), steps=9
)
print([round(y, 6) for y in on_the_line.points[:, 1].tolist()])

# %%
# The price of being careful: well below the threshold the gentle side
# crawls. Along *x* a step leaves :math:`1 - \eta` of the way, so the
# fastest rate is near the edge, not far from it.

best = rates[descents.values[-1].argmin()].item()
print(f"lowest at lr = {best:.3f}, {best / threshold:.0%} of the edge")
print(f"theory, 2 / (1 + 10): {2 / sum(curvatures):.3f}")

# %%
# **Where it breaks.** A real loss has no single curvature. On Rosenbrock's
# valley the largest one depends on where you stand, and so does the largest
# learning rate that converges.

valley = ag.objectives.CATALOGUE["rosenbrock"]
limits = []
for place in ((1.0, 1.0), (2.0, 3.0), (-2.0, -1.0)):
    point = torch.tensor(place, dtype=torch.float64, device=device)
    steepest = ag.descent.classify(valley, point).eigenvalues[-1].item()
    limits.append(2 / steepest)
    print(f"at {place}: curvature {steepest:4.0f}, 2/L = {limits[-1]:.1e}")

flee = ag.minimize(valley, point, GradientDescent(0.9 * limits[0]))
print(flee.status)

# %%
# **What helps:** start small if training does not converge; or let a search
# find the step, as :class:`autodiff_guide.descent.Backtracking` does.

searched = ag.minimize(valley, point, ag.descent.Backtracking(), steps=300)
print(f"Backtracking: {searched.values[-1].item():.1e}")

converged = descents.values[-1] < descents.values[0] * 1e-3
assert converged[rates < 0.99 * threshold].all()
assert not converged[rates > 1.01 * threshold].any()
assert abs(best - 2 / sum(curvatures)) < 0.01
assert flee.status is Status.DIVERGED
assert searched.values[-1] < searched.values[0] / 100
plt.show()
