"""
Why two random directions suffice, however many elements
========================================================

A gradient with *n* elements has *n* slopes, and the check measures two.
Why can a wrong gradient not slip through? Because signs *and lengths* of
the two directions are random.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag

device = ag.preferred_device()
generator = torch.Generator(device).manual_seed(0)


def directions(*shape):
    u = torch.rand(
        *shape, generator=generator, dtype=torch.float64, device=device
    )
    u = 2 * u - 1
    return u + 0.5 * u.sign()


# %%
# Let *e* be the error of the gradient: yours minus the right one. Along a
# direction *u* the two slopes differ by :math:`e \cdot u`. Each element of
# *u* has a random sign and a random size between ½ and 3/2. One wrong
# element is always seen, with at least half of its size.

n = 1000
single = torch.zeros(n, dtype=torch.float64, device=device)
single[417] = 0.1
print((directions(5, n) @ single).cpu())

# %%
# **Signs alone are not enough.** Two equal errors cancel in half of all
# directions whose elements are +1 and −1. With random lengths they do not.

pair = single.clone()
pair[803] = 0.1
print((directions(5, n).sign() @ pair).cpu())
print((directions(5, n) @ pair).cpu())

# %%
# **The bound.** A probe misses an error if :math:`|e \cdot u|` is below its
# error bar *b*. Let *E* be the largest of the :math:`|e_i|`. Draw all other
# elements of *u* first. Then :math:`e \cdot u = s + e_i u_i` with a number
# *s* that is fixed, and :math:`u_i` must fall into an interval of width
# :math:`2b/E`. Its probability density is nowhere above ½. So
#
# .. math:: P(\text{one direction misses}) \le t = b / E, \qquad
#     P(K \text{ directions miss}) \le t^K ,
#
# for every error and every *n*. Measure it, for errors of three forms.

trials, most = 1_000_000, 3
ratios = torch.logspace(-2.5, -0.5, 9, dtype=torch.float64)
ERRORS = {
    "two equal": [1.0, 1.0],
    "three different": [1.0, 0.6, 0.3],
    "ten random": torch.randn(
        10, generator=torch.Generator().manual_seed(0)
    ).tolist(),
}


def missed(apart):
    """Return the share of trials that all see less than each ratio."""
    largest = apart.abs().amax(dim=1)
    return torch.stack([(largest <= t).double().mean() for t in ratios])


shares, of_signs = {}, {}
for name, error in ERRORS.items():
    error = torch.tensor(error, dtype=torch.float64, device=device)
    error /= error.abs().max()
    u = directions(trials, most, len(error))
    for K in range(1, most + 1):
        shares[name, K] = missed(u[:, :K] @ error).cpu()
    of_signs[name] = missed(u[:, :2].sign() @ error).cpu()

fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for K in range(1, most + 1):
    ax.loglog(ratios, ratios**K, "--", color=f"C{K - 1}", linewidth=1)
    for name, mark in zip(ERRORS, "o^s", strict=True):
        share = shares[name, K]
        ax.plot(
            ratios,
            share.where(share > 0, torch.nan),
            mark,
            color=f"C{K - 1}",
            markersize=5,
            label=f"K = {K}" if name == "two equal" else None,
        )
ax.plot(ratios, of_signs["two equal"], "C3:", label="two, signs only")
ax.set(
    xlabel="t: error bar over largest wrong element",
    ylabel="share of wrong gradients missed",
    ylim=(1e-7, 2),
)
ax.legend()
small = ratios[2].item()
two = shares["two equal", 2][2].item()
fig.set_label(
    "The share of wrong gradients that K directions miss, over the ratio t "
    "of the error bar to the largest wrong element, with the bounds t to "
    f"the power K. At t = {small:.3f} two directions miss {two:.0e} of the "
    "pairs of equal errors; two directions of signs only miss "
    f"{of_signs['two equal'][2]:.2f} of them, whatever t is."
)

# %%
# Two equal errors lie on the bound where *t* is small: no better bound
# holds for every error. Other errors lie on it or below. Two directions
# of signs only miss a quarter of the pairs, however small the error bar
# is: no accuracy helps against that.
#
# **In numbers.** Check a right gradient, and see how long the error bars of
# the two probes are. Their ratio to an error of a millionth of a slope is
# the *t* of the bound:


def fn(x):
    return (x.square() * x.sin()).sum()


def by_hand(x):
    return 2 * x * x.sin() + x.square() * x.cos()


x = torch.ones(n, dtype=torch.float64, device=device)
bars = ag.check_gradient(fn, x).comparison.bar
t = bars / (1e-6 * by_hand(x).max().item())
chance = t.prod().item()
print(f"error bars {bars.tolist()}")
print(f"t {t.tolist()}, both miss at most {chance:.0e}")

# %%
# And one direction alone finds the pair for all of 40 seeds.


def check(**settings):
    return ag.check_gradient(
        fn, x, gradient=lambda x: by_hand(x) + pair, **settings
    )


found = [not check(probes=1, seed=seed) for seed in range(40)]
print(f"one direction finds the pair for {sum(found)} of 40 seeds")
print("two directions, the default:", check().verdict)

# %%
# **A Jacobian** has a second side. Its error *E* is seen through
# :math:`v^T E u`, with random cotangents *v* of random signs and lengths.
# All pairs miss it if every :math:`E u` is small, or if some is not and
# every *v* misses that one. With two of each, and *t* now the error bar
# over the largest element of *E*, that happens in at most :math:`2t` of
# all cases. Here every element of *E* is 1:

block = torch.ones(2, 2, dtype=torch.float64, device=device)
u, v = directions(trials, 2, 2), directions(trials, 2, 2)
of_block = missed((v @ block @ u).flatten(1)).cpu()
for t, share in zip(ratios[::4], of_block[::4], strict=True):
    print(f"t = {t:.4f}: missed {share:.6f}, bound {2 * t:.4f}")

# %%
# **Where it breaks.** The bound needs an error above the error bar: *t*
# below 1. The last of these thousand slopes is ten million times smaller
# than the others, and its gradient is twice too large. The difference is
# lost in the rounding of the sum, for any method. Return the terms
# instead of their sum, and each output has an error bar of its own.

scale = torch.ones(n, dtype=torch.float64, device=device)
scale[-1] = 1e-7
x = torch.linspace(0.2, 1.2, n, dtype=torch.float64, device=device)


class LastTwice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return scale * x.sin()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        slopes = scale * x.cos()
        slopes[-1] *= 2
        return g * slopes


summed = ag.check_gradient(lambda x: LastTwice.apply(x).sum(), x)
terms = ag.check_gradient(LastTwice.apply, x)
print("the sum:", summed.verdict)
terms

# %%
# Both directions are drawn from ``seed``, so a verdict can be reproduced.
# ``full=True`` measures every element, and leaves nothing to chance.
# Rounding remains.

for (_, K), share in shares.items():
    noise = 5 * (ratios**K / trials).sqrt() + 5 / trials
    assert (share <= ratios**K + noise).all()
on_the_bound = shares["two equal", 1] / ratios
assert on_the_bound.min() > 0.8
assert (of_signs["two equal"] - 0.25).abs().max() < 0.01
assert (directions(1000, n) @ single).abs().min() >= 0.05
assert chance < 1e-6
assert all(found)
assert not check()
assert (of_block <= 2 * ratios).all()
assert summed
assert terms.verdict == "fail"
assert terms.worst.index == (n - 1,)
plt.show()
