"""Where a public name is documented: once, whatever path a docstring names it by.

A verb of the top level is documented as ``autodiff_guide.<verb>``, every other public
name as ``autodiff_guide.<module>.<name>``: where examples and docstrings refer to it.
The pages are written by ``_templates/autosummary``.
"""

from functools import cache
from importlib import import_module

import autodiff_guide as package

NAME = package.__name__


@cache
def documented():
    """Return where each public name is documented, by its bare name."""
    modules = {module: import_module(f"{NAME}.{module}") for module in package._VERBS}
    names = {
        name: f"{NAME}.{module}.{name}"
        for module, imported in modules.items()
        for name in imported.__all__
    }
    return names | {verb: f"{NAME}.{verb}" for verb in package._HOME}


def link_types(app, config):
    """Let numpydoc link our classes in the types of parameters."""
    types = {name: home for name, home in documented().items() if name[0].isupper()}
    config.numpydoc_xref_aliases = types | config.numpydoc_xref_aliases


def find_at_home(app, env, node, contnode):
    """Resolve a docstring's ``describe``, or ``autodiff_guide.tensors.describe``."""
    where, _, name = node["reftarget"].rpartition(".")
    home = documented().get(name)
    ours = node.get("refdomain") == "py" and (not where or where.startswith(NAME))
    if not ours or home in (None, node["reftarget"]):
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", home, node, contnode
    )


def setup(app):
    app.connect("config-inited", link_types)
    app.connect("missing-reference", find_at_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
