"""
A float32 network is checked in double
======================================

With seven digits a difference keeps four or five, and with three digits
one. So the check computes a function of lower precision in double, and
finds an error of a millionth whatever the precision is.
"""

# curriculum: C5.11
import warnings

import matplotlib.pyplot as plt
import torch
from torch.autograd import gradcheck

import autodiff_guide as ag

torch.manual_seed(0)
device = ag.preferred_device()


def fn(x):
    return torch.tanh(x) * x.exp()


def by_hand(x):
    return x.exp() * (1 - torch.tanh(x) ** 2 + torch.tanh(x))


DTYPES = [torch.float64, torch.float32, torch.bfloat16]
points = torch.linspace(0.2, 1.2, 6, device=device)

# %%
# The same right gradient in three precisions. Torch's check takes its
# differences in the precision of the input, and fails two of them.

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
# :math:`\varepsilon^{2/3}`. So compute in double what is given in less:
# the check turns inputs, constants and casts inside the function into
# float64. Plant errors in the gradient, and see from which size on they
# are found.

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
ax.loglog(eps, eps ** (2 / 3), "--", label="best difference in precision ε")
for dtype, marker in zip(DTYPES, "os^", strict=True):
    name = str(dtype).removeprefix("torch.")
    ax.plot(torch.finfo(dtype).eps, least[dtype], marker, label=name)
ax.set(xlabel="precision ε", ylabel="least relative error found")
ax.legend()
sizes = [f"{least[dtype]:.0e}" for dtype in DTYPES]
fig.set_label(
    "The least error found, over the precision of the input. float64 finds "
    f"{sizes[0]}, float32 {sizes[1]}, bfloat16 {sizes[2]}. A rising line "
    "shows what a difference in that precision could find: for bfloat16 "
    "only errors of several per cent."
)

# %%
# **A network under autocast** computes its products in bfloat16. It is
# checked in double, too: the formulas of its backward are what is tested.

net = torch.nn.Sequential(
    torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
).to(device)


class Mixed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, x):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return self.net(x).float()


mixed = ag.check_module(Mixed(), data=torch.randn(4, 8, device=device))
mixed

# %%
# **A backward that rounds is still seen.** Casts in a ``backward`` of your
# own are obeyed. This one computes its cosine in bfloat16.


class RoughSine(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.bfloat16().cos()


rough = ag.check_gradient(RoughSine.apply, points)
rough

# %%
# **A tolerance** lets it pass, if you mean the rounding. The report then
# says by how much yours differs.

accepted = ag.check_gradient(RoughSine.apply, points, rtol=1e-2)
accepted

# %%
# **Where it breaks.** Only what torch computes can be widened. A function
# that leaves torch for NumPy, and rounds to float32 there, has stairs for
# values. Write ``np.float64`` there, or the dtype of the input.

# %%
# **What to do.** The check answers one question: are the formulas right?
# Whether the code survives its precision, without overflow or cancelling
# digits, is another one. Compare its values and gradients in float32 with
# those in float64 for that.

assert all(right.values())
assert theirs[torch.float64]
assert not theirs[torch.float32]
assert not theirs[torch.bfloat16]
assert max(least.values()) < 2e-6
assert mixed
assert not rough
assert rough.worst.yours != rough.worst.numeric
assert accepted
plt.show()
