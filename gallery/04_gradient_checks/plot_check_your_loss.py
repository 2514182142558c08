"""
Check your own loss in five lines
=================================

You have written a loss and derived its gradient on paper. One call compares
three gradients: yours, autograd's, and the slope measured by differences.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting

device = ag.preferred_device()

# %%
# The loss is :math:`L = \frac1N \sum \log\cosh(p_i - t_i)`: round near the
# target, straight far away. On paper,
# :math:`\partial L / \partial p_i = \tanh(p_i - t_i) / N`.


def log_cosh(p, t):
    return torch.log(torch.cosh(p - t)).mean()


def by_hand(p, t):
    return torch.tanh(p - t) / len(p)


generator = torch.Generator().manual_seed(1)
p, t = torch.randn(2, 8, dtype=torch.float64, generator=generator)
p, t = p.to(device), t.to(device)
report = ag.check_loss(log_cosh, p, t, gradient=by_hand)
report

# %%
# ``PASS`` is short for: no comparison differs by more than its error bar.
# Below the table stand how close the worst one came to that, and the
# relative error that would have been seen. The report is true or false, so
# ``if report:`` works. It holds a second one, on autograd's own gradient.

print(bool(report), report.kind, bool(report.autograd))

# %%
# **Where it breaks.** The usual slip: the loss is a mean, the gradient was
# derived for a sum.


def forgetful(p, t):
    return torch.tanh(p - t)


wrong = ag.check_loss(log_cosh, p, t, gradient=forgetful)
wrong

# %%
# The words come from the numbers. Plot yours against the numeric gradient:
# a right one lies on the diagonal. A constant factor tilts the line.

found = wrong.comparison
right = by_hand(p, t).cpu()
tilt = (found.yours / found.numeric).median().item()

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
plotting.gradient_report(wrong, ax=ax)
ax.plot(found.numeric, right, "s", color="C2", label="by hand, right")
ax.legend()
fig.set_label(
    f"Yours against the numeric gradient at {len(right)} elements. The "
    "right gradient lies on the diagonal; the forgetful one lies on a line "
    f"{tilt:.0f} times as steep."
)

# %%
# A second slip is worse: a sign. Descent would climb. And a third is the
# most common in code, not on paper: ``.item()`` or ``.detach()`` cuts a
# value off, and autograd, not you, is wrong.


def cut_off(p, t):
    scale = (p - t).abs().mean().item()
    return log_cosh(p / scale, t / scale)


sign = ag.check_loss(log_cosh, p, t, gradient=lambda p, t: -by_hand(p, t))
cut = ag.check_gradient(cut_off, p, t, wrt=0)
print(sign.kind, "and", cut.kind)
cut

# %%
# Each of the keywords is defined in :doc:`/guide/checking_a_gradient`.

assert report
assert report.autograd
assert (found.numeric - right).abs().max() < 1e-9
assert wrong.kind == "reduction"
assert wrong.autograd
assert round(tilt) == len(p)
assert sign.kind == "sign"
assert "detached" in cut.kinds
plt.show()
