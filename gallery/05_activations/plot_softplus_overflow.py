"""
log(1 + eˣ) overflows; the same function, rewritten, does not
=============================================================

Softplus of 800 is 800. The formula, typed as it stands, says infinity.
"""

# curriculum: C6.2
from decimal import Decimal, getcontext

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# As the formula stands, in float64:


def as_it_stands(x):
    return torch.log(1 + torch.exp(x))


x = torch.tensor([-800.0, -40, 0, 40, 800], device=device).double()
print(as_it_stands(x))

# %%
# Two entries are wrong. On the right, :math:`e^{800}` has no float64. On
# the left, :math:`1 + e^{-40}` rounds to 1, whose logarithm is 0.
#
# Take the larger term out of the logarithm, and let ``log1p`` add the 1:
#
# .. math:: \log(1 + e^x) = \max(x, 0) + \log(1 + e^{-|x|})


def rewritten(x):
    return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))


for at, wrong, right in zip(x, as_it_stands(x), rewritten(x), strict=True):
    print(f"{at:5.0f}   {wrong:11.5g}   {right:11.5g}")

# %%
# How wrong is each, and where? Python's ``decimal`` gives the truth, with
# 50 digits.

getcontext().prec = 50
grid = torch.linspace(-60, 60, 481, dtype=torch.float64, device=device)
truth = [(1 + Decimal(v).exp()).ln() for v in grid.tolist()]


def relative_error(value):
    pairs = zip(value.tolist(), truth, strict=True)
    return [max(abs(float(Decimal(v) / t - 1)), 1e-17) for v, t in pairs]


errors = {
    "as it stands": relative_error(as_it_stands(grid)),
    "torch": relative_error(functional.softplus(grid)),
    "rewritten": relative_error(rewritten(grid)),
}
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for (name, error), style in zip(
    errors.items(), ("-", "--", ":"), strict=True
):
    ax.semilogy(grid.cpu(), error, style, label=name)
ax.set_xlabel("x")
ax.set_ylabel("relative error")
ax.legend()
worst = {name: max(error) for name, error in errors.items()}
fig.set_label(
    "Relative error of three ways to compute softplus. As it stands the "
    "formula loses every digit on the left; torch's errs by "
    f"{worst['torch']:.0e} just above 20; the rewritten form by "
    f"{worst['rewritten']:.0e}."
)

# %%
# torch's own softplus bends here too: above its ``threshold`` of 20 it
# returns *x* itself. In float32 nobody can see that; in float64 it is the
# tooth in the picture.

just_above = torch.tensor(20.25, dtype=torch.float64, device=device)
print(f"torch:     {functional.softplus(just_above):.12f}")
print(f"rewritten: {rewritten(just_above):.12f}")

# %%
# The gradient has the same trouble. Backward through the formula as it
# stands multiplies infinity by zero, and the NaN spreads.

leaf = x.clone().requires_grad_()
as_it_stands(leaf).sum().backward()
broken = leaf.grad
leaf = x.clone().requires_grad_()
functional.softplus(leaf).sum().backward()
print(broken)
print(leaf.grad)

assert as_it_stands(x)[-1].isinf()
assert broken.isnan().any()
assert rewritten(x)[-1] == 800
assert worst["rewritten"] < 1e-15 < worst["torch"] < worst["as it stands"]
plt.show()
