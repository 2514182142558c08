"""
Forward mode pays per input, reverse mode per output
====================================================

Both compute the same Jacobian: forward mode a column at a time, reverse
mode a row at a time. So the number of inputs decides the price of one and
the number of outputs that of the other.
"""

# curriculum: C5.12
import statistics
import time

import matplotlib.pyplot as plt
import torch
from torch.autograd import forward_ad

import autodiff_guide as ag

device = ag.preferred_device()


def function(inputs, outputs):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(outputs, inputs, generator=generator).to(device)
    return lambda x: torch.tanh(matrix @ x / inputs)


# %%
# **Forward**: push one input a little, and see how all outputs move. That
# is a column. torch carries the slope along with the value, as a *dual
# number*.


def by_columns(fn, x):
    columns = []
    for direction in torch.eye(x.numel(), device=device):
        with forward_ad.dual_level():
            y = fn(forward_ad.make_dual(x, direction))
            columns.append(forward_ad.unpack_dual(y).tangent)
    return torch.stack(columns, dim=1)


# %%
# **Reverse**: compute all outputs once, then ask for one of them how it
# depends on all inputs. That is a row.


def by_rows(fn, x):
    y = fn(x.requires_grad_())
    return torch.stack(
        [
            torch.autograd.grad(y, x, weights, retain_graph=True)[0]
            for weights in torch.eye(y.numel(), device=device)
        ]
    )


fn = function(inputs=3, outputs=2)
columns = by_columns(fn, torch.ones(3, device=device))
rows = by_rows(fn, torch.ones(3, device=device))
print(rows.cpu())

# %%
# Now measure. On the left the inputs grow and there are 8 outputs; on the
# right the outputs grow and there are 8 inputs. The two modes run in turn,
# and each point is a median.

sizes = [1, 4, 16, 64]


def milliseconds(shape):
    fn, taken = function(*shape), {by_columns: [], by_rows: []}
    for _ in range(5):
        for mode, times in taken.items():
            start = time.perf_counter()
            mode(fn, torch.ones(shape[0], device=device)).sum().item()
            times.append(1000 * (time.perf_counter() - start))
    return [statistics.median(times) for times in taken.values()]


inputs_grow = torch.tensor([milliseconds((n, 8)) for n in sizes])
outputs_grow = torch.tensor([milliseconds((8, n)) for n in sizes])
fig, axes = plt.subplots(
    1, 2, sharey=True, figsize=(7, 3.6), layout="constrained"
)
for ax, times, what in zip(
    axes, (inputs_grow, outputs_grow), ("inputs", "outputs"), strict=True
):
    ax.loglog(sizes, times[:, 0], "o-", label="forward, by columns")
    ax.loglog(sizes, times[:, 1], "s--", label="reverse, by rows")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel=f"{what} (the others: 8)", ylabel="time [ms]")
axes[0].legend()
forward, reverse = (inputs_grow[-1] / inputs_grow[0]).tolist()
fig.set_label(
    "Time for a whole Jacobian. From 1 to 64 inputs, forward mode took "
    f"{forward:.0f} times as long and reverse mode {reverse:.1f} times; "
    "with growing outputs the two change places."
)

# %%
# **Why training uses reverse mode.** A loss is one output of millions of
# inputs. Reverse mode gets its whole gradient in one pass, forward mode
# would need one pass for each parameter. The price of reverse
# mode is memory: it must keep the values until the backward pass.
#
# And when there is one input and many outputs, forward mode wins:
# :func:`autodiff_guide.derivatives.jvp` is one pass of it,
# :func:`autodiff_guide.derivatives.vjp` one pass of reverse mode.

whole = ag.derivatives.jacobian(fn)(torch.ones(3, device=device))
assert torch.allclose(columns, rows, atol=1e-6)
assert torch.allclose(columns, whole, atol=1e-6)
plt.show()
