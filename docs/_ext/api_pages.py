"""One API page for each module, written from what the package exports.

A verb of the top level is documented as ``autodiff_guide.<verb>``, every other public
name as ``autodiff_guide.<module>.<name>``: where examples and docstrings refer to it.
"""

import ast
from functools import cache
from pathlib import Path

import autodiff_guide as package

ROOT = Path(package.__file__).parent
NAME = package.__name__

INDEX = """
API
===

Every public name, with its formula, its errors and the examples that use it.
:doc:`The guide </guide/index>` explains the ideas behind them.

.. toctree::
   :hidden:

   {pages}

The verbs
---------

Imported as ``import autodiff_guide as ag``, each of these is ``ag.<verb>``.

.. autosummary::
   :nosignatures:

   {verbs}

The modules
-----------

.. list-table::
   :widths: 25 75

   {modules}
"""

MODULE = """
{module}
{underline}

.. automodule:: {package}.{module}
   :no-members:

{tables}
"""

TABLE = """
.. currentmodule:: {where}

.. autosummary::
   :toctree: generated
   :nosignatures:

   {names}
"""


def lines(items, indent="   "):
    return f"\n{indent}".join(items)


def syntax(module):
    """Return the syntax tree of a module, which is not imported."""
    path = ROOT / f"{module}.py"
    return ast.parse(
        (path if path.exists() else ROOT / module / "__init__.py").read_text("utf-8")
    )


def public_names(module):
    """Return the names in ``__all__`` or, without one, what the module defines."""
    defined = []
    for node in syntax(module).body:
        match node:
            case ast.Assign(targets=[ast.Name("__all__")], value=value):
                return ast.literal_eval(value)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name[0] != "_":
                defined.append(name)
    return defined


def modules():
    """Return the public modules and those that are home to a verb, in order."""
    return sorted({*package._MODULES, *package._HOME.values()})


def verbs(module):
    return [verb for verb, home in package._HOME.items() if home == module]


def rest(module):
    return [name for name in public_names(module) if name not in verbs(module)]


@cache
def documented():
    """Return where each public name is documented, by its bare name."""
    return {
        **{
            name: f"{NAME}.{module}.{name}"
            for module in modules()
            for name in rest(module)
        },
        **{verb: f"{NAME}.{verb}" for verb in package._HOME},
    }


def module_page(module):
    tables = [
        TABLE.format(where=where, names=lines(names))
        for where, names in ((NAME, verbs(module)), (f"{NAME}.{module}", rest(module)))
        if names
    ]
    return MODULE.format(
        module=module, underline="=" * len(module), package=NAME, tables="".join(tables)
    )


def module_row(module):
    summary = (ast.get_docstring(syntax(module)) or "").split("\n\n")[0]
    return f"* - :doc:`{module}`\n     - {' '.join(summary.split())}"


def write(path, text):
    """Write `text` unless it is there already: an untouched page is not built again."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def write_pages(app, config):
    directory = Path(app.srcdir) / "api"
    pages = {module: module_page(module) for module in modules()}
    pages["index"] = INDEX.format(
        pages=lines(modules()),
        verbs=lines(f"{NAME}.{verb}" for verb in package._HOME),
        modules=lines(map(module_row, modules())),
    )
    for name, text in pages.items():
        write(directory / f"{name}.rst", text.lstrip())
    types = {name: path for name, path in documented().items() if name[0].isupper()}
    config.numpydoc_xref_aliases = {**types, **config.numpydoc_xref_aliases}


def find_at_home(app, env, node, contnode):
    """Resolve a docstring's ``describe``, or ``autodiff_guide.tensors.describe``."""
    if node.get("refdomain") != "py":
        return None
    where, _, name = node["reftarget"].rpartition(".")
    home = documented().get(name)
    if (
        home is None
        or (where and not where.startswith(NAME))
        or node["reftarget"] == home
    ):
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", home, node, contnode
    )


def setup(app):
    app.connect("config-inited", write_pages, priority=100)
    app.connect("missing-reference", find_at_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
