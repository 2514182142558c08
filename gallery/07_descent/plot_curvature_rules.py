r"""
BFGS and Newton: curvature replaces the learning rate
=====================================================

A rule that knows the second derivatives needs no rate and few steps. It
pays for them in memory and in its trust in smooth numbers.
"""

# curriculum: C2.9
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import (
    BFGS,
    Adam,
    GradientDescent,
    Momentum,
    Newton,
)

device = ag.preferred_device()
valley = ag.objectives.CATALOGUE["rosenbrock"]
start = torch.tensor([-1.2, 1.0], dtype=torch.float64, device=device)

# %%
# Rosenbrock's valley from the usual start. The first three rules have the
# best rate of a sweep; the last two have no setting at all.


def tuned(rule, rates, steps=200):
    """Return the rule at the rate that ends lowest, swept in one call."""
    several = start.expand(len(rates), 2)
    run = ag.minimize(
        valley, several, rule(rates), steps=steps, batched=True
    )
    last = run.values[-1].nan_to_num(torch.inf, torch.inf, torch.inf)
    return rule(rates[last.argmin()].item())


digits = torch.tensor([1.0, 1.5, 2.0, 3.0, 5.0, 7.0], dtype=torch.float64)
rates = torch.cat([digits * 10.0**k for k in range(-4, 1)]).to(device)
rules = [tuned(rule, rates) for rule in (GradientDescent, Momentum, Adam)]
rules += [BFGS(), Newton()]

# %%
# A step of a search may evaluate the function several times. So count what
# is paid, not steps: every call of the function.

calls = 0


def counted(point):
    global calls
    calls += 1
    return valley(point)


print("rule                        steps  calls  value")
paths, paid = {}, {}
for rule in rules:
    calls = 0
    path = ag.minimize(counted, start, rule, steps=200, value_below=1e-20)
    paths[repr(rule)], paid[repr(rule)] = path, calls
    end = path.values[-1].item()
    print(f"{rule!r:28} {int(path.steps):4} {calls:6}  {end:.0e}")

# %%
# BFGS and Newton's method fall off a cliff at the end. Near the minimum
# Newton's step *squares* the error; the others multiply it by a constant.

fig, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
styles = ("-", "--", "-.", "-", "--")
for path, style in zip(paths.values(), styles, strict=True):
    plotting.values(path, ax=ax)
    ax.lines[-1].set(linestyle=style)
ax.set_ylim(1e-22, 1e3)
ax.legend(loc="lower right")
few = {name: int(path.steps) for name, path in paths.items()}
lowest = min(path.values[-1].item() for path in list(paths.values())[:3])
fig.set_label(
    "Value against step on Rosenbrock's valley. BFGS is below 1e-20 after "
    f"{few['BFGS()']} steps, Newton after {few['Newton()']}; the tuned "
    f"rules with a rate are above {lowest:.0e} after 200."
)

# %%
# **Where it breaks: memory.** BFGS stores a matrix of :math:`n \times n`
# numbers, and Newton one more second derivative for each unknown.

sizes = {}
for n in (2, 1e4, 1e8):
    sizes[n] = 8 * n**2
    print(f"n = {n:g}: {sizes[n]:.3g} bytes")

# %%
# **Where it breaks: noise.** Add a ripple of a ten-millionth to the valley.
# You would not see it in a plot. But its slope is a hundredth, and its
# curvature a thousand. Newton stops in the first dent on its way, BFGS in
# a later one. The rules with a rate step over the dents.


def rippled(point):
    return valley(point) + 1e-7 * torch.sin(1e5 * point).sum(-1)


noisy = {}
for rule in rules:
    end = ag.minimize(rippled, start, rule, steps=200).points[-1]
    noisy[repr(rule)] = valley(end).item()
    print(f"{rule!r:28} true value {noisy[repr(rule)]:.0e}")

# %%
# For few unknowns and exact gradients nothing beats curvature. For a
# network, with millions of unknowns and mini-batches, one goes back to
# gradients.

for name in ("BFGS()", "Newton()"):
    assert paths[name].values[-1] < 1e-20
    assert paid[name] < 200
    assert noisy[name] > 1e10 * paths[name].values[-1]
for rule in rules[:3]:
    ratio = noisy[repr(rule)] / paths[repr(rule)].values[-1].item()
    assert 0.1 < ratio < 10
assert lowest > 1e-16
assert sizes[1e8] > 1e16
plt.show()
