"""Download the inventories of other sites that ours links to: what our pages may name.

Run ``python docs/_inv/refresh.py`` with `sphobjinv` installed. The build reads what it
writes here, so that it needs no network.
"""

import builtins
from pathlib import Path

from sphobjinv import Inventory, compress, writebytes

SITES = {
    "python": "https://docs.python.org/3/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}
MODULES_AND_CLASSES = """
    collections contextlib dataclasses enum fractions functools itertools math pathlib
    random statistics time typing warnings
    torch torch.Tensor torch.accelerator torch.autograd torch.autograd.forward_ad
    torch.autograd.functional torch.cuda torch.fft torch.func torch.linalg torch.nn
    torch.nn.Module torch.nn.functional torch.nn.init torch.nn.utils torch.optim
    torch.optim.Optimizer torch.optim.lr_scheduler torch.special torch.utils.benchmark
    torch.utils.data
    numpy numpy.linalg numpy.ndarray
    matplotlib.animation.FuncAnimation matplotlib.axes.Axes matplotlib.figure.Figure
    matplotlib.pyplot
"""
WITHIN = set(MODULES_AND_CLASSES.split())


def wanted(entry):
    """Tell whether our pages may refer to the entry of an inventory."""
    if entry.domain == "py":
        home = entry.name.rpartition(".")[0]
        builtin = hasattr(builtins, entry.name.partition(".")[0])
        return builtin or home in WITHIN or entry.name in WITHIN
    # numpydoc links words like "bool" and "iterable" to these
    return entry.role == "term" or (entry.role == "label" and "stdtypes" in entry.uri)


for site, address in SITES.items():
    inventory = Inventory(url=f"{address}objects.inv")
    inventory.objects[:] = filter(wanted, inventory.objects)
    text = inventory.data_file(contract=True)
    writebytes(Path(__file__).with_name(f"{site}.inv"), compress(text))
    print(f"{site}.inv: {inventory.count} names")
