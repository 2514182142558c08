"""
At a kink there are two slopes, and the check says so
=====================================================

ReLU at 0, the absolute value at 0, a maximum with a tie: there is no
derivative there. Any slope between the left and the right one is right.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.derivatives import grad, one_sided_derivatives

device = ag.preferred_device()


def row(*numbers):
    return torch.tensor(numbers, dtype=torch.float64, device=device)


# %%
# Zero is in the input, so ReLU has a kink. Its slope is 0 on the left, 1 on
# the right, and torch returns 0. The check passes, and remarks on it.

x = row(-1.0, 0.0, 2.0)
relu = ag.check_gradient(torch.relu, x)
relu

# %%
# A slope of 2 is on neither side. It fails, as a kink.


def too_steep(x):
    return torch.where(x == 0, 2.0, (x > 0).to(x))


steep = ag.check_gradient(torch.relu, x, gradient=too_steep)
steep

# %%
# A tie is a kink in two elements at once: which of the two is the maximum
# changes where they are equal. ``max()`` shares the slope between them;
# ``max(0)`` gives it all to one. Both lie between the two sides.

tied = row(1.0, 2.0, 2.0)
TIES = {"max()": lambda x: x.max(), "max(0)": lambda x: x.max(0).values}
ties = {}
for name, fn in TIES.items():
    ties[name] = ag.check_gradient(fn, tied)
    gradient = [f"{g:.1f}" for g in grad(fn)(tied).tolist()]
    print(f"{name:7} {gradient} {ties[name].verdict}, {ties[name].kind}")

# %%
# **Where it breaks.** :math:`\log(1 + e^x)` is smooth, with slope ½ at 0.
# A popular stable form adds two functions that have kinks at 0. The kinks
# cancel in the value. In autograd's gradient they do not. The form is met
# again in :doc:`/auto_gallery/06_losses/plot_log_sum_exp`.


def two_kinks(x):
    return x.relu() + (-x.abs()).exp().log1p()


softplus = ag.check_gradient(two_kinks, row(0.0))
softplus

# %%
# One-sided slopes tell the cases apart. Where the two sides differ,
# anything in the wedge is right. Where they agree there is no wedge.

FUNCTIONS = {
    "ReLU": torch.relu,
    "absolute value": torch.abs,
    "two kinks": two_kinks,
}
fig, axes = plt.subplots(1, 3, figsize=(7.2, 3.4), layout="constrained")
zero, reach = row(0.0).squeeze(), row(-1.5, 1.5)
near = torch.linspace(-1.5, 1.5, 201)
for ax, (name, fn) in zip(axes, FUNCTIONS.items(), strict=True):
    sides = one_sided_derivatives(fn, zero)
    ax.plot(near, fn(near), label="f")
    start = fn(zero).item()
    for side, end, line in (("left", -1.5, "--"), ("right", 1.5, "-.")):
        rise = end * getattr(sides, side).value.item()
        ax.plot([0, end], [start, start + rise], line, color="C1")
    yours = fn(zero) + grad(fn)(zero) * reach
    ax.plot(reach.cpu(), yours.cpu(), ":", color="C3", label="autograd")
    ax.set(title=name, xlabel="x")
axes[0].set_ylabel("f(x)")
names = ["function", "slope from the left", "slope from the right"]
fig.legend(
    ax.lines,
    [*names, "slope by autograd"],
    loc="outside lower center",
    ncols=2,
)
slope = grad(two_kinks)(zero).item()
fig.set_label(
    "Three functions around 0 with their one-sided slopes and autograd's. "
    "For ReLU and the absolute value autograd lies between the two sides. "
    f"The third is smooth with slope {softplus.worst.numeric:.1f}; "
    f"autograd says {slope:.0f}."
)

# %%
# **What to do.** A kink in the input of a test is rarely meant. Move the
# point away from it, or ask for ``strict``: then a kink fails, too.

strict = ag.check_gradient(torch.relu, x, strict=True)
away = ag.check_gradient(torch.relu, x + 0.1, strict=True)
print("at the kink:", strict.verdict)
print("beside it:", away.verdict)

assert relu
assert relu.kind == "kink"
assert not steep
assert steep.kind == "kink"
assert all(ties.values())
assert {report.kind for report in ties.values()} == {"kink"}
assert not softplus
assert abs(softplus.worst.numeric - 0.5) < 1e-9
assert not strict
assert away
assert away.kind == "agree"
plt.show()
