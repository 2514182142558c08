r"""
Momentum crosses a ravine in a fraction of the steps
====================================================

In a ravine the negative gradient points to the opposite wall, not along the
floor. Momentum averages the gradients: what changes sign at each step
cancels, and what stays the same adds up.
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
# The walls curve a hundred times more than the floor. The learning rate
# 0.019 is just below the largest with which plain descent converges, which
# is 2 divided by the largest curvature: 0.02. It is the same for both.

ravine = quadratic([1.0, 100.0])
start = torch.tensor([-1.8, 0.4], dtype=torch.float64, device=device)


def descend(momentum, *, rate=0.019, starts=start, steps=60):
    rule = Momentum(rate, momentum=momentum)
    if momentum == 0:
        rule = GradientDescent(rate)
    batched = starts.ndim == 2
    return ag.minimize(ravine, starts, rule, steps=steps, batched=batched)


def way_across(path):
    """Return the length of the path in y, from wall to wall."""
    return path.points[..., 1].diff(dim=0).abs().sum(0)


plain, heavy = descend(0), descend(0.5)
for path in (plain, heavy):
    length, left = way_across(path).item(), path.points[-1].norm().item()
    print(f"{path.rule}")
    print(f"    path in y {length:.1f}, distance left {left:.2f}")

# %%
# Play it. Plain descent jumps from wall to wall at each step. With a
# momentum of 0.5 the jumps cancel, and along the floor the path is faster.

film = plotting.animation(
    [plain, heavy],
    fn=ravine,
    domain=((-2.0, 0.6), (-0.6, 1.0)),
    frames=20,
)
ways = [way_across(path).item() for path in (plain, heavy)]
ends = [path.points[-1].norm().item() for path in (plain, heavy)]
plt.gcf().set_label(
    "Two paths in a ravine, 60 steps each from the same start. Plain "
    f"descent zigzags: its path in y is {ways[0]:.1f} long, and it ends "
    f"{ends[0]:.2f} away from the minimum. With momentum the path in y is "
    f"{ways[1]:.1f} long, and the distance left is {ends[1]:.2f}."
)

# %%
# **It depends on the learning rate.** With a rate of 0.005 plain descent
# does not cross the floor at all. There is no zigzag to cancel, and
# momentum makes the path in y longer, because it overshoots.

ways_slow = [
    way_across(descend(momentum, rate=0.005)).item()
    for momentum in (0, 0.5)
]
for name, way in zip(("plain", "momentum 0.5"), ways_slow, strict=True):
    print(f"rate 0.005, {name:12}: path in y {way:.2f}")

# %%
# **More momentum** is better here, up to a point. One that forgets nothing
# does not stop at the bottom.

momenta = [0.0, 0.5, 0.7, 0.8, 0.9, 0.99]
paths = {momentum: descend(momentum) for momentum in momenta}
left = {m: path.points[-1].norm().item() for m, path in paths.items()}
for momentum, distance in left.items():
    print(f"momentum {momentum:4.2f}: {distance:.1e} away after 60 steps")

# %%
# The value, step by step. With momentum it is not monotone: now and then it
# climbs, and is still far ahead.

fig, ax = plt.subplots(figsize=(6.4, 3.9), layout="constrained")
for momentum in (0.0, 0.5, 0.8, 0.99):
    plotting.values(paths[momentum], ax=ax)
handles, _ = ax.get_legend_handles_labels()
names = ["plain descent"] + [f"momentum {m:g}" for m in (0.5, 0.8, 0.99)]
if ax.get_legend():
    ax.get_legend().remove()
fig.legend(handles, names, loc="outside upper center", ncols=2)
fig.set_label(
    "Value against step, on a logarithmic scale. After 60 steps: "
    + ", ".join(
        f"momentum {m:g} at {paths[m].values[-1].item():.0e}"
        for m in (0.0, 0.5, 0.8, 0.99)
    )
    + ". Momentum 0 is plain descent."
)

# %%
# **Why there is a best one.** On a quadratic each direction of curvature
# :math:`\lambda` is a pendulum with friction, and the momentum :math:`\mu`
# is what friction leaves. Above
# :math:`\mu^* = (1 - \sqrt{\eta\lambda})^2` it swings, and then a step
# shrinks it by :math:`\sqrt{\mu}` on average, whatever the curvature.

best = (1 - 0.019**0.5) ** 2
print(f"for the floor, curvature 1: best momentum {best:.2f}")
tail = descend(0.9, steps=500).points.norm(dim=-1)
shrink = (tail[500] / tail[100]) ** (1 / 400)
theory = 0.9**0.5
print(f"momentum 0.9: factor {shrink.item():.3f}, theory {theory:.3f}")

# %%
# **Where it breaks.** Nesterov's momentum takes the gradient ahead of the
# point. Its largest rate is smaller than that of plain descent,
# :math:`2 (1 + \mu) / (\lambda (1 + 2\mu))`. With the same 0.019 it
# diverges; with 0.01 it converges.

nesterov = {}
for rate in (0.019, 0.01):
    rule = Momentum(rate, momentum=0.8, nesterov=True)
    found = ag.minimize(ravine, start, rule, steps=60)
    nesterov[rate] = found.values[-1].item()
    print(f"Nesterov's momentum, rate {rate:g}: value {nesterov[rate]:.0e}")

# %%
# The function is quadratic, so the path in y is proportional to where it
# began: what is true for this start is true for every other. A hundred
# random ones show it, and so does the formula for plain descent, which
# multiplies y by :math:`1 - 1.9` at each step.

torch.manual_seed(0)
many = torch.randn(100, 2, dtype=torch.float64).to(device)
zigzag, damped = descend(0, starts=many), descend(0.5, starts=many)
crossings = zigzag.points[1:, :, 1] * zigzag.points[:-1, :, 1]
assert (crossings < 0).all()
assert (way_across(zigzag) > 3.5 * way_across(damped)).all()
factor = -0.9
whole = 0.4 * (1 - factor) * (1 - abs(factor) ** 60) / (1 - abs(factor))
assert abs(ways[0] - whole) < 1e-9
along = [found.points[-1, :, 0].abs() for found in (zigzag, damped)]
assert (along[1] < along[0] / 3).all()
slow, slow_heavy = (
    way_across(descend(momentum, rate=0.005, starts=many))
    for momentum in (0, 0.5)
)
assert (slow <= slow_heavy).all()

assert min(left, key=left.get) in (0.7, 0.8)
assert left[0.8] < left[0] / 100
assert left[0.99] > 100 * left[0.8]
assert abs(shrink - theory) < 0.002
assert (heavy.values.diff() > 0).any()
assert nesterov[0.019] > 1e3 > 0.01 > nesterov[0.01]
plt.show()
