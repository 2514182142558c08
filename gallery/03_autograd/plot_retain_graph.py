"""
One graph, two backwards: keep it, or it is gone
================================================

``backward()`` frees what the graph has saved, so a second one is refused.
``retain_graph=True`` keeps it, and with it the two backwards may read two
different outputs of one softmax.
"""

# curriculum: C5.9
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()
scores = torch.tensor([3.0, 1.0, -3.0], device=device, requires_grad=True)
p = scores.softmax(0)
print("p:", [round(share, 4) for share in p.tolist()])

# %%
# How does the second share depend on the three scores? Ask for the gradient
# of ``p[1]``, and keep the graph for the next question.

(of_second,) = torch.autograd.grad(p[1], scores, retain_graph=True)
print("gradient of p[1]:", [round(g, 4) for g in of_second.tolist()])

# %%
# The graph is still there, so ``p[2]`` may be asked, too. This time the
# graph is not kept.

(of_third,) = torch.autograd.grad(p[2], scores)
print("gradient of p[2]:", [round(g, 4) for g in of_third.tolist()])

# %%
# Raising a logit raises its own probability and lowers the two others. Each
# group of bars sums to 0, because adding a constant to all logits changes
# nothing.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
places = torch.arange(3).numpy()
ax.bar(places - 0.18, of_second.tolist(), 0.34, label="of p[1]")
ax.bar(places + 0.18, of_third.tolist(), 0.34, label="of p[2]")
ax.axhline(0, linewidth=0.8, color="C2")
ax.set_xticks(places, [f"score {score:g}" for score in scores.tolist()])
ax.set(ylabel="gradient of the share")
ax.legend()
fig.set_label(
    "Two groups of bars. The share of the second score falls by "
    f"{-of_second[0]:.4f} with the first score and rises by "
    f"{of_second[1]:.4f} with its own; the share of the third changes "
    f"by at most {of_third.abs().max():.4f}."
)

# %%
# **Where it breaks.** The last call freed the graph.

try:
    torch.autograd.grad(p[0], scores)
except RuntimeError as error:
    refusal = str(error)
print(refusal.split(". ")[0])

# %%
# **Why.** Softmax saves its result for the backward pass. Once that is
# freed, its slope cannot be computed any more. Freeing is the default
# because the saved tensors are most of the memory that training needs.
#
# **The fix** is rarely ``retain_graph``. If all gradients are wanted, ask
# once, for the Jacobian. If the *parameters* have changed since, compute
# the output again: see :doc:`/pitfalls/second-backward`.

whole = ag.derivatives.jacobian(lambda s: s.softmax(0))(scores.detach())
by_hand = torch.diag(p) - torch.outer(p, p)
print(whole.cpu().numpy().round(4))

assert "a second time" in refusal
assert torch.allclose(torch.stack([of_second, of_third]), whole[1:])
assert torch.allclose(whole, by_hand)
assert abs(of_second.sum()) < 1e-6
assert abs(of_third.sum()) < 1e-6
plt.show()
