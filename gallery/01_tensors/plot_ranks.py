"""
The rank of a tensor is the depth of its brackets
=================================================

A number has none, a list of numbers has one pair, a video has four. Each
pair of brackets is an axis, and each axis has a size.
"""

# curriculum: C4.1, C4.3
import matplotlib.pyplot as plt
import torch
from matplotlib.cbook import get_sample_data

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# Count the opening brackets: that is the rank, ``ndim``.

scalar = torch.tensor(3.0, device=device)
vector = torch.tensor([1.0, 4.0, 2.0, 3.0], device=device)
matrix = torch.tensor([[1, 2, 3], [4, 5, 6]], device=device)
for t in (scalar, vector, matrix):
    opening = len(str(t.tolist())) - len(str(t.tolist()).lstrip("["))
    print(f"{t.tolist()} opens {opening}, ndim {t.ndim}")

# %%
# A colour picture has rank 3. Torch wants its axes in the order colour,
# row, column; the file has row, column, colour. ``permute`` reorders them.

with get_sample_data("grace_hopper.jpg") as file:
    pixels = torch.from_numpy(plt.imread(file, format="jpg").copy())
image = pixels.permute(2, 0, 1).to(device)
print(f"file {tuple(pixels.shape)}, torch {tuple(image.shape)}")

# %%
# A video has rank 4: a stack of pictures. This one pans over the picture.

frames = [image[:, 60:310, left : left + 250] for left in (0, 80, 160, 240)]
video = torch.stack(frames)
ag.describe(video)

# %%
# All five, drawn.

fig, axes = plt.subplots(2, 3, figsize=(6.4, 4.8), layout="constrained")
axes[0, 0].text(0.5, 0.5, f"{scalar:g}", size=28, ha="center", va="center")
axes[0, 0].set_axis_off()
axes[0, 1].plot(vector.cpu(), "o-")
axes[0, 2].imshow(matrix.cpu().numpy())
axes[1, 0].imshow(image.permute(1, 2, 0).cpu().numpy())
for ax, frame in zip(axes[1, 1:], video[[0, -1]], strict=True):
    ax.imshow(frame.permute(1, 2, 0).cpu().numpy())
drawn = [scalar, vector, matrix, image, video, video]
words = ["", "", "", "", ", first", ", last"]
for ax, t, word in zip(axes.flat, drawn, words, strict=True):
    ax.set_title(f"rank {t.ndim}{word}\n{tuple(t.shape)}", size=10)
    ax.set_xticks([])
    ax.set_yticks([])
fig.set_label(
    f"A number, a line through {len(vector)} points, a coloured grid of "
    f"{matrix.shape[0]} by {matrix.shape[1]} cells, a portrait, and the "
    f"first and the last of {len(video)} frames that pan over it."
)

# %%
# The order of the axes is a convention, and conventions differ. Matplotlib
# wants the colour last, and refuses a picture in torch's order:

_, ax = plt.subplots()
try:
    ax.imshow(image.cpu().numpy())
except TypeError as error:
    refusal = str(error)
    print(refusal)
plt.close()

# %%
# It saw 3 rows of 600 pixels with 512 colours each. Nothing is wrong with
# the numbers, only with what each axis was taken for. The fix is the
# ``permute`` above, and it costs nothing: it is a view, with other strides.

facts = ag.describe(image.permute(1, 2, 0))
print(facts)

# %%
# A tensor carries more facts than its shape; these are its attributes.

print(f"data type {matrix.dtype}, on a {matrix.device.type}")
print(f"ndim {matrix.ndim} = dim() {matrix.dim()}")
print(f"shape {tuple(matrix.shape)} = size() {tuple(matrix.size())}")
print(f"requires_grad {matrix.requires_grad}, grad {matrix.grad}")

# %%
# The claim: one rank for each depth of brackets, from 0 to 4.

ranks = [ag.describe(t).rank for t in drawn[:5]]
assert ranks == [0, 1, 2, 3, 4]
for t in drawn[:5]:
    nested = t.tolist()
    for _ in range(t.ndim):
        nested = nested[0]
    assert not isinstance(nested, list)
assert str(tuple(image.shape)) in refusal
plt.show()
