r"""
The start decides which minimum is reached
==========================================

Himmelblau's function has four minima, all equally low. Ten thousand
descents in one call show which start belongs to which. Then the learning
rate is doubled, and two of the minima disappear from the map.
"""

# curriculum: C2.7, C2.8
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.descent import GradientDescent, Status

device = ag.preferred_device()
himmelblau = ag.objectives.CATALOGUE["himmelblau"]
minimizers = torch.tensor(himmelblau.minimizers, device=device)

# %%
# A grid of 100 × 100 starts is one tensor of shape (10000, 2). The function
# takes it as it is, so one step moves all of them.

side = torch.linspace(-5, 5, 100, device=device)
starts = torch.cartesian_prod(side, side)


def descend(lr):
    return ag.minimize(
        himmelblau,
        starts,
        GradientDescent(lr),
        steps=200,
        gradient_below=1e-3,
        batched=True,
    )


calm = descend(0.01)
calm


# %%
# Each start has the colour of the minimum it reached.


def draw(result):
    fig, ax = plt.subplots(figsize=(6.0, 5.6), layout="constrained")
    distance, nearest = torch.cdist(result.points[-1], minimizers).min(1)
    reached = nearest.where(distance < 0.1, -1)
    names = [f"({x:.3g}, {y:.3g})" for x, y in minimizers.tolist()]
    plotting.basins(result, reached=reached, names=names, ax=ax)
    ax.plot(*minimizers.T.cpu(), "o", color="white")
    ax.set_aspect("equal")
    return fig, [text.get_text() for text in ax.get_legend().get_texts()]


fig, counts = draw(calm)
fig.set_label(
    "The square of starts from -5 to 5, in four colours: regions of starts "
    f"that reach the same minimum. {'; '.join(counts)}."
)

# %%
# The regions are *basins of attraction*. Inside one, the exact start does
# not matter; at its edge, a hair decides. A network's loss is no different:
# a seed is a start, and another seed may be another minimum.
#
# **Where it breaks.** Double the learning rate.

hasty = descend(0.02)
fig, counts = draw(hasty)
fig.set_label(
    "The same square with learning rate 0.02. Only two minima are reached, "
    f"from scattered regions: {'; '.join(counts)}."
)

# %%
# **Why.** A minimum with curvature *L* holds a descent only if the learning
# rate is below :math:`2 / L`. The four are equally low, and not equally
# steep.

curvature = ag.descent.classify(himmelblau, minimizers).eigenvalues[:, 1]
limit = 2 / curvature
for point, most in zip(minimizers.tolist(), limit.tolist(), strict=True):
    verdict = "holds" if most > 0.02 else "throws it out"
    print(f"({point[0]:5.2f}, {point[1]:5.2f}): {most:.4f}, {verdict}")

# %%
# So the learning rate, too, chooses the minimum: with a large one a descent
# can only end in a flat minimum.

reached = torch.cdist(hasty.points[-1], minimizers) < 0.1
assert calm.stopped_by(Status.GRADIENT_BELOW).all()
assert (torch.cdist(calm.points[-1], minimizers) < 0.1).any(1).all()
done = hasty.stopped_by(Status.GRADIENT_BELOW)
assert reached[done].any(0).equal(limit > 0.02)
assert done.double().mean() < 0.6
plt.show()
