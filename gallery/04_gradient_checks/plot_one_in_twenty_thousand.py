"""
One wrong element of 20,801, found and named
============================================

A random direction moves every parameter at once. One that has a wrong
gradient spoils the sum, and halving the set of suspects finds it.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

import autodiff_guide as ag

torch.manual_seed(0)
device = ag.preferred_device()

# %%
# A model whose first layer has a fault: the backward returns one element
# of 20,480 ten per cent too large.


class OneWrong(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(weight):
        return weight.view_as(weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        factor = torch.ones_like(g)
        factor[77, 31] = 1.1
        return g * factor


class FaultyLinear(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(
            x, OneWrong.apply(self.weight), self.bias
        )


model = nn.Sequential(FaultyLinear(128, 160), nn.Tanh(), nn.Linear(160, 1))
model = model.to(device)
x = torch.randn(4, 128, device=device)
y = torch.randn(4, 1, device=device)
count = sum(p.numel() for p in model.parameters())
report = ag.check_module(model, nn.functional.mse_loss, (x, y))
print(f"{count} parameters")
report

# %%
# Torch's fast mode projects the gradient on one random vector, too. But
# there the element is one among 20,801, and a guessed tolerance hides it.
# Its slow mode evaluates the loss twice for each of the 20,801.

twin = model.double()
names, parameters = zip(*twin.named_parameters(), strict=True)


def loss_of(*values):
    given = dict(zip(names, values, strict=True))
    output = functional_call(twin, given, x.double())
    return nn.functional.mse_loss(output, y.double())


fast = gradcheck(loss_of, parameters, fast_mode=True)
print("torch, fast mode:", fast)

# %%
# **How it is found.** The screen of two directions says only *something is
# wrong*. Then a sample of single elements is measured. The wrong one is
# not among them, so the suspects are halved: move one half of the elements
# at random; if that half agrees, the fault is in the other.
#
# The picture shows the first weight matrix. Only coloured elements were
# measured one by one.

off = report.comparison.where["0.weight"]
rows, columns = (~off.isnan()).nonzero().T
row, column = report.worst.index

fig, ax = plt.subplots(figsize=(6.4, 5.0), layout="constrained")
ax.plot(columns, rows, ".", label="measured, right")
ax.plot(column, row, "s", markersize=9, label=f"wrong: [{row}, {column}]")
ax.invert_yaxis()
ax.set(xlabel="input of the layer", ylabel="output of the layer")
fig.legend(loc="outside upper center", ncols=2)
measured = len(rows)
fig.set_label(
    f"The weight matrix of {off.shape[0]} by {off.shape[1]} elements. "
    f"{measured} were measured singly, and the one at row {row}, column "
    f"{column} is marked as wrong."
)

# %%
# Each halving looks at one of the halves: log₂ of 20,801 is below 15.
# Compare the number of evaluations with two for each element.

print(f"{report.evaluations} evaluations; one by one: {2 * count}")
print(f"yours {report.worst.yours:.6e}, numeric {report.worst.numeric:.6e}")

assert count == 20_801
assert fast
assert report.kind == "localized"
assert report.worst.input == "0.weight"
assert report.worst.index == (77, 31)
ratio = report.worst.yours / report.worst.numeric
assert abs(ratio - 1.1) < 1e-6
assert measured < off.numel() / 10
assert report.evaluations < count
plt.show()
