"""
A module: which parameters have the wrong gradient
==================================================

``check_module`` reports each parameter by its name. A layer with a wrong
backward spoils what comes before it, so the names point at the layer.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch
from torch import nn

import autodiff_guide as ag

torch.manual_seed(0)
device = ag.preferred_device()

# %%
# A classifier of the kind one trains. The check works on a copy, computed
# in float64; your module keeps its precision, its gradients and its mode.

x = torch.randn(6, 10, device=device)
target = torch.tensor([0, 2, 1, 1, 0, 2], device=device)
loss = nn.functional.cross_entropy
model = nn.Sequential(
    nn.Linear(10, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 3)
).to(device)
report = ag.check_module(model, loss, (x, target))
report

# %%
# Now with a layer of our own. Its forward divides by the root mean square
# of each row. Its backward treats that as a constant, as one easily does.


class RootMeanSquare(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x / x.square().mean(-1, keepdim=True).sqrt()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / x.square().mean(-1, keepdim=True).sqrt()


class RMSNorm(nn.Module):
    def forward(self, x):
        return RootMeanSquare.apply(x)


def network(norm):
    torch.manual_seed(0)
    layers = {
        "first": nn.Linear(10, 16),
        "norm": norm,
        "bend": nn.Tanh(),
        "second": nn.Linear(16, 3),
    }
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model.to(device)


model = network(RMSNorm())
wrong = ag.check_module(model, loss, (x, target))
print(wrong.verdict, [row.name for row in wrong.inputs if row.error > 1e-6])

# %%
# Gradients flow backwards. The parameters *behind* the fault, near the
# loss, are right; those *before* it are wrong. The fault is in between.

names = [row.name for row in wrong.inputs]
errors = [max(row.error, 1e-16) for row in wrong.inputs]
fig, ax = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
colours = ["C1" if error > 1e-6 else "C0" for error in errors]
ax.barh(names, errors, color=colours, left=1e-12)
ax.set_xscale("log")
ax.invert_yaxis()
ax.set(xlabel="relative error of the gradient", ylabel="parameter")
fig.set_label(
    "Relative error of each parameter's gradient: "
    + ", ".join(f"{n} {e:.0e}" for n, e in zip(names, errors, strict=True))
    + "."
)

# %%
# Then check the suspect alone, by its input. The diagnosis names the
# mistake: cross terms are missing.

alone = ag.check_module(RMSNorm(), data=x[:1, :5], wrt="inputs")
alone

# %%
# **Where it breaks.** In training mode dropout draws another mask each
# time. There is no function, so there is no derivative. The layer is named.

noisy = ag.check_module(network(nn.Dropout(0.5)), loss, (x, target))
quiet = ag.check_module(network(nn.Dropout(0.5)).eval(), loss, (x, target))
print("after eval():", quiet.verdict)
noisy

# %%
# Batch-norm in training mode is a function, of the whole batch. It is
# checked as it is, with a remark.

batch = ag.check_module(network(nn.BatchNorm1d(16)), loss, (x, target))
batch

# %%
# Whatever was found, your module is as it was.

assert report
assert not wrong
assert [e > 1e-6 for e in errors] == [True, True, False, False]
assert alone.kind == "diagonal"
assert noisy.kind == "nondeterministic"
assert "norm" in noisy.sentence
assert quiet
assert batch
assert model.first.weight.dtype == torch.float32
assert all(p.grad is None for p in model.parameters())
plt.show()
