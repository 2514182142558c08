"""
NumPy and torch share their names, not all their meanings
=========================================================

Most functions agree, entry by entry. ``var`` does not: NumPy divides by
*n*, torch by *n* − 1, and in small samples that decides who is right.
"""

# curriculum: C4.6, C4.11
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch

import autodiff_guide as ag

device = ag.preferred_device()

# %%
# The same data twice, and each operation in both libraries.

a, b = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
s, t = torch.from_numpy(a).to(device), torch.from_numpy(b).to(device)
rows = {
    "a + b": (a + b, s + t),
    "a * b": (a * b, s * t),
    "a / b": (a / b, s / t),
    "square": (np.square(a), s.square()),
    "mean": (a.mean(), s.mean()),
    "min": (a.min(), s.min()),
    "argmin": (a.argmin(), s.argmin()),
    "a @ b": (a @ b, s @ t),
    "outer": (np.outer(a, b), torch.outer(s, t)),
    "concatenate / cat": (np.concatenate([a, b]), torch.cat([s, t])),
    "stack": (np.stack([a, b]), torch.stack([s, t])),
    "var": (a.var(), s.var()),
    "std": (a.std(), s.std()),
}
agree = {
    name: bool(np.allclose(by_numpy, by_torch.cpu()))
    for name, (by_numpy, by_torch) in rows.items()
}
for name, same in agree.items():
    print(f"{name:18} {'same' if same else 'DIFFERENT'}")

# %%
# The two that differ, in numbers:

print(f"var: NumPy {a.var():.4f}, torch {s.var():.4f}")
print(f"std: NumPy {a.std():.4f}, torch {s.std():.4f}")

# %%
# Which is right? Draw many samples of *n* numbers whose variance is 1, and
# average each estimate over all of them.

random = np.random.default_rng(0)
lengths = np.arange(2, 21)
by_numpy, by_torch = [], []
for n in lengths:
    samples = random.standard_normal((20_000, n))
    by_numpy.append(samples.var(axis=1).mean())
    same = torch.from_numpy(samples).to(device)
    by_torch.append(float(same.var(dim=1).mean()))

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(lengths, by_torch, "o", label="torch.var, averaged")
ax.plot(lengths, by_numpy, "s", label="np.var, averaged")
theory = (lengths - 1) / lengths
ax.plot(lengths, theory, "--C1", label="theory: (n − 1) / n")
ax.axhline(1, linestyle="--", color="C0", label="true variance: 1")
ax.set_xlabel("numbers in a sample, n")
ax.set_ylabel("mean estimate of the variance")
ax.set_xticks(range(2, 21, 2))
ax.legend()
fig.set_label(
    "Torch's estimate lies on 1 for every sample size. NumPy's starts at "
    f"{by_numpy[0]:.2f} for samples of 2 and reaches {by_numpy[-1]:.2f} "
    f"for samples of {lengths[-1]}, on the curve (n − 1) / n."
)

# %%
# A sample lies nearer to its own mean than to the true one, so the squares
# come out too small, by the factor *(n − 1) / n*. Dividing by *n* − 1 mends
# that. Both libraries can do either:

for k in (0, 1):
    ours, theirs = a.var(ddof=k), s.var(correction=k)
    print(f"np.var(ddof={k}) {ours:.4f}, var(correction={k}) {theirs:.4f}")

# %%
# **Where it breaks.** For a single number there is nothing to divide by.
# NumPy says 0; torch says NaN, with a warning, and NaN spreads.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    single = s[:1].var()
print(f"NumPy {a[:1].var()}, torch {single:.1f}")
print(str(caught[0].message).split(". ")[0])

# %%
# One more difference: from Python numbers torch makes float32, with about 7
# digits, where NumPy makes float64, with about 16.

print(np.ones(3).dtype, torch.ones(3).dtype)
print(np.array([1.0]).dtype, torch.tensor([1.0]).dtype)

# %%
# The claims.

assert [name for name, same in agree.items() if not same] == ["var", "std"]
assert s.var() == 1.0
assert np.allclose(by_torch, 1, atol=0.03)
assert np.allclose(by_numpy, theory, atol=0.03)
assert single.isnan()
plt.show()
