"""
Which rule is best? Each at its own learning rate, from many starts
===================================================================

Compare rules at one learning rate, and this choice picks the winner. A
fair comparison gives each rule the same budget, its own best learning rate
and many starts, and judges by where it ends, not by the beauty of its path.
"""

# curriculum: C2.9, C2.10
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.descent import Adam, GradientDescent, Momentum, RMSprop

device = ag.preferred_device()
beale = ag.objectives.CATALOGUE["beale"]
RULES = (GradientDescent, Momentum, RMSprop, Adam)
BUDGET, STARTS = 300, 60

# %%
# Sixty random starts, half to choose the learning rate and half to judge.
# All learning rates and all starts of a rule run in one call: a learning
# rate may be a tensor with one entry per start.

torch.manual_seed(0)
low, high = torch.tensor(beale.domain, dtype=torch.float64).T
starts = low + (high - low) * torch.rand(STARTS, 2, dtype=torch.float64)
rates = torch.logspace(-6, 1, 22, dtype=torch.float64)


def sweep(rule):
    """Return the final values, shape (rates, starts); inf if diverged."""
    lr = rates.repeat_interleave(STARTS).to(device)
    every = starts.repeat(len(rates), 1).to(device)
    run = ag.minimize(beale, every, rule(lr), steps=BUDGET, batched=True)
    ends = run.values[-1].nan_to_num(torch.inf, torch.inf, torch.inf)
    return ends.view(len(rates), STARTS).cpu()


ends = {rule.__name__: sweep(rule) for rule in RULES}
chosen_on, judged_on = slice(0, STARTS // 2), slice(STARTS // 2, None)

# %%
# **Unfair:** one rate for all. Two people, two rates, two winners.

for lr in (1e-4, 1e-1):
    row = (rates - lr).abs().argmin()
    medians = {name: e[row].median().item() for name, e in ends.items()}
    winner = min(medians, key=medians.get)
    print(f"lr {lr:.0e}: {winner} wins, median {medians[winner]:.2g}")

# %%
# **Fair:** a curve for each rule. Its lowest point is the rule at its best.
# Where a curve ends, more than half of the starts have diverged.

fig, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
best = {}
for (name, values), marker in zip(ends.items(), "os^D", strict=True):
    medians = values[:, chosen_on].median(dim=1).values
    best[name] = int(medians.argmin())
    medians[medians > 1e6] = torch.nan
    ax.plot(rates, medians, f"{marker}-", ms=4, label=name)
ax.set(
    xlabel="learning rate",
    ylabel=f"median value after {BUDGET} steps",
    xscale="log",
    yscale="log",
)
ax.legend(loc="lower left")
tuned = ", ".join(f"{n} {rates[i].item():.1g}" for n, i in best.items())
fig.set_label(
    f"Median final value on Beale's function over {STARTS // 2} starts "
    "against the learning rate, one curve for each of four rules. Each has "
    f"its own best rate: {tuned}."
)

# %%
# Now judge, on the starts that did not choose. The median and the worst
# tenth, because a rule may be good on most starts and lost on some: inf
# means that at its best rate a tenth of its descents still diverge.

print(f"{'rule':16} best lr   median   worst tenth")
verdict = {}
for name, row in best.items():
    fresh = ends[name][row, judged_on]
    verdict[name] = fresh.median().item()
    worst = fresh.sort().values[int(0.9 * len(fresh))].item()
    print(f"{name:16} {rates[row]:7.0e} {verdict[name]:8.1e} {worst:9.1e}")

# %%
# **How wide is good?** A rule that needs its rate to the digit is hard to
# use. Count the rates that come within ten times of the rule's own best.

for name, row in best.items():
    medians = ends[name].median(dim=1).values
    close = int((medians < 10 * medians[row]).sum())
    print(f"{name:16} {close} of {len(rates)} rates are good")

# %%
# **What this does not prove.** One function, one budget. On a network the
# order may be another; the way to compare stays the same.

winner = min(verdict, key=verdict.get)
at_common = {}
for lr in (1e-4, 1e-1):
    row = (rates - lr).abs().argmin()
    at_common[lr] = min(ends, key=lambda name: ends[name][row].median())
assert at_common[1e-4] != at_common[1e-1]
assert rates[best["Adam"]] > 10 * rates[best["GradientDescent"]]
assert verdict[winner] < verdict["GradientDescent"] / 3
plt.show()
