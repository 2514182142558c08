r"""
Without ``zero_()`` the descent becomes a pendulum
==================================================

``backward()`` adds to ``.grad``. Forget to clear it, and each step uses the
sum of all slopes so far. Nothing is raised: from 777 a thousand steps end
far away instead of at the minimum.
"""

# curriculum: C3.4
import math

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()


def descend(*, zero, steps=1000, lr=0.01):
    x = torch.tensor(777.0, device=device, requires_grad=True)
    path = [x.detach().clone()]
    for _ in range(steps):
        (2 * x**2).backward()
        with torch.no_grad():
            x -= lr * x.grad
        if zero:
            x.grad.zero_()
        path.append(x.detach().clone())
    return torch.stack(path).cpu()


# %%
# The same loop with the line, and without it.

cleared, summed = descend(zero=True), descend(zero=False)
print(f"with zero_():    x = {cleared[-1]:.2e}")
print(f"without zero_(): x = {summed[-1]:.2f}")

# %%
# It does not diverge and it does not settle. It swings.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(cleared[:201], label="with zero_()")
ax.plot(summed[:201], label="without")
ax.set(xlabel="step", ylabel="x", ylim=(-900, 1250))
ax.legend(loc="upper right", ncols=2)
fig.set_label(
    "x against step from 777. With zero_() it falls to the minimum at 0; "
    f"without it x swings between {summed.min():.0f} and "
    f"{summed.max():.0f} for ever."
)

# %%
# **Why a pendulum?** The sum of slopes is a velocity :math:`v`, and the
# negative slope is a force towards the middle. No friction, so no rest:
#
# .. math:: v_{t+1} = v_t + 4x_t, \qquad x_{t+1} = x_t - \eta\, v_{t+1}
#
# That is momentum with nothing lost, :math:`\mu = 1`. torch's optimizer
# with that setting takes the same path.

x = torch.tensor(777.0, device=device, requires_grad=True)
optimizer = torch.optim.SGD([x], lr=0.01, momentum=1.0)
frictionless = [x.detach().clone()]
for _ in range(1000):
    optimizer.zero_grad()
    (2 * x**2).backward()
    optimizer.step()
    frictionless.append(x.detach().clone())
frictionless = torch.stack(frictionless).cpu()
print(f"SGD with momentum=1: x = {frictionless[-1]:.2f}")

# %%
# The equations give the time of one swing too. Its angle per step has the
# cosine :math:`1 - 2\eta`, which is 0.98 here.

period = 2 * math.pi / math.acos(1 - 2 * 0.01)
below = summed < 0
falls = (below[1:] & ~below[:-1]).nonzero()[:, 0].double()
measured = (falls[-1] - falls[0]) / (len(falls) - 1)
print(f"a swing takes {measured:.2f} steps, theory says {period:.2f}")

# %%
# **The fix** is the line itself. With an optimizer, ``zero_grad()`` belongs
# in the loop, before the backward; it clears every parameter at once.

assert cleared[-1].abs() < 1e-14
assert abs(summed[-1].item() - 632.4) < 1
assert summed.abs().max() < 1.01 * 777
assert torch.allclose(summed, frictionless, atol=1.0)
assert abs(measured - period) < 0.05
plt.show()
