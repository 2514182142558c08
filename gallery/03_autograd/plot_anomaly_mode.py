"""
Where was the NaN born?
=======================

A NaN in a gradient comes from one operation: the first of the backward pass
that made a NaN from finite numbers. Anomaly mode stops there.
"""

# curriculum: C5.10
import warnings

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# The length of a vector, as it stands in the book. Its value is fine
# everywhere.


def length(x):
    return (x**2).sum(-1).sqrt()


points = torch.arange(-10, 11, device=device) / 10
points = torch.stack([points, torch.zeros_like(points)], dim=1)
points.requires_grad_()
value = length(points)
(slope,) = torch.autograd.grad(value.sum(), points)
bad = slope.isnan().any(dim=1)
print(
    f"NaN values: {int(value.isnan().sum())}, NaN slopes: {int(bad.sum())}"
)

# %%
# At the origin the slope is NaN. All other points are right.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
place = points[:, 0].detach().cpu()
ax.plot(place, value.detach().cpu(), ".-", label="length")
ax.plot(place, slope[:, 0].cpu(), "s", label="its slope")
ax.plot(place[bad.cpu()], [0], "x", ms=12, mew=2, label="slope is NaN")
ax.set(xlabel="first coordinate", ylabel="length and slope")
ax.legend()
fig.set_label(
    "The length of a vector along a line through the origin, and its "
    f"slope, -1 on the left and 1 on the right. At {int(bad.sum())} point, "
    "the origin, the slope is NaN."
)

# %%
# Which operation did it? In anomaly mode torch looks at each gradient of
# the backward pass and stops at the first NaN.

with warnings.catch_warnings(), torch.autograd.set_detect_anomaly(True):
    warnings.simplefilter("ignore")
    try:
        length(points).sum().backward()
    except RuntimeError as error:
        birthplace = str(error)
print(birthplace)

# %%
# **Where it breaks.** The message names the operation that *showed* the
# first NaN: the square. But the square is innocent. The root has sent it an
# infinite slope, :math:`1 / (2 \sqrt 0)`, and the square multiplied that by
# its own slope, :math:`2 \cdot 0`. Anomaly mode looks for NaN only; it
# lets infinity pass.
#
# :func:`autodiff_guide.diagnose` looks for both, and needs no second run of
# the whole program.

loss = length(points).sum()
diagnosis = ag.diagnose(loss, [("points", points)])
print(diagnosis.findings[0].sentence)

# %%
# **The fix**: an operation that knows its own limit. At the origin the
# length has a kink, and ``vector_norm`` answers with one of the slopes
# that fit there, 0.

safe = torch.linalg.vector_norm(points, dim=-1)
(slope,) = torch.autograd.grad(safe.sum(), points)
print("slope at the origin:", slope[bad].tolist())

# %%
# Anomaly mode also keeps the traceback of each operation of the forward
# pass, and that makes everything slower. Switch it on to find a NaN, and
# off again.

assert "PowBackward0" in birthplace
assert "sqrt (SqrtBackward0)" in diagnosis.findings[0].sentence
assert torch.isfinite(slope).all()
assert (slope[bad] == 0).all()
plt.show()
