"""
An operation of your own: write its backward, then check it
===========================================================

``torch.autograd.Function`` lets you say how an operation goes back.
Nobody looks whether what you say is true, until you check it.
"""

# curriculum: C5.10, C5.11
import matplotlib.pyplot as plt
import torch
from torch.autograd import Function

import autodiff_guide as ag
from autodiff_guide.derivatives import grad

device = ag.preferred_device()

# %%
# The operation is :math:`x \log x`, with the value 0 at 0. Its derivative
# is :math:`\log x + 1`. ``setup_context`` saves what ``backward`` will
# need; ``backward`` multiplies the slope that comes in by its own.


class XLogX(Function):
    @staticmethod
    def forward(x):
        return torch.special.xlogy(x, x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, slope_of_output):
        (x,) = ctx.saved_tensors
        return slope_of_output * (x.log() + 1)


x = torch.linspace(0.05, 2, 100, dtype=torch.float64, device=device)
value = XLogX.apply(x)
slope = grad(lambda x: XLogX.apply(x).sum())(x)

# %%
# The slope is negative up to :math:`1/e`, where the curve is lowest.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(x.cpu(), value.cpu(), label="value")
ax.plot(x.cpu(), slope.cpu(), label="slope, by our backward")
lowest = x[value.argmin()].item()
ax.plot(lowest, value.min().item(), "o", color="C2", label="lowest")
ax.axhline(0, linewidth=0.8, color="C3")
ax.set(xlabel="x", ylabel="value and slope")
ax.legend()
fig.set_label(
    "The curve x log x and its slope. The curve is lowest at "
    f"{lowest:.2f}, where the slope crosses 0."
)

# %%
# Inside a formula the operation is one box, under its own name. What your
# backward returned stands as the gradient of the box above it.

two = x[-1:].squeeze().clone().requires_grad_()
graph = ag.trace(lambda x: 3 * XLogX.apply(x), two)
graph

# %%
# Is the backward right? :func:`autodiff_guide.check_gradient` compares it
# with differences, in many directions at once.

some = x[::20].clone().requires_grad_()
report = ag.check_gradient(XLogX.apply, some)
print(report)

# %%
# **Where it breaks.** Forget the ``+ 1`` of the product rule. The program
# runs, torch does not complain, and every gradient is wrong.


class Forgetful(XLogX):
    @staticmethod
    def backward(ctx, slope_of_output):
        (x,) = ctx.saved_tensors
        return slope_of_output * x.log()


found = ag.check_gradient(Forgetful.apply, some)
print(found.sentence)

# %%
# **A second one**, more common: forget the slope that comes in. As long as
# the operation is the last one, that slope is 1 and nobody notices.


class Deaf(XLogX):
    @staticmethod
    def backward(ctx, slope_of_output):
        (x,) = ctx.saved_tensors
        return x.log() + 1


last = grad(lambda x: Deaf.apply(x).sum())(x)
inside = grad(lambda x: (3 * Deaf.apply(x)).sum())(x)
print("last:", torch.allclose(last, slope))
print("inside 3 · f:", torch.allclose(inside, 3 * slope))
unheard = ag.check_gradient(Deaf.apply, some)
print(unheard.sentence)

# %%
# The check weighs the outputs at random, so the slope that comes in is
# never 1 everywhere, and both mistakes are found.

assert report.verdict == "pass"
assert found.verdict == "fail"
assert unheard.verdict == "fail"
assert torch.allclose(last, slope)
assert not torch.allclose(inside, 3 * slope)
assert "XLogX" in str(graph)
assert abs(lowest - 1 / torch.e) < 0.02
plt.show()
