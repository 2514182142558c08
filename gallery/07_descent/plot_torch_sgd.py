r"""
``torch.optim.SGD`` finds 2, and float32 stops it just before
=============================================================

500 steps on :math:`2x^2 - 8x + 12` from 1 end at 1.9999986, and a million
more would not change it. The optimizer is right: the last steps are too
small for float32 to show.
"""

# curriculum: C3.5
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.descent import FromTorch, GradientDescent

device = ag.preferred_device()


def parabola(x):
    return 2 * x**2 - 8 * x + 12


# %%
# Three calls make a step: ``zero_grad``, ``backward``, ``step``. The
# derivative :math:`4x - 8` is zero at 2, where the value is 4.


def descend(dtype, steps):
    x = torch.tensor(1.0, dtype=dtype, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.01)
    path = [x.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        parabola(x).backward()
        optimizer.step()
        path.append(x.detach().clone())
    return torch.stack(path).cpu()


path = descend(torch.float32, 500)
print(f"x = {path[-1]:.7f}, y = {parabola(path[-1]):g}")

# %%
# The same in float64 goes on, by the factor 0.96 a step. In float32 the
# distance to 2 halts.

precise = descend(torch.float64, 500)
still = int((path == path[-1]).nonzero()[0])
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(2 - path.double(), label="float32")
ax.plot(2 - precise, "--", label="float64")
ax.axvline(still, color="C2", linestyle=":", label=f"step {still}")
ax.set(xlabel="step", ylabel="distance to 2", yscale="log")
ax.legend()
fig.set_label(
    "Distance to 2 against step, on a logarithmic scale. The float32 line "
    f"stands still from step {still}, at {2 - path[-1].double():.1e}; the "
    f"float64 line goes on to {2 - precise[-1]:.1e}."
)

# %%
# **Why.** Just below 2, neighbouring float32 numbers are :math:`2^{-23}`
# apart. The next step is smaller than half of that: it rounds to nothing.

step = 0.01 * (8 - 4 * path[-1].double())
half_gap = (torch.nextafter(path[-1], torch.tensor(3.0)) - path[-1]) / 2
print(f"next step {step:.2e}, half the gap {half_gap:.2e}")

# %%
# **Where it breaks, in silence.** ``step()`` without a backward before it
# does nothing: there is no gradient to step by.

x = torch.tensor(1.0, device=device, requires_grad=True)
torch.optim.SGD([x], lr=0.01).step()
unmoved = x.item()
print("after step() alone:", unmoved)

# %%
# **Where it breaks, aloud.** The optimizer wants the leaf, not something
# computed from it.

try:
    torch.optim.SGD([2 * x], lr=0.01)
except ValueError as error:
    refusal = str(error)
print(refusal)

# %%
# As a rule of ``minimize``, torch's optimizer and our one-line rule take
# the same 500 steps, bit for bit.

start = torch.ones(1, device=device)
rule = FromTorch(torch.optim.SGD, lr=0.01)
taken = {"steps": 500, "gradient_below": None}  # all of them
torchs = ag.minimize(lambda x: parabola(x[0]), start, rule, **taken)
rule = GradientDescent(lr=0.01)
ours = ag.minimize(lambda x: parabola(x[0]), start, rule, **taken)
print(ours)

# %%
# Where it ended, and why there:

assert f"{path[-1]:.7f}" == "1.9999986"
assert parabola(path[-1]) == 4
assert step < half_gap
assert 2 - precise[-1] < 2e-9
assert unmoved == 1
assert "non-leaf" in refusal
assert torchs.points.equal(ours.points)
assert path.equal(ours.points[:, 0].cpu())
plt.show()
