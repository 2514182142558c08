r"""
Mini-batches shake the descent; a falling learning rate calms it
================================================================

A gradient from a few samples is right on average and wrong each time. With
a constant learning rate the descent never settles. It hovers, the higher
the larger the learning rate. Lower the learning rate, and it comes to rest.
"""

# curriculum: C2.9
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.descent import GradientDescent
from autodiff_guide.objectives import linear_regression

device = ag.preferred_device()

# %%
# A thousand noisy samples of y = 2x + 3. The loss over all of them has one
# minimum, which linear algebra knows.

torch.manual_seed(0)
x = torch.randn(1000, 1, dtype=torch.float64)
y = 2 * x[:, 0] + 3 + torch.randn(1000, dtype=torch.float64)
x, y = x.to(device), y.to(device)
loss = linear_regression(x, y)
lowest = loss.minimum

# %%
# The derivative of a batch's mean squared error, by hand:
# :math:`\tfrac2m \sum_i r_i x_i` for the weight and :math:`\tfrac2m \sum_i
# r_i` for the bias. Each call draws another batch; ``minimize`` steps by
# it, and records the loss over *all* samples.


def batch_gradient(size):
    generator = torch.Generator().manual_seed(0)

    def gradient(points):
        shape = (len(points), size)
        drawn = torch.randint(1000, shape, generator=generator).to(device)
        inputs, targets = x[drawn, 0], y[drawn]
        w, b = points[..., :1], points[..., 1:]
        residual = w * inputs + b - targets
        slopes = [residual * inputs, residual]
        return torch.stack([2 * s.mean(-1) for s in slopes], dim=-1)

    return gradient


def descend(lr, size=10, steps=2000):
    """Return how far above the lowest loss 20 descents are, on average."""
    starts = torch.zeros(20, 2, dtype=torch.float64, device=device)
    run = ag.minimize(
        loss,
        starts,
        GradientDescent(lr),
        gradient=batch_gradient(size),
        steps=steps,
        batched=True,
    )
    return run.values.mean(dim=1).cpu() - lowest


# %%
# Two constant rates, and one that falls as :math:`1/t` once it has walked
# in.


def falling(step):
    return 0.1 / (1 + step / 20)


hasty, patient, decayed = descend(0.1), descend(0.01), descend(falling)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(hasty, lw=1, label="0.1")
ax.plot(patient, lw=1, label="0.01")
ax.plot(decayed, label="0.1, falling as 1/t")
ax.set(xlabel="step", ylabel="loss above its minimum", yscale="log")
ax.legend(title="learning rate", ncols=3, loc="upper right")
ends = [h[-500:].mean().item() for h in (hasty, patient, decayed)]
fig.set_label(
    "Mean loss above its minimum against step for 20 descents. At rate 0.1 "
    f"it hovers about {ends[0]:.0e}, at 0.01 about {ends[1]:.0e}; with a "
    f"falling rate it is at {ends[2]:.0e} and still sinking."
)

# %%
# **Why it hovers.** Each step carries a random error of the size of the
# learning rate. Pull and noise balance at a height proportional to the
# learning rate, and to one over the batch size.

print("rate   batch  hovers at  height x batch / rate")
ratios = []
for lr, size in ((0.02, 10), (0.04, 10), (0.08, 10), (0.04, 40)):
    height = descend(lr, size, steps=1000)[500:].mean().item()
    ratios.append(height * size / lr)
    print(f"{lr:4}  {size:5}     {height:.1e}  {ratios[-1]:.2f}")

# %%
# **Where it breaks.** A rate that falls too fast freezes the descent on its
# way: the sum of all its steps is too short for the distance.


def rushed(step):
    return 0.1 * 0.8**step


frozen = descend(rushed)
reach = sum(rushed(step) for step in range(2000))
print(f"rates sum to {reach:.1f}; still {frozen[-1]:.2f} above the minimum")
print(f"falling as 1/t: {sum(falling(s) for s in range(2000)):.1f}")

# %%
# The sum must grow without end, for the distance; the sum of squares must
# not, for the noise (Robbins and Monro, 1951). :math:`1/t` does both.

assert ends[0] > 5 * ends[1] > 5 * ends[2]
assert max(ratios) < 1.3 * min(ratios)
assert frozen[-1] > 10 * hasty[-500:].mean()
plt.show()
