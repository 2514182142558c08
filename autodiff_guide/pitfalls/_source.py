"""What the source of a failed program tells: edit which words it is read for here.

``words`` of a cause in ``catalogue.toml`` are such words: names, attributes with a dot,
and those in quotes below, each for a pattern.
"""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn

TORCH = str(Path(torch.__file__).parent)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def words(frame: FrameType, line: int, entered: set[CodeType]) -> set[str] | None:
    """Return the names in what the failing line depends on, and in what it calls.

    ``entered`` is the code of the calls that failed, whose words are found in their
    own frames.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except (SyntaxError, ValueError):
        return None
    statements = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not statements:
        return None
    bodies: list[ast.AST] = [
        tree,
        *(node for node in statements if isinstance(node, _FUNCTIONS)),
    ]
    body, found = bodies[-1], set(_named(statements[-1]))
    found.update(*map(_named, getattr(body, "decorator_list", ())))
    found.update(_backwards(body))
    known = 0
    while known < len(found):
        known = len(found)
        for made, needed in _steps(body):
            if not found.isdisjoint(made):
                found.update(_named(needed))
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS) and {node.name, f".{node.name}"} & found:
            found.update(*map(_named, node.decorator_list))
    if not found.isdisjoint({".grad", ".backward"}):
        found.add("a gradient")
    namespace = {**frame.f_globals, **frame.f_locals}
    for name in list(found):
        called = namespace.get(name)
        for code in set(_codes(called)) - entered:
            found.update(*((name, f".{name}") for name in code.co_names))
        if isinstance(called, nn.Module) and any(map(_keeps_a_state, called.modules())):
            found.add("a state carried over")
            found.discard("a part shared")
    if "w = w -" not in found and _computed(statements[-1], namespace):
        found.add("the gradient of a result")
    return found


def _within(body: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of `body`, but not those of functions that it defines."""
    for node in ast.iter_child_nodes(body):
        if not isinstance(node, _FUNCTIONS):
            yield node
            yield from _within(node)


def _steps(body: ast.AST) -> Iterator[tuple[set[str], ast.AST]]:
    """Yield, for each assignment or ``with``, the names it makes and what it needs."""
    for node in _within(body):
        match node:
            case ast.Assign() | ast.AugAssign():
                yield set(_named(node, ast.Store)), node
            case ast.For(target, needed):
                yield set(_named(target)), needed
            case ast.With(items):
                needed = ast.Tuple([item.context_expr for item in items])
                yield set(_named(node, ast.Store)), needed
            case ast.Expr(
                ast.Call(ast.Attribute(ast.Name(changed), "append" | "extend"))
            ):
                yield {changed}, node


def _named(node: ast.AST, use: type[ast.expr_context] | None = None) -> Iterator[str]:
    """Yield names, attributes with a dot, and words for what tells a mistake."""
    for part in ast.walk(node):
        if use is not None and not isinstance(getattr(part, "ctx", None), use):
            continue
        match part:
            case ast.Name(name) | ast.keyword(str(name)):
                yield name
            case ast.Attribute(_, name):
                yield f".{name}"
            case ast.Compare():
                yield "a comparison"
            case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(other), ast.Sub())):
                yield "w = w -" if name == other else name
            case (
                ast.Assign(value=ast.Call(ast.Attribute(_, "backward")))
                | ast.AugAssign(value=ast.Call(ast.Attribute(_, "backward")))
            ):
                yield "= backward()"
            case ast.Call(ast.Attribute(_, "tensor" | "as_tensor"), [argument]):
                copied = any(isinstance(n, ast.Name) for n in ast.walk(argument))
                yield "tensor(a copy)" if copied else "tensor(numbers)"


def _backwards(body: ast.AST) -> Iterator[str]:
    """Yield words for what the calls of backward() in this code have in common."""
    calls = []
    for node in _within(body):
        match node:
            case ast.Call(ast.Attribute(loss, "backward")):
                calls.append((node, loss))
            case ast.Call(ast.Attribute(_, "grad"), [loss, *_]):
                calls.append((node, loss))
            case ast.Expr(ast.Call(ast.Attribute(_, "set_grad_enabled"))):
                yield ".set_grad_enabled"
    losses = [ast.unparse(loss) for _, loss in calls]
    loops = [node for node in _within(body) if isinstance(node, ast.For | ast.While)]
    for call, loss in calls:
        around = [loop for loop in loops if call in ast.walk(loop)]
        remade = {name for loop in around for name in _named(loop, ast.Store)}
        kept = isinstance(loss, ast.Name) and loss.id not in remade
        if losses.count(ast.unparse(loss)) > 1 or (around and kept):
            yield "one loss twice"
        elif any(remade & made & {*_named(n, ast.Load)} for made, n in _steps(body)):
            yield "a state carried over"
        elif around or len(calls) > 1:
            yield "a part shared"


def _computed(statement: ast.stmt, namespace: Mapping[str, object]) -> bool:
    """Tell whether `statement` reads ``.grad`` of a tensor that is not a leaf."""
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(ast.Name(name), "grad"):
                tensor = namespace.get(name)
                if isinstance(tensor, Tensor) and not tensor.is_leaf:
                    return True
    return False


def _codes(called: Any) -> Iterator[CodeType]:
    """Yield the code of a function or of a module of yours, and of its parts."""
    parts = called.modules() if isinstance(called, nn.Module) else ()
    for function in [called, *(type(part).forward for part in parts)]:
        code = getattr(inspect.unwrap(function), "__code__", None)
        if isinstance(code, CodeType) and not code.co_filename.startswith(TORCH):
            yield code


def _keeps_a_state(module: nn.Module) -> bool:
    """Tell whether `module` reads a tensor with a history that its last call left."""
    read: set[str] = set()
    for instruction in dis.get_instructions(type(module).forward):
        name = str(instruction.argval)
        if instruction.opname == "STORE_ATTR" and name in read:
            state = getattr(module, name, None)
            kept = state if isinstance(state, tuple | list) else [state]
            if any(isinstance(part, Tensor) and part.requires_grad for part in kept):
                return True
        if instruction.opname == "LOAD_ATTR":
            read.add(name)
    return False
