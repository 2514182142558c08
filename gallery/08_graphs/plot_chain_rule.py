"""
The chain rule, with every number on the picture
================================================

From *a* to *z* there are two paths. Multiply the slopes along each path and
add the products: that is the chain rule, and all that ``backward()`` does.
"""

# curriculum: C5.7, C5.10
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# Two inputs, two intermediate results, one output.


def z(a, b):
    x = 2 * a + 3 * b
    y = 5 * a**2 + 3 * b**3
    return 2 * x + 3 * y


a = torch.tensor(2.0, device=device, requires_grad=True)
b = torch.tensor(1.0, device=device, requires_grad=True)
graph = ag.trace(z, a, b)

# %%
# Each box has its value and, below it, the gradient of *z* with respect to
# it. On each line stands the slope of that one step.

graph

# %%
# The same as text, for a terminal.

print(graph)

# %%
# By hand: *z* changes by 2 for each unit of *x* and by 3 for each of *y*;
# *x* changes by 2 for each unit of *a*, and *y* by :math:`10 a`.

through_x = 2 * 2
through_y = 3 * 10 * a.item()
print(f"dz/da = {through_x} + {through_y:g} = {through_x + through_y:g}")
through_x = 2 * 3
through_y = 3 * 9 * b.item() ** 2
print(f"dz/db = {through_x} + {through_y:g} = {through_x + through_y:g}")

# %%
# Nothing was freed and no ``.grad`` was touched, so the usual way can be
# taken, too. It gives the numbers of the picture.

z(a, b).backward()
print("backward():", a.grad.item(), b.grad.item())

# %%
# **Where it breaks.** A gradient is the gradient at one point. The picture
# above says 64 for :math:`dz/da`; at *a* = 3.5 that is wrong.

places = torch.linspace(0, 4.5, 10, device=device, requires_grad=True)
(slopes,) = torch.autograd.grad(z(places, 1.0).sum(), places)
elsewhere = ag.trace(z, torch.tensor(3.5, requires_grad=True), b)
at_the_wrong_place = float(elsewhere["a"].gradient)
print(f"dz/da at 3.5: {at_the_wrong_place:g}")

# %%
# **Why.** The step :math:`a^2` has the slope :math:`2 a`, so everything
# before it moves with *a*: :math:`dz/da = 4 + 30 a`. The picture must be
# computed again for each place.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(places.detach().cpu(), slopes.cpu(), label="$dz/da = 4 + 30 a$")
for place, slope in ((a.item(), a.grad.item()), (3.5, at_the_wrong_place)):
    ax.plot(place, slope, "o", label=f"{slope:g} at a = {place:g}")
ax.set(xlabel="a", ylabel="dz/da")
ax.legend()
fig.set_label(
    f"The slope dz/da rises with a: {a.grad:g} at a = {a.item():g}, and "
    f"{at_the_wrong_place:g} at a = 3.5."
)

# %%
# How the engine walks this graph: :doc:`/guide/backpropagation`.

assert [float(graph[name].value) for name in "xy"] == [7, 23]
assert float(graph.output.value) == 83
assert [float(graph[name].gradient) for name in "ab"] == [64, 33]
assert (a.grad, b.grad) == (64, 33)
assert at_the_wrong_place == 4 + 30 * 3.5 == 109
plt.show()
