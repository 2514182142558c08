"""
Only leaves keep a gradient, unless you ask
===========================================

Why is ``.grad`` None? Because torch keeps gradients where a computation
begins, at its *leaves*, and lets all others go. One table tells which
tensor is which.
"""

# curriculum: C5.10
import warnings

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# Six tensors of one computation. A leaf is a tensor that no recorded
# operation has made.

data = torch.tensor([1.0, 2.0], device=device)
w = torch.tensor([3.0, 4.0], device=device, requires_grad=True)
product = w * data
kept = product**2
kept.retain_grad()
cut = kept.detach()
loss = kept.sum()
loss.backward()
tensors = {
    "data": data,
    "w": w,
    "product = w * data": product,
    "kept = product², retained": kept,
    "cut = kept.detach()": cut,
    "loss = kept.sum()": loss,
}

# %%
# torch warns whoever asks a tensor for a gradient that was not kept. Here
# we ask on purpose.

rows = {}
for name, tensor in tensors.items():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        has_gradient = tensor.grad is not None
    rows[name] = {
        "requires_grad": tensor.requires_grad,
        "is_leaf": tensor.is_leaf,
        "retains_grad": tensor.retains_grad,
        "has a .grad": has_gradient,
    }
columns = list(rows["w"])
answers = torch.tensor([list(row.values()) for row in rows.values()])

# %%
# A dot is a yes, a cross is a no.

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for marker, color, chosen in (("o", "C0", answers), ("x", "C1", ~answers)):
    at_row, at_column = chosen.nonzero().T
    ax.scatter(at_column, at_row, s=120, marker=marker, color=color)
ax.set_xticks(range(len(columns)), columns)
ax.set_yticks(range(len(rows)), list(rows))
ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
ax.xaxis.tick_top()
fig.set_label(
    "A table of yes and no. "
    + " ".join(
        f"{name}: {', '.join(c for c in columns if row[c]) or 'none'}."
        for name, row in rows.items()
    )
)

# %%
# The gradient of *w* is there because *w* is a leaf that requires one. That
# of ``kept`` is there because we asked. ``data`` and ``cut`` are leaves
# too: torch counts everything without a history as one.
#
# **Where it breaks.** A step written as an assignment makes a new tensor
# under the old name. It is no leaf any more.

v = torch.tensor([3.0, 4.0], device=device, requires_grad=True)
v = v - 0.1 * v
(v**2).sum().backward()
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    nothing = v.grad
print(nothing, "and a warning:")
print(str(warned[0].message).split(". ")[0])

# %%
# **Why.** The gradients of a thousand intermediate tensors are needed only
# in passing. Keeping them would double the memory of training.
#
# **The fix**: change the leaf in place, where nothing is recorded.

v = torch.tensor([3.0, 4.0], device=device, requires_grad=True)
with torch.no_grad():
    v -= 0.1 * v
(v**2).sum().backward()
print(v.is_leaf, v.grad.cpu())

with_gradient = [name for name, row in rows.items() if row["has a .grad"]]
assert with_gradient == ["w", "kept = product², retained"]
assert nothing is None
assert "not a leaf" in str(warned[0].message)
assert torch.allclose(v.grad, 2 * v.detach())
plt.show()
