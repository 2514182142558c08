"""What a failed program tells about the cause of its error: add a check here.

A check looks at a :class:`Scene` and answers whether it is this cause; None if it
cannot tell. ``catalogue.toml`` calls it by its name.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FrameType

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

_TORCH = str(Path(torch.__file__).parent)
_OWN = str(Path(__file__).parent.parent)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Scene:
    """What can be seen where an error was raised.

    ``objects`` are your variables, ``inside`` those of torch's functions. ``words``
    are the names in the code that led to the failing line, as :func:`_words` finds
    them; None if that code cannot be read.
    """

    message: str
    objects: Mapping[str, object] = field(default_factory=dict)
    inside: Mapping[str, object] = field(default_factory=dict)
    words: frozenset[str] | None = None

    def tensors(self) -> list[Tensor]:
        """Return your tensors."""
        return [value for value in self.objects.values() if isinstance(value, Tensor)]

    def parameters(self) -> list[Tensor]:
        """Return the parameters of your modules."""
        modules = [m for m in self.objects.values() if isinstance(m, nn.Module)]
        return [parameter for module in modules for parameter in module.parameters()]


def scene(error: BaseException) -> Scene:
    """Look around where `error` was raised."""
    objects: dict[str, object] = {}
    inside: dict[str, object] = {}
    words: set[str] | None = None
    for frame, line in walk_tb(error.__traceback__):
        path = frame.f_code.co_filename
        if path.startswith(_TORCH):
            inside.update(frame.f_locals)
        elif not path.startswith(_OWN):
            objects.update(frame.f_locals)
            found = _words(frame, line)
            words = words if found is None else found | (words or set())
    seen = None if words is None else frozenset(words)
    return Scene(str(error), objects, inside, seen)


def _words(frame: FrameType, line: int) -> set[str] | None:
    """Return the names in what the failing line depends on, and in what it calls."""
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
    body, words = bodies[-1], set(_named(statements[-1]))
    words.update(*map(_named, getattr(body, "decorator_list", ())))
    known = 0
    while known < len(words):
        known = len(words)
        for made, needed in _steps(body):
            if not words.isdisjoint(made):
                words.update(needed)
    namespace = {**frame.f_globals, **frame.f_locals}
    for name in list(words):
        called = _code(namespace.get(name))
        words.update(
            *((name, f".{name}") for name in called.co_names) if called else ()
        )
    return words


def _steps(body: ast.AST) -> Iterator[tuple[set[str], Iterable[str]]]:
    """Yield, for each assignment or ``with``, the names it makes and those it needs."""
    for node in ast.walk(body):
        match node:
            case ast.Assign() | ast.AugAssign():
                yield set(_named(node, ast.Store)), _named(node)
            case ast.For(target, needed):
                yield set(_named(target)), _named(needed)
            case ast.With(items):
                needed = ast.Tuple([item.context_expr for item in items])
                yield set(_named(node, ast.Store)), _named(needed)


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
            case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(other))):
                yield "w = w -" if name == other else name
            case ast.Assign(_, ast.Call(ast.Attribute(_, "backward"))):
                yield "= backward()"
            case ast.Call(ast.Attribute(_, "tensor" | "as_tensor"), [argument]):
                copied = any(isinstance(n, ast.Name) for n in ast.walk(argument))
                yield "tensor(a copy)" if copied else "tensor(numbers)"


def _code(called: object) -> CodeType | None:
    """Return the code of a function or a module of yours."""
    function = type(called).forward if isinstance(called, nn.Module) else called
    code = getattr(function, "__code__", None)
    yours = isinstance(code, CodeType) and not code.co_filename.startswith(_TORCH)
    return code if yours else None


def _walk(*roots: Node) -> set[Node]:
    """Return all nodes of the graph behind `roots`."""
    found, waiting = set(roots), list(roots)
    while waiting:
        below = {node for node, _ in waiting.pop().next_functions if node} - found
        found |= below
        waiting += below
    return found


def _freed(node: Node) -> bool | None:
    """Tell whether what `node` saved was freed; None if it saves no tensor."""
    kept = None
    for name in dir(node):
        if name.startswith("_saved_") or name == "saved_tensors":
            try:
                kept = False if isinstance(getattr(node, name), Tensor) else kept
            except RuntimeError:
                return True
    return kept


def _freed_part(scene: Scene) -> str:
    """Name what was freed of the graph that torch was to go back through."""
    outputs = scene.inside.get("t_outputs")
    if not isinstance(outputs, tuple):
        return ""
    graph = _walk(*(output.grad_fn for output in outputs if output.grad_fn))
    if False not in map(_freed, graph):
        return "all"
    nodes = [t.grad_fn for t in scene.tensors() if t.grad_fn in graph]
    named = any(False not in map(_freed, _walk(node)) for node in nodes if node)
    return "a part that a variable holds" if named else "an earlier part"


def same_loss(scene: Scene) -> bool | None:
    """Tell whether all of the graph was freed: the same loss went back twice."""
    return _freed_part(scene) == "all" if scene.inside else None


def shared_part(scene: Scene) -> bool | None:
    """Tell whether the freed part of the graph is still a variable of yours."""
    return "variable" in _freed_part(scene) if scene.inside else None


def carried_over(scene: Scene) -> bool | None:
    """Tell whether the freed part of the graph is known only to later results."""
    return "earlier" in _freed_part(scene) if scene.inside else None


def nothing_marked(scene: Scene) -> bool | None:
    """Tell whether none of your tensors requires a gradient, and no module is there."""
    marked = any(tensor.requires_grad for tensor in scene.tensors())
    return not marked and not scene.parameters() if scene.objects else None


def all_frozen(scene: Scene) -> bool | None:
    """Tell whether your modules have parameters, and all are frozen."""
    flags = {parameter.requires_grad for parameter in scene.parameters()}
    return flags == {False} if scene.objects else None


def recording_is_off(scene: Scene) -> bool | None:
    """Tell whether torch does not record where the error is raised."""
    return not torch.is_grad_enabled() if scene.objects else None


def none_is_a_gradient(scene: Scene) -> bool | None:
    """Tell whether the None in the message is a gradient that is missing."""
    if "zero_" in scene.message:
        return True
    if not scene.objects:
        return None if "operand" in scene.message else False
    if scene.words is None:
        return bool(scene.tensors())
    return not scene.words.isdisjoint({".grad", ".backward"})


def in_a_loss(scene: Scene) -> bool | None:
    """Tell whether the error was raised inside a loss, which has a target."""
    return "target" in scene.inside if scene.objects else None


def target_is_column(scene: Scene) -> bool | None:
    """Tell whether the target has shape (N, 1)."""
    target = scene.inside.get("target")
    return target.shape[1:] == (1,) if isinstance(target, Tensor) else None


def target_is_one_hot(scene: Scene) -> bool | None:
    """Tell whether the target has a column for each class."""
    target = scene.inside.get("target")
    return target.shape[1:] != (1,) if isinstance(target, Tensor) else None
