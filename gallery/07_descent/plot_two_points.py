"""
Two points and a descent find the line y = 2x + 3
=================================================

Someone knows the rule and gives you two results: 5 at 1, and 7 at 2. A
model that starts from zero finds the rule by lowering its error, and then
predicts what it was never shown.
"""

# curriculum: C1.2
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import GradientDescent
from autodiff_guide.objectives import linear_regression

device = ag.preferred_device()
x = torch.tensor([1.0, 2.0], dtype=torch.float64, device=device)
y = torch.tensor([5.0, 7.0], dtype=torch.float64, device=device)

# %%
# **Exactly.** Two unknowns, two equations: :math:`k + b = 5` and
# :math:`2k + b = 7`.

equations = torch.stack([x, torch.ones_like(x)], dim=1)
k, b = torch.linalg.solve(equations, y).tolist()
print(f"k = {k:.6f}, b = {b:.6f}, at x = 3: {3 * k + b:.6f}")

# %%
# **By descent.** The loss says how wrong a line is: the mean of its squared
# errors at the two points. Here it is a function of *k* and *b*; the data
# are fixed.

loss = linear_regression(x[:, None], y)
start = torch.zeros(2, dtype=torch.float64, device=device)
rule = GradientDescent(lr=0.2)
learnt = ag.minimize(loss, start, rule, steps=5000, value_below=1e-20)
learnt

# %%
# The path through the plane of all lines. The loss is a narrow valley: a
# line with a little more slope and a little less height is nearly as good.

fig, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
plotting.trajectory(learnt, fn=loss, domain=((-0.5, 5), (-1.5, 5)), ax=ax)
ax.set(xlabel="slope k", ylabel="height b")
k_found, b_found = learnt.points[-1].tolist()
fig.set_label(
    "Contours of the loss over slope k and height b, and a path from "
    f"(0, 0) that zigzags to the valley and follows it to ({k_found:.2f}, "
    f"{b_found:.2f})."
)

# %%
# The same journey as lines through the two points.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
span = torch.tensor([0.0, 3.5], dtype=torch.float64)
styles = {0: ":", 1: "--", 10: "-.", len(learnt.points) - 1: "-"}
colours = ("C3", "C1", "C2", "C0")
for (step, style), colour in zip(styles.items(), colours, strict=True):
    slope, height = learnt.points[step].tolist()
    label = f"step {step}: {slope:.2f} x + {height:.2f}"
    ax.plot(span, slope * span + height, style, color=colour, label=label)
ax.plot(x.cpu(), y.cpu(), "o", markersize=9, color="C0", label="data")
ax.plot(3, 3 * k_found + b_found, "*", markersize=13, color="C1")
ax.set(xlabel="x", ylabel="y", ylim=(-0.5, 14))
ax.legend(loc="upper left")
prediction = 3 * k_found + b_found
fig.set_label(
    "Four lines from the descent: the first is flat at 0, the last passes "
    f"both data points and predicts {prediction:.4f} at x = 3."
)

# %%
# **Where it breaks.** With one point there are as many lines as you like.
# The exact method says so; descent does not. It returns *a* line, and which
# one depends on where it began.

try:
    torch.linalg.solve(equations[:1].expand(2, 2), y[:1].expand(2))
except RuntimeError as error:
    refusal = str(error)
print(refusal.split(":")[-1].strip())

one_point = linear_regression(x[:1, None], y[:1])
starts = torch.tensor([[0.0, 0.0], [4.0, 0.0]], dtype=x.dtype).to(device)
lines = ag.minimize(one_point, starts, rule, steps=200).points[-1]
for slope, height in lines.tolist():
    print(f"y = {slope:.2f} x + {height:.2f}: no error at x = 1")

# %%
# Both methods agree where the data decide, and the prediction is 9.

assert (round(k, 9), round(b, 9)) == (2, 3)
assert abs(k_found - 2) < 1e-8
assert abs(b_found - 3) < 1e-8
assert abs(prediction - 9) < 1e-8
assert "singular" in refusal
assert (one_point(lines) < 1e-20).all()
assert not lines[0].allclose(lines[1])
plt.show()
