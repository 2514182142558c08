"""
Three ways to one derivative
============================

A formula can be differentiated by rules, by measuring, or by a program
that applies the rules to numbers. The three agree, each to its own
precision.
"""

# curriculum: C2.1
import matplotlib.pyplot as plt
import sympy
import torch

import autodiff_guide as ag
from autodiff_guide.derivatives import grad, numeric_derivative

device = ag.preferred_device()

# %%
# **Symbolic.** SymPy, which comes with torch, takes a formula and returns
# a formula.

x = sympy.Symbol("x")
formula = sympy.exp(-(x**2)) * sympy.sin(3 * x)
print(sympy.diff(formula, x))

# %%
# **Automatic.** Torch takes a program and returns a program. No formula
# appears: each operation knows its own rule, and the chain rule joins them.


def program(x):
    return torch.exp(-(x**2)) * torch.sin(3 * x)


xs = torch.linspace(-2, 2, 81, dtype=torch.float64, device=device)
automatic = torch.vmap(grad(program))(xs)

# %%
# **Numeric.** Nothing is known of the inside. The function is asked for
# values, near the point and further off.

found = numeric_derivative(program, xs)
numeric, bar = found.value.diagonal(), found.error.diagonal()

# %%
# All three curves lie on top of each other, so the lower picture shows how
# far they are apart.

slope = sympy.lambdify(x, sympy.diff(formula, x), torch)
symbolic = slope(xs)
apart = {
    "automatic": (automatic - symbolic).abs(),
    "numeric": (numeric - symbolic).abs(),
}

fig, (above, below) = plt.subplots(
    2, sharex=True, figsize=(6.4, 5), layout="constrained"
)
above.plot(xs.cpu(), program(xs).cpu(), label="f")
above.plot(xs.cpu(), symbolic.cpu(), label="its derivative")
above.legend()
for colour, (name, distance) in zip(
    ("C2", "C3"), apart.items(), strict=True
):
    below.semilogy(xs.cpu(), distance.cpu(), ".", color=colour, label=name)
below.semilogy(
    xs.cpu(), bar.cpu(), color="C3", linewidth=1, label="error bar"
)
below.set(xlabel="x", ylabel="distance from symbolic", ylim=(1e-18, 1e-10))
below.legend(fontsize=9, ncols=3, loc="upper center")
worst = {name: distance.max().item() for name, distance in apart.items()}
fig.set_label(
    "Above, the function and its derivative. Below, the distance of the "
    "automatic and of the numeric derivative from the symbolic one: at "
    f"most {worst['automatic']:.0e} and {worst['numeric']:.0e}. The error "
    "bar of the numeric one runs above its dots."
)

# %%
# Where does each break? Rules need a formula: a loop whose length depends
# on the data has none. To the automatic and the numeric way it is one more
# program.


def halved_until_small(x):
    while x > 1:
        x = x / 2
    return x


start = torch.tensor(7.0, dtype=torch.float64, device=device)
print(f"automatic: {grad(halved_until_small)(start):.6f}")
print(f"numeric: {numeric_derivative(halved_until_small, start).value:.6f}")

try:
    halved_until_small(x)
except TypeError as error:
    print(f"symbolic: {error}")
else:
    raise AssertionError("SymPy decided an undecidable question")

# %%
# Measuring costs two values a step and an input: for a thousand inputs,
# thousands of calls. The automatic way gets all of them from one call, and
# without truncation error. It is what the rest of this guide uses; the
# numeric way checks it.

assert worst["automatic"] < 1e-14
assert (apart["numeric"] <= bar).float().mean() > 0.98
assert grad(halved_until_small)(start) == 1 / 8
plt.show()
