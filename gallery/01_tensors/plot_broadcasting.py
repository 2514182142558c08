"""
Broadcasting lines shapes up from the right
===========================================

Two shapes go together when, counted from the right, the sizes on each axis
are equal, or one of them is 1, or one is missing. No other case works.
"""

# curriculum: C4.9
import textwrap

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting

device = ag.preferred_device()

# %%
# A column and a row make a table. Neither has the shape of the result.

column = torch.tensor([[10], [20], [30]], device=device)
row = torch.tensor([1, 2, 3, 4], device=device)
print(column + row)
meeting = ag.tensors.explain_broadcast(column, row)
meeting

# %%
# Filled cells exist; dashed ones are the same entries read again. Nothing
# is copied. In the result, each pair says which two entries meet.

fig, ax = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
plotting.broadcast(meeting, ax=ax)
fig.set_label(
    f"A column of shape {meeting.shapes[0]} repeated to the right, a row "
    f"of shape {meeting.shapes[1]} repeated downwards, and the grid of "
    f"shape {meeting.shape} where each entry of one meets each of the "
    "other."
)

# %%
# **All the cases there are.** On one axis each operand has a size of 1, or
# another, or none. Torch itself fills in the table:

sizes = {"missing": (), "1": (1,), "2": (2,), "3": (3,), "4": (4,)}


def outcome(left, right):
    try:
        return tuple((torch.ones(left) + torch.ones(right)).shape)
    except RuntimeError:
        return None


table = [[outcome(a, b) for b in sizes.values()] for a in sizes.values()]
fits = torch.tensor([[cell is not None for cell in line] for line in table])

fig, ax = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
ax.imshow(fits.numpy(), cmap="viridis", vmin=-0.6, vmax=1.4)
for i, line in enumerate(table):
    for j, cell in enumerate(line):
        words = "conflict" if cell is None else str(cell)
        ink = "white" if cell is None else "black"
        ax.text(j, i, words, ha="center", va="center", color=ink)
ax.set_xticks(range(len(sizes)), sizes)
ax.set_yticks(range(len(sizes)), sizes)
ax.set_xlabel("size of the right operand")
ax.set_ylabel("size of the left operand")
fig.set_label(
    f"A table of {fits.numel()} pairs of sizes on one axis: "
    f"{int(fits.sum())} broadcast and {int((~fits).sum())} conflict. Only "
    "two different sizes, neither of them 1, conflict."
)

# %%
# **Two wrong rules** that sound right: shapes line up from the left; a size
# is repeated if it divides the other. Both fail:

for a, b in [((3,), (3, 2)), ((2,), (4,))]:
    try:
        torch.ones(a) + torch.ones(b)
    except RuntimeError as error:
        print(f"{a} and {b}: {error}")

# %%
# The message names an axis and two sizes, and leaves the way out to you.
# :func:`autodiff_guide.tensors.explain_broadcast` names that too:

try:
    ag.tensors.explain_broadcast((3,), (3, 2))
except ValueError as error:
    advice = str(error)
    print(textwrap.fill(advice, 72))

# %%
# **When nothing fails and it is wrong all the same.** A model gives (4, 1),
# the targets are (4,). Their difference should have 4 entries:

output = torch.tensor([[1.0], [2.0], [3.0], [4.0]], device=device)
target = torch.tensor([1.0, 2.0, 3.0, 4.0], device=device)
difference = output - target
wrong = difference.square().mean()
print(f"{tuple(difference.shape)}, mean square {wrong:.2f}, not 0")

# %%
# Every output met every target. Give both the same shape:

right = (output.squeeze(-1) - target).square().mean()
print(f"mean square {right:.2f}")

# %%
# The claims: the table is the rule, and the advice works.

for i, a in enumerate(sizes.values()):
    for j, b in enumerate(sizes.values()):
        assert fits[i, j] == (a == b or bool({a, b} & {(), (1,)}))
assert "operand 1 .unsqueeze(-1)" in advice
assert (torch.ones(3).unsqueeze(-1) + torch.ones(3, 2)).shape == (3, 2)
assert right == 0 < wrong
plt.show()
