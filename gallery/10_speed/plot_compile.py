"""
``torch.compile`` reads a function once and runs one kernel
===========================================================

Python calls one operation after the other, and each reads and writes all
its numbers. The compiler sees them together and can fuse them. It pays
when the same function runs many times.
"""

# curriculum: C8.1
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import torch

from autodiff_guide import plotting
from autodiff_guide.timing import Timing, readable

device = torch.device("cpu")

# %%
# Five operations on every element. The compiler hands what it has read, a
# graph, to a *backend*. Ours only writes the graph down and runs it as it
# is; the default one, inductor, writes C++ or GPU code.


def wave(x):
    return (torch.sin(x) * 2 + torch.cos(x)).relu()


graphs = []


def note_down(graph, inputs):
    calls = (n for n in graph.graph.nodes if n.op.startswith("call"))
    graphs.append([node.name for node in calls])
    return graph.forward


x = torch.linspace(-3, 4, 1000, device=device)
compiled = torch.compile(wave, backend=note_down)
start = perf_counter()
same = torch.equal(compiled(x), wave(x))
first = perf_counter() - start
start = perf_counter()
compiled(x)
second = perf_counter() - start
whole = list(graphs)
print("operations read:", whole)
print(f"first call {readable(first)}, second {readable(second)}")

# %%
# The first call is the expensive one: the function is read there. With
# inductor it also waits for a C++ compiler, seconds or a minute, which is
# why this page shows a stored measurement of the speed.

stored = Path(globals().get("__file__", "")).parent / "compile_cpu.json"
if stored.exists():
    timing = Timing.load(stored)
    print(timing)
    fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    plotting.durations(timing, ax=ax)
    ax.set_xlabel("elements")
    gains = (timing.median[0] / timing.median[1]).tolist()
    fig.set_label(
        f"Stored times of {timing.names[0]} and {timing.names[1]} over the "
        f"number of elements. At {timing.sizes[-1]:,} elements the second "
        f"is {gains[-1]:.1f} times as fast, at {timing.sizes[0]:,} it is "
        f"{gains[0]:.1f} times."
    )
else:
    print("No stored measurement beside this script.")

# %%
# **Where it breaks.** A decision that depends on a *value* cannot be in a
# graph: the value is not known when the function is read. The compiler
# runs what it has, looks at the value in Python, and reads on from there.


def decided(x):
    y = torch.sin(x) * 2
    if y.sum() > 0:
        return y + 1
    return y - 1


torch.compiler.reset()
graphs.clear()
torch.compile(decided, backend=note_down)(x)
broken = list(graphs)
print(len(broken), "graphs:", broken)

# %%
# Nothing is raised, and what could be fused is cut in two. Ask for one
# graph, and it is refused instead.

torch.compiler.reset()
refused = False
try:
    torch.compile(decided, backend=note_down, fullgraph=True)(x)
except torch._dynamo.exc.Unsupported as error:
    refused = True
    print(str(error).splitlines()[0])

# %%
# The fix: let the tensor decide. ``torch.where`` is an operation like any
# other.


def decided_inside(x):
    y = torch.sin(x) * 2
    return torch.where(y.sum() > 0, y + 1, y - 1)


torch.compiler.reset()
graphs.clear()
inside = torch.compile(decided_inside, backend=note_down, fullgraph=True)
agree = torch.equal(inside(x), decided(x))
print(len(graphs), "graph:", graphs)

assert same
assert agree
assert len(whole) == 1
assert len(broken) == 2
assert refused
assert len(graphs) == 1
torch.compiler.reset()
plt.show()
