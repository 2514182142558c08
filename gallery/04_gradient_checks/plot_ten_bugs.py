"""
Ten bugs and their names
========================

*Jacobian mismatch* says that something is wrong. A wrong gradient says
more: how it differs from the numeric one is often the name of the mistake.
"""

# curriculum: C5.11
import textwrap

import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return x.to(device)


# %%
# Each bug is a function, a point, and a gradient derived by hand, and
# wrongly: ``gradient`` is what one would write for the gradient of
# ``fn(*inputs).sum()``.

C = normal(5, 5, seed=1)
x, z = normal(12), normal(12, seed=2)
A = normal(5, 5, seed=3)
steps = torch.arange(1.0, 13, dtype=torch.float64, device=device)

BUGS = {
    "a minus forgotten": (torch.cos, torch.sin, [x]),
    "the 2 of a square": (torch.square, lambda x: x, [x]),
    "mean for sum": (
        lambda x: x.square().mean(),
        lambda x: 2 * x,
        [x],
    ),
    "a .T forgotten": (
        lambda A: A @ C,
        lambda A: C.sum(1).expand(5, 5).T,
        [A],
    ),
    "index off by one": (
        lambda x: steps * x.square(),
        lambda x: (steps * 2 * x).roll(1),
        [x],
    ),
    "wrong order": (torch.mul, lambda x, z: (x, z), [x, z]),
    "mask inverted": (torch.relu, lambda x: (x < 0).to(x), [x]),
    "inner derivative": (
        lambda x: x.square().sin(),
        lambda x: x.square().cos(),
        [x],
    ),
    "a constant added": (
        lambda x: x.square(),
        lambda x: 2 * x + 0.5,
        [x],
    ),
    "one branch": (
        torch.nn.functional.elu,
        lambda x: torch.where(x > 0, 1.0, x),
        [x],
    ),
}

reports = {
    name: ag.check_gradient(fn, *inputs, gradient=gradient)
    for name, (fn, gradient, inputs) in BUGS.items()
}
kinds = [report.kind for report in reports.values()]
for name, report in reports.items():
    text = f"{report.kind} ({name}): {report.sentence}"
    print(textwrap.fill(text, 74, subsequent_indent="    "))

# %%
# **Why this works.** Plot yours against the numeric gradient, one point for
# each element. Each mistake leaves a fingerprint: a slope of −1, a slope of
# ½, a line beside the diagonal, points on the axes.

fig, axes = plt.subplots(4, 3, figsize=(6.4, 7.6), layout="constrained")
right = ag.check_gradient(torch.sin, x, full=True)
panels = {"no bug": right, **reports}
for ax, (name, report) in zip(axes.flat, panels.items(), strict=False):
    found = report.comparison
    reach = found.numeric.abs().max().item() * 1.15
    ax.plot([-reach, reach], [-reach, reach], "--", color="C2")
    ax.plot(found.numeric, found.yours, ".", markersize=8)
    ax.set_title(f"{report.kind}\n{name}", fontsize=10)
    ax.tick_params(labelsize=9)
axes[3, 2].axis("off")
fig.supxlabel("numeric gradient")
fig.supylabel("yours")
fig.set_label(
    "Eleven panels of yours against the numeric gradient, with the "
    "diagonal dashed. Without a bug the points lie on it. The ten others "
    f"are, in order: {', '.join(kinds)}."
)

# %%
# **Where it breaks.** A name is a guess from one point. Two mistakes at
# once, or a formula that is simply another one, have no fingerprint; the
# report then says how far off you are.


def two_mistakes(x):
    return (2 * x).roll(1) * x.cos()


lost = ag.check_gradient(torch.square, x, gradient=two_mistakes)
lost

# %%
# All keywords, and the sentence that defines each, are in the table of the
# guide: :doc:`/guide/checking_a_gradient`.

expected = (
    "sign factor reduction transposed shift swapped mask chain offset"
)
assert right
assert kinds == [*expected.split(), "localized"]
assert all(kind in ag.gradcheck.KINDS for kind in kinds)
assert lost.kind == "mismatch"
plt.show()
