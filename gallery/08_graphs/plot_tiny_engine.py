"""
A gradient engine in 60 lines, equal to torch bit for bit
=========================================================

A number that remembers what it was made of, and a walk back. That is an
autograd engine. For sums, differences, products and ReLU it agrees with
torch to the last bit.
"""

# curriculum: C5.10, C5.11
import math
import random
from itertools import count

import matplotlib.pyplot as plt
import torch

from autodiff_guide.graph import Graph, Node

# %%
# Forth: each operation makes a new number, and notes its parents and the
# slope towards each of them. Back: from the last number to the first, each
# one hands its gradient to its parents, times that slope.


class Number:
    """A number that remembers what it was computed from."""

    clock = count()

    def __init__(self, value, operation="input", parents=(), slopes=()):
        self.value, self.operation = value, operation
        self.parents, self.slopes = parents, slopes
        self.time, self.gradient = next(Number.clock), 0.0

    def __add__(self, other):
        value = self.value + other.value
        return Number(value, "+", (self, other), (1.0, 1.0))

    def __sub__(self, other):
        value = self.value - other.value
        return Number(value, "−", (self, other), (1.0, -1.0))

    def __mul__(self, other):
        value = self.value * other.value
        return Number(value, "×", (self, other), (other.value, self.value))

    def relu(self):
        positive = self.value > 0
        value = self.value if positive else 0.0
        return Number(value, "relu", (self,), (float(positive),))

    def exp(self):
        value = math.exp(self.value)
        return Number(value, "exp", (self,), (value,))

    def tanh(self):
        value = math.tanh(self.value)
        return Number(value, "tanh", (self,), (1 - value**2,))

    def history(self):
        """Return all numbers that led here, in the order they were made."""
        found, waiting = {self}, [self]
        while waiting:
            for parent in waiting.pop().parents:
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return sorted(found, key=lambda number: number.time)

    def backward(self):
        """Set the gradient of everything in the history of this number."""
        numbers = self.history()
        for number in numbers:
            number.gradient = 0.0
        self.gradient = 1.0
        for number in reversed(numbers):
            steps = zip(number.parents, number.slopes, strict=True)
            for parent, slope in steps:
                parent.gradient += slope * number.gradient


# %%
# Try it on :math:`z = \mathrm{relu}(a b + a)`.


def z(a, b):
    return (a * b + a).relu()


a, b = Number(2.0), Number(3.0)
output = z(a, b)
output.backward()
print(
    f"z = {output.value:g}, dz/da = {a.gradient:g}, dz/db = {b.gradient:g}"
)

# %%
# The picture that draws torch's graphs draws ours. It needs a node for each
# number.

nodes = {}
for number in output.history():
    nodes[number] = Node(
        number.operation,
        number.value,
        number.gradient,
        {
            nodes[parent]: slope
            for parent, slope in zip(
                number.parents, number.slopes, strict=True
            )
        },
        name={a: "a", b: "b", output: "z"}.get(number, ""),
    )
Graph(list(nodes.values()), "z, by our engine")

# %%
# Is it right? Write random programs and run each of them twice: with our
# numbers, and with torch's in float64. The operations are the same, only
# the numbers differ.


def random_program(dice, operations, length=12):
    steps = [
        (
            dice.choice(operations),
            dice.randrange(3 + n),
            dice.randrange(3 + n),
        )
        for n in range(length)
    ]

    def program(*numbers):
        made = list(numbers)
        for operation, first, second in steps:
            made.append(operation(made[first], made[second]))
        return made[-1]

    return program


def compare(operations, programs=100):
    dice, pairs = random.Random(0), []
    for _ in range(programs):
        program = random_program(dice, operations)
        values = [dice.uniform(-1, 1) for _ in range(3)]
        ours = [Number(value) for value in values]
        program(*ours).backward()
        theirs = [
            torch.tensor(value, dtype=torch.float64, requires_grad=True)
            for value in values
        ]
        torch_output = program(*theirs)
        gradients = torch.autograd.grad(
            torch_output, theirs, materialize_grads=True
        )
        pairs += [
            (mine.gradient, gradient.item())
            for mine, gradient in zip(ours, gradients, strict=True)
        ]
    return torch.tensor(pairs, dtype=torch.float64).T


exact = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, _: x.relu(),
]
ours, theirs = compare(exact)
print(f"{len(ours)} gradients, {int((ours != 0).sum())} of them not 0")
print(f"unequal: {int((ours != theirs).sum())}")

# %%
# Not nearly equal: equal. Even the *order* of addition is the same, for
# both walk back in the reverse order of making.
#
# **Where it breaks.** With ``exp`` and ``tanh`` the last digit may differ.
# Python and torch each bring their own ``exp``, and neither rounds every
# result correctly. The bound that this page keeps is a relative 1e-11.

smooth = [lambda x, _: x.tanh(), lambda x, _: x.tanh().exp()]
mine, torchs = compare([*exact, *smooth])
gap = (mine - torchs).abs() / torchs.abs().clamp_min(1e-300)
gap[mine == torchs] = 0
print(f"largest relative difference: {gap.max():.0e}")

# %%
# Each point is one gradient, by our engine and by torch.

fig, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
ax.plot(theirs, ours, "o", label="+ − × relu: equal")
ax.plot(torchs, mine, "x", label="and exp, tanh: nearly")
ax.set(xlabel="gradient by torch", ylabel="gradient by our engine")
ax.set_xscale("symlog")
ax.set_yscale("symlog")
ax.legend()
fig.set_label(
    f"{len(ours) + len(mine)} gradients of random programs, by our engine "
    "and by torch, lie on the diagonal. Without exp and tanh none differs; "
    f"with them the largest relative difference is {gap.max():.0e}."
)

# %%
# What torch adds: tensors instead of numbers, memory that is freed during
# the backward pass, and many kinds of device. The idea is the one above:
# :doc:`/guide/backpropagation`.

assert (output.value, a.gradient, b.gradient) == (8, 4, 2)
assert torch.equal(ours, theirs)
assert gap.max() < 1e-11
plt.show()
