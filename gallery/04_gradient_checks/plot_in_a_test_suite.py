"""
A gradient in a test suite
==========================

``assert_gradient`` is one line of a test. It fails with the whole report.
A suite that calls torch's ``gradcheck`` changes one import, or none.
"""

# curriculum: C5.11
import matplotlib.pyplot as plt
import torch

import autodiff_guide as ag
from autodiff_guide.gradcheck import gradcheck, gradgradcheck

device = ag.preferred_device()


def points(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return x.to(device)


# %%
# The function under test: a Huber loss with its own backward. A quadratic
# near 0, a straight line beyond 1.


class Huber(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return torch.where(x.abs() < 1, x.square() / 2, x.abs() - 0.5)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.clamp(-1, 1)


# %%
# A test. In a file of a test suite this is all; ``pytest`` finds it.


def test_huber():
    ag.assert_gradient(Huber.apply, points(20), strict=True)


test_huber()

# %%
# A backward that forgets the clamp. The message is the report.


class Forgetful(Huber):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x


message = ""
try:
    ag.assert_gradient(Forgetful.apply, points(20), strict=True)
except AssertionError as failure:
    message = str(failure)
print(message)

# %%
# **A suite that exists** calls ``torch.autograd.gradcheck``. One import
# takes its place: arguments, meaning and exceptions are torch's. The
# numbers are compared as above, with the tolerances that the call gives.

x = points(20).requires_grad_()
print("torch:", torch.autograd.gradcheck(Huber.apply, x))
print("ours:", gradcheck(Huber.apply, x), gradgradcheck(Huber.apply, x))
try:
    gradcheck(Forgetful.apply, x)
except RuntimeError as error:  # a GradcheckError
    drop_in = str(error)
print(drop_in.splitlines()[0])

# %%
# The time is what changes. Count how often each calls the function.


class Counted:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return Huber.apply(x)


counts = {}
for name, check in (
    ("torch", torch.autograd.gradcheck),
    ("ours", gradcheck),
):
    counted = Counted()
    assert check(counted, x)
    counts[name] = counted.calls
print(counts)

# %%
# **No import at all.** The package brings a plugin for pytest. It puts the
# drop-in in the place of torch's two functions for one run. No file of the
# suite changes, and the seconds it took are printed at the end:
#
# .. code-block:: console
#
#    pytest --autodiff-guide-gradcheck
#
# Before you trust it, let both run. This option also prints the time that
# torch's took, and each call on which the two disagree:
#
# .. code-block:: console
#
#    pytest --autodiff-guide-gradcheck-compare

# %%
# **Where it breaks.** A check speaks about its point. Choose small inputs
# only, and the forgetful backward passes: the clamp is never reached.

small = ag.check_gradient(Forgetful.apply, points(20) / 10)
print("small inputs:", small.verdict)

line = torch.linspace(-2.2, 2.2, 45)
z = points(20).cpu()

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(line, line.clamp(-1, 1), label="right")
ax.plot(line, line, "--", label="forgetful")
ax.plot(z, z * 0 - 2.0, "|", color="C3", markersize=14, label="points(20)")
ax.plot(z / 10, z * 0 - 2.6, "|", color="C2", markersize=14, label="small")
ax.set(xlabel="input", ylabel="gradient")
ax.legend()
beyond = int((z.abs() > 1).sum())
fig.set_label(
    "The right gradient of the Huber loss is cut at -1 and 1, the "
    f"forgetful one is not. Of twenty test points {beyond} lie where the "
    "two differ; of the small ones none."
)

# %%
# The extreme case: where every derivative is 0, any gradient that returns
# 0 passes. It is called ``vacuous``, and fails under ``strict``.

flat = ag.check_gradient(torch.relu, -points(5).abs())
strict = ag.check_gradient(torch.relu, -points(5).abs(), strict=True)
print("strict:", strict.verdict)
flat

# %%
# **What to do.** Draw the points on both sides of every branch, and pass
# ``strict=True``. Then *plant a mistake once*, and see the test fail: a
# test that cannot fail tests nothing.

mistakes = {
    "sign": lambda x: -x.clamp(-1, 1),
    "no clamp": lambda x: x,
    "0.1 % off": lambda x: 1.001 * x.clamp(-1, 1),
}
caught = {}
for name, gradient in mistakes.items():
    found = ag.check_gradient(
        Huber.apply, points(20), gradient=gradient, strict=True
    )
    caught[name] = found.kind
    print(f"{name:10} {found.kind}")

assert "FAIL" in message
assert "FAIL" in drop_in
assert counts["ours"] < counts["torch"] / 2
assert small
assert flat
assert flat.kind == "vacuous"
assert not strict
assert list(caught.values()) == ["sign", "localized", "factor"]
plt.show()
