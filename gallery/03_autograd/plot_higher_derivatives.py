"""
A gradient can be differentiated again, if it was recorded
==========================================================

A gradient is computed by operations like any other. With
``create_graph=True`` torch records them, too, and then the gradient has a
gradient. Each order costs a larger graph.
"""

# curriculum: C5.12
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# The bell :math:`e^{-x^2}` and its first three derivatives. The sum is a
# trick: each entry of *x* reaches only its own term, so the gradient of the
# sum holds all derivatives at once.

x = torch.linspace(-2.5, 2.5, 201, dtype=torch.float64, device=device)
x.requires_grad_()
orders = [torch.exp(-(x**2))]
for _ in range(3):
    (slope,) = torch.autograd.grad(orders[-1].sum(), x, create_graph=True)
    orders.append(slope)

# %%
# By hand, each derivative is the bell times a polynomial.

bell = torch.exp(-(x.detach() ** 2))
polynomials = [
    torch.ones_like(bell),
    -2 * x.detach(),
    4 * x.detach() ** 2 - 2,
    -8 * x.detach() ** 3 + 12 * x.detach(),
]
by_hand = [polynomial * bell for polynomial in polynomials]
gaps = [
    float((order - exact).detach().abs().max())
    for order, exact in zip(orders, by_hand, strict=True)
]
print("largest gaps:", [f"{gap:.0e}" for gap in gaps])

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
names = ["value", "first derivative", "second", "third"]
for order, name in zip(orders, names, strict=True):
    ax.plot(x.detach().cpu(), order.detach().cpu(), label=name)
ax.set(xlabel="x", ylabel="value and derivatives", ylim=(-5, 7.5))
ax.legend(ncols=2, loc="upper center")
fig.set_label(
    "A bell curve and its first three derivatives, found by torch; they "
    f"differ from those by hand by at most {max(gaps):.0e}."
)

# %%
# **Where it breaks.** Forget ``create_graph=True``, and the slope is a
# plain number without a history.

(plain,) = torch.autograd.grad(orders[0].sum(), x, retain_graph=True)
try:
    torch.autograd.grad(plain.sum(), x)
except RuntimeError as error:
    refusal = str(error)
print(refusal)

# %%
# ``retain_graph=True`` did not help: it keeps the *old* graph, and records
# no new one. They are two different questions.
#
# **What it costs.** Count the operations in the graph of each order. The
# product rule turns one term into two, so the graph grows from order to
# order by more than a constant.


def operations(tensor):
    found, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [below for below, _ in node.next_functions]
    return len(found)


sizes = [operations(order) for order in orders]
print("operations in the graph:", sizes)

# %%
# Two orders are everyday work, in Newton's method and in penalties on a
# gradient. For many orders of one variable, a Taylor series is cheaper.
# :func:`autodiff_guide.derivatives.hessian` needs two.

growth = torch.tensor(sizes).diff().tolist()
assert max(gaps) < 1e-12
assert "does not require grad" in refusal
assert growth == sorted(growth)
assert growth[-1] > growth[0]
plt.show()
