"""
A check in float32, with an error bar of its own
================================================

With seven digits, a difference keeps four or five. A fixed tolerance fails
right gradients then; an error bar grows with the rounding, and passes them.
"""

# curriculum: C5.11
import warnings

import matplotlib.pyplot as plt
import torch
from torch.autograd import gradcheck

import autodiff_guide as ag

device = ag.preferred_device()


def fn(x):
    return torch.tanh(x) * x.exp()


def by_hand(x):
    return x.exp() * (1 - torch.tanh(x) ** 2 + torch.tanh(x))


DTYPES = [torch.float64, torch.float32, torch.bfloat16]
points = torch.linspace(0.2, 1.2, 6, device=device)

# %%
# The same right gradient in three precisions. Torch's check, with its own
# tolerances, fails it in two.

warnings.filterwarnings("ignore", message="Input #0 requires gradient")
right, theirs = {}, {}
for dtype in DTYPES:
    x = points.to(dtype)
    right[dtype] = ag.check_gradient(fn, x)
    theirs[dtype] = gradcheck(fn, x.requires_grad_(), raise_exception=False)
    name = str(dtype).removeprefix("torch.")
    print(f"{name:9} ours {bool(right[dtype])!s:6} torch {theirs[dtype]}")

# %%
# **Why.** A difference over the step *h* is off by about
# :math:`h^2` of truncation and :math:`\varepsilon / h` of rounding, where
# :math:`\varepsilon` is the precision. The best step leaves
# :math:`\varepsilon^{2/3}`. So plant errors in the gradient, and see from
# which size on each precision finds them.

planted = torch.logspace(-8, 1, 19).tolist()
least = {}
for dtype in DTYPES:
    x = points.to(dtype)
    found = [
        error
        for error in planted
        if not ag.check_gradient(
            fn, x, gradient=lambda x, e=error: by_hand(x) * (1 + e)
        )
    ]
    least[dtype] = found[0]

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
eps = torch.logspace(-16, -1, 50)
ax.loglog(eps, eps ** (2 / 3), "--", label="theory: ε to the power 2/3")
for dtype, marker in zip(DTYPES, "os^", strict=True):
    name = str(dtype).removeprefix("torch.")
    ax.plot(torch.finfo(dtype).eps, least[dtype], marker, label=name)
ax.set(xlabel="precision ε", ylabel="least relative error found")
ax.legend()
sizes = [f"{least[dtype]:.0e}" for dtype in DTYPES]
fig.set_label(
    "The least error found, over the precision, with the line of theory. "
    f"float64 finds {sizes[0]}, float32 {sizes[1]}, bfloat16 {sizes[2]}."
)

# %%
# The points lie above the line: an error bar is a bound, and beyond 10⁻⁷ a
# check in float64 does not try. In bfloat16 a check finds blunders only.
#
# **A trap.** Inputs in float64 do not help if the function rounds inside.
# The values then jump in steps of float32. The check notices, and says how
# much less it would have seen.


def rounds_inside(x):
    return fn(x.float()).double()


rounded = ag.check_gradient(rounds_inside, points.double())
rounded

# %%
# **What to do.** Check in float64 what you can: a formula that is right
# there is right in float32. Then check once in float32, for overflow and
# for casts. ``check_module`` does the first by itself, on a copy.

double, single, half = (least[dtype] for dtype in DTYPES)
assert all(right.values())
assert theirs[torch.float64]
assert not theirs[torch.float32]
assert double < 1e-6 < single < 1e-2 < half
assert rounded
assert rounded.kind == "low-precision"
assert rounded.resolution > 100 * right[torch.float64].resolution
plt.show()
