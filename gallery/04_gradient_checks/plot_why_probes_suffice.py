"""
Twenty probes suffice, however many elements
============================================

A gradient with *n* elements has *n* slopes, and the check measures 20. Why
can a wrong gradient not slip through? Because the directions are random.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()
generator = torch.Generator(device).manual_seed(0)


def signs(*shape):
    flips = torch.rand(*shape, generator=generator, device=device) < 0.5
    return flips.double() * 2 - 1


# %%
# Let *e* be the error of the gradient: yours minus the right one. Along a
# direction *u* the two slopes differ by :math:`e \cdot u`. Each element of
# *u* is +1 or −1, by the toss of a coin. One wrong element is always seen.

n = 1000
single = torch.zeros(n, dtype=torch.float64, device=device)
single[417] = 0.1
print((signs(5, n) @ single).cpu())

# %%
# **The worst case** is two equal errors: half of all directions give them
# opposite signs, and they cancel.

pair = single.clone()
pair[803] = 0.1
print((signs(5, n) @ pair).cpu())

# %%
# **No error does better than the pair.** Toss the coins of all elements but
# one, which is wrong. The sum so far is some number; of the two signs that
# are left, at most one brings it to 0. So a direction misses with
# probability at most ½, and *K* directions with at most
# :math:`2^{-K}`, whatever the error and whatever *n*.
#
# Measure it: how often do all of *K* directions miss?

trials, probes = 4000, range(1, 11)
ERRORS = {
    "two equal": torch.tensor([1.0, 1.0]),
    "four equal": torch.ones(4),
    "three different": torch.tensor([1.0, 2.0, 3.0]),
    "one": torch.ones(1),
}
survival = {}
for name, error in ERRORS.items():
    error = error.to(signs(1))
    missed = (signs(trials, max(probes), len(error)) @ error).abs() < 1e-9
    upto = missed.cumprod(dim=1).double().mean(dim=0)
    survival[name] = upto.cpu()
    print(f"{name:16}", [f"{share:.3f}" for share in upto[:5].tolist()])

bound = 0.5 ** torch.tensor(probes, dtype=torch.float64)
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ax.semilogy(probes, bound, "--", label="bound, 2 to the power −K")
for (name, shares), mark in zip(survival.items(), "o^s", strict=False):
    ax.semilogy(
        probes, shares.where(shares > 0, torch.nan), mark, label=name
    )
ax.set(xlabel="directions K", ylabel="share of wrong gradients missed")
ax.legend()
two, four = survival["two equal"], survival["four equal"]
fig.set_label(
    "The share of wrong gradients that K directions miss, with the bound. "
    f"Two equal errors lie on the bound, {two[0]:.2f} for one direction; "
    f"four equal ones below, {four[0]:.2f}. A single one is never missed."
)

# %%
# Typical errors are nothing like this. Elements that are all wrong by
# different amounts never cancel exactly.

typical = torch.randn(
    n, dtype=torch.float64, generator=generator, device=device
)
seen = (signs(trials, n) @ typical).abs() / typical.norm()
print(f"smallest of {trials}: {seen.min().item():.1e} of its length")

# %%
# **A Jacobian** has a second side. Its error *E* is seen through
# :math:`v^T E u`, with *L* random cotangents *v*. To miss it, all
# directions or all cotangents must. The worst case has two equal rows:
# there the share is :math:`2^{-K} + 2^{-L} - 2^{-K-L}`.

block = torch.ones(2, 2, dtype=torch.float64, device=device)
K = L = 3
u, v = signs(trials, 2, K), signs(trials, L, 2)
missed = (v @ block @ u).abs().amax(dim=(1, 2)) < 1e-9
share = missed.double().mean().item()
exact = 2**-K + 2**-L - 2 ** -(K + L)
print(f"K = L = {K}: missed {share:.3f}, theory {exact:.3f}")

# %%
# The check takes 20 of each. On the pair, at a point where all elements
# move by the same step, one direction alone misses for half of the seeds.

print(f"20 directions, 20 cotangents: at most {2 * 0.5**20:.0e}")


def check(**settings):
    return ag.check_gradient(
        lambda x: x.square().sum(),
        torch.ones(n, dtype=torch.float64, device=device),
        gradient=lambda x: 2 * x + pair,
        **settings,
    )


one_direction = [bool(check(probes=1, seed=seed)) for seed in range(8)]
twenty = check()
print("one direction passes:", one_direction)
print("twenty:", twenty.verdict)

noise = 5 * (0.25 / trials) ** 0.5
assert survival["one"].max() == 0
assert (two - bound).abs().max() < noise
assert all((s <= bound + noise).all() for s in survival.values())
assert seen.min() > 0
assert abs(share - exact) < noise
assert True in one_direction
assert not twenty
plt.show()
