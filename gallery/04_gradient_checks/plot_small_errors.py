"""
A gradient wrong by 0.01 % passes torch's check, and fails ours
===============================================================

``torch.autograd.gradcheck`` compares with a tolerance that was guessed
once, for all functions. A measured error bar sees much smaller errors.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch
from torch.autograd import gradcheck

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# A sine whose backward is too large by a chosen share.


def spoiled_sine(error):
    class Spoiled(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x.sin()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x.cos() * (1 + error)

    return Spoiled.apply


x = torch.linspace(0.1, 1.5, 6, dtype=torch.float64, device=device)
x.requires_grad_()
off = spoiled_sine(1e-4)
report = ag.check_gradient(off, x)
print("torch:", gradcheck(off, x))
report

# %%
# **Why.** Torch allows a difference of 10⁻⁵ plus 10⁻³ of the slope. That
# is generous where the slope is large, and everything where it is small: a
# loss in units of 10⁻⁶ passes with its sign reversed.


class Reversed(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return 1e-6 * x.square().sum()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return -g * 2e-6 * x


small_and_wrong = ag.check_gradient(Reversed.apply, x)
passes_reversed = gradcheck(Reversed.apply, x)
print("torch:", passes_reversed)
small_and_wrong

# %%
# **The fix** is to measure how far the differences themselves can be
# trusted: a second step shows the truncation, the size of the values the
# rounding (:doc:`/auto_gallery/02_gradients/plot_error_valley`). Then plant
# smaller and smaller errors, and see who finds them.

planted = torch.logspace(-13, -1, 25).tolist()
seen, theirs, ours = [], [], []
for error in planted:
    spoiled = spoiled_sine(error)
    if gradcheck(spoiled, x, raise_exception=False) is False:
        theirs.append(error)
    if not ag.check_gradient(spoiled, x):
        ours.append(error)
    pairs = ag.check_gradient(spoiled, x, full=True).comparison
    relative = (pairs.yours - pairs.numeric) / pairs.numeric
    seen.append(relative.abs().max().item())

print(f"least error found: ours {ours[0]:.0e}, torch {theirs[0]:.0e}")

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.loglog(planted, seen, "o-", label="measured")
ax.axvline(ours[0], color="C2", linestyle="--", label="ours fails it")
ax.axvline(theirs[0], color="C1", linestyle=":", label="torch fails it")
ax.set(xlabel="relative error planted", ylabel="yours − numeric, relative")
ax.legend()
fig.set_label(
    "The largest relative difference between the spoiled and the numeric "
    f"slope, over the error planted: a line down to {min(seen):.0e}. Our "
    f"check fails errors from {ours[0]:.0e}, torch's from {theirs[0]:.0e}."
)

# %%
# The differences can tell errors far below what either check refuses. Ours
# stops at 10⁻⁷ of a slope, on purpose: gradients that differ by less
# differ by the order of their sums, not by a mistake. That number is
# ``rtol``. Between it and about 10⁻⁶ the verdict is *inconclusive*, which
# fails a test, too: no term is missing, but yours is less precise than
# the differences.

nearly = ag.check_gradient(spoiled_sine(4e-7), x)
tighter = ag.check_gradient(spoiled_sine(1e-9), x, rtol=1e-10)
print("off by 4e-7:", nearly.verdict)
print("off by 1e-9, rtol 1e-10:", tighter.verdict)

# %%
# In torch's check the tolerance cannot be turned down. Set below the
# differences' own error, it fails right functions; and that error depends
# on the function. Ours adds ``rtol`` to the error bar it has measured.

strict = {"atol": 0.0, "rtol": 1e-10, "raise_exception": False}
print("torch, rtol 1e-10, right sine:", gradcheck(torch.sin, x, **strict))
ours_strict = ag.check_gradient(torch.sin, x, rtol=1e-10)
print("ours, rtol 1e-10, right sine:", bool(ours_strict))

assert gradcheck(off, x)
assert report.kind == "factor"
assert passes_reversed
assert small_and_wrong.kind == "sign"
assert min(seen) < 1e-10
assert 1e-7 < ours[0] < 1e-6 < 1e-3 < theirs[0]
assert not gradcheck(torch.sin, x, **strict)
assert ours_strict
assert nearly.verdict == "inconclusive"
assert not tighter
plt.show()
