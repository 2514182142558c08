r"""
Momentum crosses a ravine in a fraction of the steps
====================================================

In a ravine the slope points to the opposite wall, not along the floor. A
velocity forgets what changes sign at each step and collects what stays.
"""

# curriculum: C2.10
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import GradientDescent, Momentum
from autodiff_guide.objectives import quadratic

device = ag.preferred_device()

# %%
# The walls curve a hundred times more than the floor. The rate is as large
# as the walls allow without wild swings; it is the same for both.

ravine = quadratic([1.0, 100.0])
start = torch.tensor([-1.8, 0.4], dtype=torch.float64, device=device)
plain = ag.minimize(ravine, start, GradientDescent(0.01), steps=60)
heavy = ag.minimize(ravine, start, Momentum(0.01, momentum=0.8), steps=60)

# %%
# Play it. Plain descent settles on the floor and then creeps. The velocity
# carries the other one along.

film = plotting.animation(
    [plain, heavy],
    fn=ravine,
    domain=((-2.0, 0.6), (-0.7, 0.7)),
    frames=20,
)
plain_end, heavy_end = (
    path.points[-1].norm().item() for path in (plain, heavy)
)
plt.gcf().set_label(
    "Two paths in a ravine, 60 steps each from the same start. Plain "
    f"descent ends {plain_end:.2f} away from the minimum, momentum "
    f"{heavy_end:.1e}."
)

# %%
# The same as values. Momentum is not monotone: now and then it climbs, and
# is still far ahead.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
nesterov = Momentum(0.01, momentum=0.8, nesterov=True)
ahead = ag.minimize(ravine, start, nesterov, steps=60)
for path in (plain, heavy, ahead):
    plotting.values(path, ax=ax)
ax.legend(loc="upper right")
ends = [path.values[-1].item() for path in (plain, heavy, ahead)]
fig.set_label(
    "Value against step, on a logarithmic scale. After 60 steps plain "
    f"descent stands at {ends[0]:.0e}, momentum at {ends[1]:.0e} and "
    f"Nesterov's momentum at {ends[2]:.0e}."
)

# %%
# **Where it breaks.** A velocity that forgets nothing does not stop at the
# bottom. Sweep the share that is kept from step to step:

shares = [0.0, 0.5, 0.8, 0.9, 0.99]
left = []
for share in shares:
    rule = Momentum(0.01, momentum=share)
    path = ag.minimize(ravine, start, rule, steps=60)
    left.append(path.points[-1].norm().item())
    print(f"momentum {share:4.2f}: {left[-1]:.1e} away after 60 steps")

# %%
# **Why there is a best one.** On a quadratic each direction of curvature
# :math:`\lambda` is a pendulum with friction, and the share :math:`\mu` is
# what friction leaves. Above
# :math:`\mu^* = (1 - \sqrt{\eta\lambda})^2` it swings, and then a step
# shrinks it by :math:`\sqrt{\mu}` whatever the curvature.

floor = (1 - 0.01**0.5) ** 2
print(f"for the floor, curvature 1: best share {floor:.2f}")
rule = Momentum(0.01, momentum=0.9)
tail = ag.minimize(ravine, start, rule, steps=500).points.norm(dim=-1)
shrink = (tail[500] / tail[100]) ** (1 / 400)
theory = 0.9**0.5
print(f"share 0.9: factor {shrink.item():.3f}, theory {theory:.3f}")

# %%
# Same start, same rate, same number of steps:

assert heavy_end < plain_end / 10
assert min(left) < min(left[0], left[-1]) / 10
assert shares[left.index(min(left))] in (0.8, 0.9)
assert abs(shrink - theory) < 0.002
assert (heavy.values.diff() > 0).any()
plt.show()
