"""
Other processes compute the same surface
========================================

A row of a loss surface needs nothing from the other rows. So other
processes can compute it, or other machines, today or tomorrow, and the
surface is the same to the last bit.
"""

# curriculum: C2.12
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import autodiff_guide as ag
from autodiff_guide import plotting
from autodiff_guide.landscape import Landscape, random_directions

device = ag.preferred_device()
torch.manual_seed(0)

# %%
# Three classes on three arms of a spiral, a small network, and a plane
# through its parameters.

turn = torch.linspace(0, 4, 100, device=device)
arms = [turn + 2 * torch.pi / 3 * k for k in range(3)]
radius = torch.linspace(0.1, 1, 100, device=device)
inputs = torch.cat(
    [torch.stack([radius * a.cos(), radius * a.sin()], 1) for a in arms]
)
targets = torch.arange(3, device=device).repeat_interleave(100)

net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
net.to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
for _ in range(100):
    optimizer.zero_grad()
    cross_entropy(net(inputs), targets).backward()
    optimizer.step()
directions = random_directions(net)


def plane(**settings):
    data = inputs, targets
    return ag.slice_loss(
        net, cross_entropy, data, directions, points=21, **settings
    )


# %%
# Two processes share the rows. Each is started from nothing (*spawn*) and
# imports this script first, so what only the first process should do stands
# under ``__main__``. They are told to add with as many threads as we do:
# another number of threads adds in another order.
#
# Any executor that has the protocol of ``concurrent.futures`` will do.
# With Dask it is ``client.get_executor()``, and the rows go to a cluster.

if __name__ == "__main__":
    serial = plane()
    with ProcessPoolExecutor(
        2,
        mp_context=get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(torch.get_num_threads(),),
    ) as processes:
        shared = plane(executor=processes)
    print("the same:", torch.equal(shared.values, serial.values))

# %%
# **Where it does not pay.** Each process imports torch and receives the
# network and the data. Here that takes longer than all the rows together.
# It pays where one row takes longer than that.
#
# **A long run** can also be done in portions. A landscape with rows missing
# is a landscape: it can be saved, looked at, and resumed.

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        file = Path(folder) / "plane.npz"
        plane(rows=12).save(file)
        begun = Landscape.load(file)
    resumed = plane(resume=begun)

    fig, axes = plt.subplots(2, figsize=(5, 8), layout="constrained")
    for ax, found in zip(axes, (begun, resumed), strict=True):
        done = int((~found.missing).sum())
        plotting.contour(found, ax=ax)
        ax.set(xlim=(-1, 1), title=f"{done} of {len(found.axis)} rows")
    fig.set_label(
        "Contours of one loss, twice: with the rows computed before the "
        "run was stopped, where the rest is blank, and whole."
    )

    assert torch.equal(shared.values, serial.values)
    assert begun.missing.sum() == 9
    assert torch.equal(resumed.values, serial.values)
    plt.show()
