"""Write the inventories of other sites that ours links to, small enough to commit.

``python docs/_inv/refresh.py`` downloads each site's inventory and keeps the Python
objects our pages may name. Where there is no network, ``--installed`` derives torch's,
numpy's and matplotlib's from the installed packages and the pattern of the site's
addresses; ``--python FILE`` takes Python's from a file, such as Debian's package
``python3-doc`` holds. The build itself needs neither.
"""

import argparse
import builtins
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from sphobjinv import DataObjStr, Inventory, compress, writebytes

HERE = Path(__file__).parent
SITES = {
    "python": "https://docs.python.org/3/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}
MODULES = {
    "python": (
        "collections", "contextlib", "dataclasses", "enum", "fractions", "functools",
        "itertools", "math", "pathlib", "random", "statistics", "time", "typing",
        "warnings",
    ),
    "torch": (
        "torch", "torch.accelerator", "torch.autograd", "torch.autograd.forward_ad",
        "torch.autograd.functional", "torch.cuda", "torch.fft", "torch.func",
        "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init",
        "torch.nn.utils", "torch.optim", "torch.optim.lr_scheduler", "torch.special",
        "torch.utils.benchmark", "torch.utils.data",
    ),
    "numpy": ("numpy", "numpy.linalg"),
    "matplotlib": ("matplotlib.pyplot",),
}  # fmt: skip
CLASSES = {
    "torch": ("torch.Tensor", "torch.nn.Module", "torch.optim.Optimizer"),
    "numpy": ("numpy.ndarray",),
    "matplotlib": (
        "matplotlib.axes.Axes",
        "matplotlib.figure.Figure",
        "matplotlib.animation.FuncAnimation",
    ),
}  # with their methods
PAGES = {
    "torch": "generated/$.html#$",
    "torch.Tensor": "tensors.html#$",
    "torch.device": "tensor_attributes.html#$",
    "torch.dtype": "tensor_attributes.html#$",
    "torch.layout": "tensor_attributes.html#$",
    "torch.utils.data": "data.html#$",
    "numpy": "reference/generated/$.html#$",
    "matplotlib": "api/_as_gen/$.html#$",
    "matplotlib.axes.Axes": "api/axes_api.html#$",
    "matplotlib.figure.Figure": "api/figure_api.html#$",
}


def wanted(site: str, name: str) -> bool:
    """Return whether our pages may refer to the object."""
    if site == "python" and hasattr(builtins, name.partition(".")[0]):
        return True
    within = [*MODULES[site], *CLASSES.get(site, ())]
    return name in within or name.rpartition(".")[0] in within


def downloaded(site: str, source: str | Path) -> Iterator[DataObjStr]:
    """Yield the wanted Python objects of a published inventory."""
    inventory = Inventory(source) if isinstance(source, Path) else Inventory(url=source)
    for entry in inventory.objects:
        kind = f"{entry.domain}:{entry.role}"
        if entry.domain == "py" and wanted(site, entry.name):
            yield entry
        elif kind == "std:term" or (kind == "std:label" and "stdtypes" in entry.uri):
            yield entry  # numpydoc links words like "bool" and "iterable" to these


def page(name: str) -> str:
    """Return the address of an object's documentation on its own site."""
    if name in MODULES["torch"]:
        return f"{name.removeprefix('torch.')}.html"
    path = name
    while path not in PAGES:
        path = path.rpartition(".")[0]
    if name != path and any(path in classes for classes in CLASSES.values()):
        path = path.partition(".")[0]  # a method has a page of its own
    return PAGES[path]


def installed(site: str) -> Iterator[DataObjStr]:
    """Yield the public functions, classes and methods of an installed package."""

    def entry(name: str, role: str) -> DataObjStr:
        return DataObjStr(name, "py", role, "1", page(name), "-")

    for module in MODULES[site]:
        if site == "torch":
            yield entry(module, "module")
        for name, value in vars(import_module(module)).items():
            if name.startswith("_") or inspect.ismodule(value):
                continue
            if inspect.isclass(value):
                yield entry(f"{module}.{name}", "class")
            elif callable(value):
                yield entry(f"{module}.{name}", "function")
    for path in CLASSES[site]:
        module, _, name = path.rpartition(".")
        cls = getattr(import_module(module), name)
        yield entry(path, "class")
        for member in dir(cls):
            if not member.startswith("_"):
                method = callable(inspect.getattr_static(cls, member))
                yield entry(f"{path}.{member}", "method" if method else "attribute")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--installed", action="store_true", help="use no network")
    parser.add_argument("--python", type=Path, help="Python's objects.inv")
    options = parser.parse_args()
    for site, address in SITES.items():
        if site == "python" and options.python:
            entries = downloaded(site, options.python)
        elif not options.installed:
            entries = downloaded(site, f"{address}objects.inv")
        elif site != "python":
            entries = installed(site)
        else:
            continue
        inventory = Inventory()
        inventory.project, inventory.version = site, "stable"
        inventory.objects.extend({(e.role, e.name): e for e in entries}.values())
        writebytes(HERE / f"{site}.inv", compress(inventory.data_file(contract=True)))
        print(f"{site}.inv: {inventory.count} names")


if __name__ == "__main__":
    main()
