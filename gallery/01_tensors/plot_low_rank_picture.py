"""
A few singular values keep most of a picture
============================================

The singular value decomposition sorts a matrix into layers, the strongest
first. Keep the first few, and the picture remains; swap *V* for its
transpose, and it is destroyed without a word.
"""

# curriculum: C4.10
import warnings

import matplotlib.pyplot as plt
import torch
from matplotlib.cbook import get_sample_data

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# A small matrix first. Multiplied together, the three factors give it back.

A = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], device=device)
U, S, Vh = torch.linalg.svd(A, full_matrices=False)
print(f"singular values {S[0]:.4f}, {S[1]:.4f}\n{(U * S @ Vh).cpu()}")

# %%
# A portrait is a matrix too: the mean of its three colours, row by row.

with get_sample_data("grace_hopper.jpg") as file:
    pixels = torch.from_numpy(plt.imread(file, format="jpg").copy())
picture = pixels.to(device, torch.float64).mean(-1) / 255
U, S, Vh = torch.linalg.svd(picture, full_matrices=False)
kept = {k: U[:, :k] * S[:k] @ Vh[:k] for k in (5, 20, 80)}


def error(approximation):
    missed = torch.linalg.norm(picture - approximation)
    return float(missed / torch.linalg.norm(picture))


def megabytes(rank):
    """The size of the three factors."""
    factors = U[:, :rank].numel() + rank + Vh[:rank].numel()
    return factors * picture.element_size() / 1e6


# %%
# Five layers show that someone is there, twenty who it is.

fig, axes = plt.subplots(2, 2, figsize=(6.0, 7.2), layout="constrained")
panels = {f"the picture, {picture.nbytes / 1e6:.1f} MB": picture}
for rank, found in kept.items():
    title = (
        f"rank {rank}, {megabytes(rank):.2f} MB, error {error(found):.1%}"
    )
    panels[title] = found
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image.cpu().numpy(), cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, size=10)
    ax.set_axis_off()
fig.set_label(
    "A portrait, and three approximations of it: "
    + ", ".join(f"rank {r} errs {error(f):.1%}" for r, f in kept.items())
    + ". The last can hardly be told from the picture."
)

# %%
# No other matrix of the same rank comes nearer: the error is exactly what
# the dropped singular values leave behind (Eckart and Young, 1936).

left = torch.linalg.svdvals(picture).square().flip(0).cumsum(0).flip(0)
theory = (left / left[0]).sqrt()

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
errors = [error(found) for found in kept.values()]
ax.semilogy(theory.cpu(), label="theory: singular values left out")
ax.semilogy(list(kept), errors, "o", label="measured")
ax.set_xlabel("rank kept")
ax.set_ylabel("relative Frobenius error")
ax.legend()
fig.set_label(
    f"The relative error falls from 1 at rank 0 to {theory[20]:.2f} at "
    f"rank 20 and {theory[-1]:.0e} at rank {len(theory) - 1}; three "
    "measured points lie on the curve."
)

# %%
# **Where it breaks.** The older ``torch.svd`` returns *V*; the newer
# ``torch.linalg.svd`` returns *V* transposed. The old one is deprecated in
# its documentation, but does not warn. The shapes may fit all the same:

with warnings.catch_warnings():
    warnings.simplefilter("error")
    U, S, V = torch.svd(picture)
mixed_up = U * S @ V
mended = U * S @ V.mT

print(f"V has shape {tuple(V.shape)}: square, so both products exist")
print(f"error with V {error(mixed_up):.0%}, with V.mT {error(mended):.0e}")

fig, axes = plt.subplots(1, 2, figsize=(6.0, 3.8), layout="constrained")
products = {"$U S V$": mixed_up, "$U S V^T$": mended}
for ax, (title, image) in zip(axes, products.items(), strict=True):
    ax.imshow(image.cpu().numpy(), cmap="gray", vmin=0, vmax=1)
    ax.set_title(f"{title}: error {error(image):.0%}")
    ax.set_axis_off()
fig.set_label(
    f"Left, the product with V: noise, error {error(mixed_up):.0%}. Right, "
    "the product with V transposed: the portrait."
)

# %%
# A wide picture is luckier: there the mistake is refused.

U, S, V = torch.svd(picture.mT)
try:
    U * S @ V
except RuntimeError as refusal:
    print(str(refusal).replace("x", " × "))

# %%
# A small matrix may hide the mistake. For the matrix at the top *V* is 2
# by 2, and the signs of a pair of singular vectors are free. With one
# choice of signs *V* is a reflection, which is its own transpose, and the
# product with *V* is right by chance. With the other choice it is a
# rotation, and the product is wrong.

U, S, V = torch.svd(A)
off = []
for signs in (A.new_tensor([1.0, 1.0]), A.new_tensor([1.0, -1.0])):
    missed = torch.linalg.norm(A - U * signs * S @ (V * signs))
    off.append(float(missed / torch.linalg.norm(A)))
off.sort()
print(f"error with V: {off[0]:.0e} or {off[1]:.0%}, by the choice of signs")

# %%
# The claims, from the values drawn.

for rank, found in kept.items():
    assert abs(error(found) - float(theory[rank])) < 1e-9
assert megabytes(80) < picture.nbytes / 1e6 / 2
assert error(mended) < 1e-12
assert error(mixed_up) > 1
assert off[0] < 1e-5 < 0.1 < off[1]
plt.show()
