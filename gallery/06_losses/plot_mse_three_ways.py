"""
The gradient of the mean squared error, three ways
==================================================

For the model :math:`xw` the gradient by the weight is
:math:`\\frac{2}{N} \\sum (xw - y)\\, x`. By hand, by autograd and by
differences it is the same number.
"""

# curriculum: C7.1
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.losses import CATALOGUE

device = ag.preferred_device()
mse = CATALOGUE["mse_loss"]

# %%
# Five points near the line *y* = 2 *x*, and a first guess for its slope.

x = torch.tensor([1.0, 2, 3, 4, 5], dtype=torch.float64, device=device)
y = torch.tensor([2.1, 3.9, 6.2, 7.8, 10.1], dtype=x.dtype, device=device)
w = torch.tensor(1.2, dtype=x.dtype, device=device, requires_grad=True)


def loss_at(weight):
    return mse(x * weight, y)


loss = loss_at(w)
loss.backward()
by_hand = (2 * (x * w - y) * x).sum() / len(x)
numeric = ag.derivatives.numeric_derivative(loss_at, w.detach())
print(f"by hand   {by_hand.item():.10f}")
print(f"autograd  {w.grad.item():.10f}")
print(f"numeric   {numeric.value.item():.10f} ± {numeric.error.item():.0e}")

# %%
# Two factors, by the chain rule: the gradient of the loss by the output,
# :math:`2 (xw - y) / N`, and the output's own derivative by *w*, which is
# *x*. The catalogue holds the first of them; the model supplies the second.

chained = mse.gradient(x * w, y) @ x
print(f"chained   {chained.item():.10f}")

# %%
# On the curve of the loss, the gradient is the slope of the tangent. It is
# negative here, so a larger *w* makes the loss smaller.

weights = torch.linspace(0.5, 3.5, 61, dtype=x.dtype, device=device)
losses = torch.stack([loss_at(weight) for weight in weights])
tangent = (loss + w.grad * (weights - w)).detach()

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(weights.cpu(), losses.cpu(), label="mean squared error")
ax.plot(
    weights[:30].cpu(),
    tangent[:30].cpu(),
    "--",
    label=f"tangent, slope {w.grad.item():.2f}",
)
ax.plot(w.item(), loss.item(), "o", color="C1")
ax.set(xlabel="weight w", ylabel="loss")
ax.legend()
fig.set_label(
    "The mean squared error over the weight is a parabola, lowest near "
    f"{weights[losses.argmin()].item():.2f}. At w = {w.item():g} its "
    f"tangent falls with slope {w.grad.item():.2f}."
)

# %%
# **Where it breaks.** Data often comes as a column. A column minus a row is
# not refused: it is a table of *every* output with *every* target.

column = (x * 2).unsqueeze(1)
wrong = ((column - y) ** 2).mean()
right = mse(x * 2, y)
print(tuple((column - y).shape))
print(f"w = 2: loss {right.item():.3f}, of the table {wrong.item():.1f}")

# %%
# The table cannot become small, whatever *w*: one output would have to meet
# five targets. Descent then learns the wrong slope and says nothing.

w_table = (column / 2 * y).mean() / (x**2).mean()
w_right = (x * y).mean() / (x**2).mean()
print(f"best w: {w_right.item():.3f}; for the table {w_table.item():.3f}")

# %%
# The fix: compare like with like. The losses of the catalogue take no pair
# whose shapes differ.

try:
    mse(column, y)
except ValueError as error:
    refusal = str(error)
print(refusal)

assert torch.allclose(by_hand, w.grad, rtol=1e-12)
assert torch.allclose(chained, w.grad, rtol=1e-12)
assert (numeric.value - by_hand).abs() <= numeric.error
assert abs(w_right - 2) < 0.05 < abs(w_table - 2)
assert "expected shape (5, 1), got (5,)" in refusal
plt.show()
