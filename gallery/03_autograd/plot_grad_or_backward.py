"""
``backward()`` returns None; ``autograd.grad`` returns the gradient
===================================================================

Both walk the same graph. ``backward()`` leaves what it finds in ``.grad``
of every leaf; ``autograd.grad`` hands it to you and touches nothing.
"""

# curriculum: C5.8
import matplotlib.pyplot as plt
import torch
from torch.nn.functional import mse_loss

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# The squared error of the prediction :math:`1 \cdot w` for the target 1,
# at :math:`w = 2`. By hand: loss :math:`(w - 1)^2 = 1`, gradient
# :math:`2(w - 1) = 2`.

one = torch.tensor(1.0, device=device)
w = torch.tensor(2.0, device=device, requires_grad=True)
loss = mse_loss(one * w, one)
(gradient,) = torch.autograd.grad(loss, w)
print(f"loss {loss:g}, gradient {gradient:g}, w.grad is {w.grad}")

# %%
# The same by ``backward()``. The gradient is not what the call returns.

returned = mse_loss(one * w, one).backward()
print(f"backward() returned {returned}, w.grad is {w.grad:g}")

# %%
# **Where it breaks.** Take the returned value for the gradient, and the
# update fails one line later.

try:
    w - 0.1 * returned
except TypeError as error:
    refusal = str(error)
print(refusal)

# %%
# ``autograd.grad`` also differentiates by what is *not* a leaf. So it shows
# the chain rule link by link: loss by prediction, times prediction by w.

prediction = one * w
loss = mse_loss(prediction, one)
outer, whole = torch.autograd.grad(loss, (prediction, w))
(inner,) = torch.autograd.grad(one * w, w)
print(f"{outer:g} × {inner:g} = {whole:g}")

# %%
# And since it leaves no trace, one may ask for a slope as often as one
# likes. Here at five places, with nothing to zero in between.

places = torch.linspace(-1, 3, 5, device=device, requires_grad=True)
curve = (one * places - one) ** 2
(slopes,) = torch.autograd.grad(curve.sum(), places)

fine = torch.linspace(-1.3, 3.3, 100)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(fine, (fine - 1) ** 2, label="loss $(w - 1)^2$")
dash = torch.tensor([-0.3, 0.3])
for place, height, slope in zip(
    places.tolist(), curve.tolist(), slopes.tolist(), strict=True
):
    ax.plot(place + dash, height + slope * dash, color="C1", lw=3)
ax.plot([], [], color="C1", lw=3, label="slope from autograd.grad")
ax.plot(2, 1, "o", color="C2", label=f"w = 2: slope {gradient:g}")
ax.set(xlabel="w", ylabel="loss")
ax.legend(loc="upper center")
fig.set_label(
    f"The loss (w - 1) squared with {len(places)} short tangents on it, "
    f"their slopes from {slopes.min():g} to {slopes.max():g}. At w = 2 the "
    f"slope is {gradient:g}."
)

# %%
# **The price of being asked by name:** a tensor that the loss never used is
# an error, not a silent ``None``.

unused = torch.tensor(5.0, device=device, requires_grad=True)
try:
    torch.autograd.grad(mse_loss(one * w, one), (w, unused))
except RuntimeError as error:
    not_used = str(error)
print(not_used)

# %%
# Usually that error is right: a parameter was forgotten. If it is meant,
# ``materialize_grads=True`` gives the true derivative, 0.

_, zero = torch.autograd.grad(
    mse_loss(one * w, one), (w, unused), materialize_grads=True
)

assert returned is None
assert gradient == w.grad == whole == outer * inner == 2
assert places.grad is None
assert slopes.equal(2 * (places.detach() - 1))
assert "NoneType" in refusal
assert "not have been used" in not_used
assert zero == 0
plt.show()
