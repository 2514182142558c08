"""
Beyond two to the 24th, float32 skips integers
==============================================

The dtype decides which numbers exist. Converting 64-bit integers to float32
is exact up to :math:`2^{24}`; above it, odd numbers are not there any more.
"""

# curriculum: C4.4, C4.5
import math
import warnings

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# ``torch.tensor`` reads the dtype off its data. ``torch.Tensor`` is the
# class; called, it always makes float32.

print(torch.tensor([1, 2, 3]).dtype, torch.Tensor([1, 2, 3]).dtype)
print(torch.tensor([1.0, 2.0]).dtype, torch.tensor([True]).dtype)

# %%
# With a bare number they part company: one is a scalar that holds 3, the
# other a vector of 3 entries that nobody has set.

held, unset = torch.tensor(3), torch.Tensor(3)
print(f"torch.tensor(3) has shape {tuple(held.shape)} and holds {held}")
print(f"torch.Tensor(3) has shape {tuple(unset.shape)}, holding chance")

# %%
# Conversion makes a new tensor, in one of three spellings.

counts = torch.tensor([1, 2, 3], device=device)
f32 = torch.float32
spellings = [counts.float(), counts.to(f32), counts.type(f32)]
print(counts.dtype, "→", [str(t.dtype) for t in spellings])

# %%
# **Where it breaks.** Send the integers around :math:`2^{24}` to float32
# and back.

limit = 2**24
whole = torch.arange(limit - 12, limit + 25, device=device)
change = whole.float().long() - whole

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
ax.stem((whole - limit).cpu(), change.cpu(), basefmt="C0")
ax.axvline(0, linestyle="--", color="C1", label=f"2²⁴ = {limit:,}")
ax.set_xlabel("integer, counted from 2²⁴")
ax.set_ylabel("change on the way to\nfloat32 and back")
ax.set_yticks([-1, 0, 1])
ax.legend(loc="upper left")
fig.set_label(
    f"The change is 0 for all integers up to {limit:,}; above, "
    f"{int((change != 0).sum())} of {int((whole > limit).sum())} move by "
    "one, to the next even number up or down."
)

# %%
# Why: float32 has 24 binary digits. From :math:`2^{24}` on, neighbours lie
# 2 apart, and an integer halfway between goes to the multiple of 4.

for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    digits = round(1 - math.log2(torch.finfo(dtype).eps))
    print(f"{dtype!s:14} {digits:2} binary digits: exact to {2**digits:,}")

# %%
# A counter kept in float32 stops there. One more is no more:

counter = torch.tensor(float(limit), device=device)
print(f"{counter:,.0f} + 1 = {counter + 1:,.0f}")

# %%
# **The other way is no safer.** Fractions are cut off, towards zero, and
# what does not fit into few bits wraps around. Nothing warns:

with warnings.catch_warnings():
    warnings.simplefilter("error")
    cut = torch.tensor([1.9, -1.9], device=device).long()
    wrapped = torch.tensor([255, 256, 257], device=device).to(torch.uint8)
print(cut.tolist(), wrapped.tolist())

# %%
# **The fix**: keep counts in int64 and arithmetic in float64 where it
# matters. In a mixed expression torch promotes: the kind with more numbers
# wins, but an int64 tensor and a float32 tensor make float32.

both = counts + torch.ones(3, device=device)
exact = torch.tensor(float(limit), dtype=torch.float64, device=device) + 1
print(both.dtype, f"{exact:,.0f}")

# %%
# The claims.

assert (change[whole <= limit] == 0).all()
assert (change[whole > limit].abs() == whole[whole > limit] % 2).all()
assert all(torch.equal(t, spellings[0]) for t in spellings)
assert held.dtype == torch.int64
assert (unset.dtype, tuple(unset.shape)) == (torch.float32, (3,))
assert counter + 1 == counter
assert exact == limit + 1
assert both.dtype == torch.float32
plt.show()
