"""
The gradient points where the function grows fastest
====================================================

The gradient is the vector of the partial derivatives. Its direction is
where the function grows, its length is how fast. Here a whole circle of
directions is tried.
"""

# curriculum: C2.1, C2.5
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.derivatives import grad, jvp

device = ag.preferred_device()

# %%
# A smooth hill and a valley, and the gradient at one point.


def height(point):
    x, y = point
    return x * torch.exp(-(x**2) - y**2)


here = torch.tensor([0.2, -0.6], dtype=torch.float64, device=device)
gradient = grad(height)(here)
length = gradient.norm()
print(f"partial derivatives {gradient[0]:.4f} and {gradient[1]:.4f}")
print(f"length {length:.4f}")

# %%
# Walk from there in every direction of the compass and note how fast the
# height changes at the first step. This rate is the derivative *along* a
# direction, one Jacobian–vector product.

angles = torch.linspace(-180, 180, 721, dtype=torch.float64, device=device)
directions = torch.stack(
    [angles.deg2rad().cos(), angles.deg2rad().sin()], -1
)


def rate(direction):
    return jvp(height, (here,), (direction,))[1]


rates = torch.vmap(rate)(directions)

# %%
# One direction is the fastest. It is the gradient's, and its rate is the
# gradient's length. Straight across, along the level line, nothing changes;
# the opposite way falls as fast as the first one climbs.

fastest = angles[rates.argmax()]
uphill = torch.atan2(gradient[1], gradient[0]).rad2deg()

fig, (left, right) = plt.subplots(
    1, 2, figsize=(7.2, 3.4), layout="constrained"
)
ticks = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64, device=device)
points = torch.cartesian_prod(ticks, ticks)
slopes = torch.vmap(grad(height))(points)
side = torch.linspace(-2, 2, 101)
grid = torch.meshgrid(side, side, indexing="xy")
left.contour(*grid, height(grid), levels=12, colors="C0")
left.quiver(
    *points.T.cpu(), *slopes.T.cpu(), color="C1", angles="xy", width=0.008
)
left.plot(*here.cpu(), "o", color="C2")
left.set(xlabel="x", ylabel="y", aspect="equal")
right.plot(angles.cpu(), rates.cpu())
right.axvline(float(uphill), color="C1", label="gradient's direction")
right.axhline(float(length), color="C2", linestyle="--", label="its length")
right.set(
    xlabel="direction (degrees)",
    ylabel="rate of change",
    xticks=range(-180, 181, 90),
    ylim=(-1.1 * float(length), 1.7 * float(length)),
)
right.legend(fontsize=9, loc="upper right")
fig.set_label(
    "Left, level lines of a hill and a valley with gradient arrows, all of "
    "them across the level lines and towards the hill. Right, the rate of "
    "change in every direction from one point: a wave whose top, "
    f"{rates.max():.3f}, is reached at {fastest:.1f} degrees, where the "
    "gradient points."
)

# %%
# So a climber follows the gradient. Training goes the other way: it wants
# the loss *smaller*, and subtracts the gradient. A picture of someone
# climbing to the top shows ascent; the sign makes the difference.

step = 0.1
up = height(here + step * gradient)
down = height(here - step * gradient)
print(f"here {height(here):.4f}, up {up:.4f}, down {down:.4f}")

spacing = 0.5
assert (fastest - uphill).abs() <= spacing
assert torch.isclose(rates.max(), length, rtol=1e-4)
assert torch.isclose(rates.min(), -length, rtol=1e-4)
assert down < height(here) < up
plt.show()
