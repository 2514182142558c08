"""What a failed program tells about the cause of its error: add a check here.

A check looks at a :class:`Scene` and answers whether it is this cause; None if it
cannot tell. ``catalogue.toml`` names the check of a cause.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FrameType

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

_TORCH = str(Path(torch.__file__).parent)
_OWN = str(Path(__file__).parent.parent)


@dataclass(frozen=True)
class Scene:
    """What can be seen where an error was raised, by your names.

    ``words`` are the names in the code that led to the failing line, attributes with
    a dot, and ``<`` for a comparison; see :func:`_named`. None if the code cannot be
    read. ``inside`` holds the variables of torch's own functions.
    """

    message: str
    objects: Mapping[str, object] = field(default_factory=dict)
    inside: Mapping[str, object] = field(default_factory=dict)
    words: frozenset[str] | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Return your tensors by name."""
        return {k: v for k, v in self.objects.items() if isinstance(v, Tensor)}

    def parameters(self) -> list[Tensor]:
        """Return the parameters of your modules."""
        modules = [m for m in self.objects.values() if isinstance(m, nn.Module)]
        return [parameter for module in modules for parameter in module.parameters()]

    def saw(self, *words: str) -> bool | None:
        """Tell whether one of `words` is in the code that led to the failing line."""
        return None if self.words is None else not self.words.isdisjoint(words)


def scene(error: BaseException) -> Scene:
    """Look around where `error` was raised."""
    objects: dict[str, object] = {}
    inside: dict[str, object] = {}
    words: set[str] = set()
    readable = False
    for frame, line in walk_tb(error.__traceback__):
        path = frame.f_code.co_filename
        if path.startswith(_TORCH):
            inside.update(frame.f_locals)
        elif not path.startswith(_OWN):
            objects.update(frame.f_locals)
            found = _words(frame, line)
            readable = readable or found is not None
            words |= found or set()
    seen = frozenset(words) if readable else None
    return Scene(str(error), objects, inside, seen)


def _words(frame: FrameType, line: int) -> set[str] | None:
    """Return the names in the code that the failing line depends on."""
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except (SyntaxError, ValueError):
        return None
    around = [n for n in ast.walk(tree) if _first(n) <= line <= _last(n)]
    if not around:
        return None
    functions = [n for n in around if isinstance(n, ast.FunctionDef)]
    body: ast.AST = functions[-1] if functions else tree
    statement = [n for n in around if isinstance(n, ast.stmt)][-1]
    words = set(_named(statement))
    for function in functions[-1:]:
        words |= {name for d in function.decorator_list for name in _named(d)}
    grown: set[str] = set()
    while grown != words:
        grown = set(words)
        for node in ast.walk(body):
            words.update(_feeding(node, grown))
    namespace = {**frame.f_globals, **frame.f_locals}
    called = [_code(namespace.get(word)) for word in words]
    for code in filter(None, called):
        words |= {*code.co_names, *(f".{name}" for name in code.co_names)}
    return words


def _feeding(node: ast.AST, wanted: set[str]) -> Iterable[str]:
    """Return the names that `node` needs if it assigns to one that is wanted."""
    match node:
        case ast.Assign(targets=targets):
            made = {name for target in targets for name in _named(target)}
        case ast.AugAssign(target=target) | ast.For(target=target):
            made = set(_named(target))
        case ast.With(items=items, body=body):
            made = {name for part in body for name in _stored(part)}
            needed = {name for item in items for name in _named(item)}
            return needed if made & wanted else ()
        case _:
            return ()
    return _named(node) if made & wanted else ()


def _stored(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def _named(node: ast.AST) -> Iterator[str]:
    """Yield names, and words for what tells a mistake: a copy, a rebound name."""
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.Attribute(attr=name):
                yield f".{name}"
            case ast.Compare():
                yield "<"
            case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(other))):
                yield "w = w -" if name == other else ""
            case ast.Assign(_, ast.Call(ast.Attribute(_, "backward"))):
                yield "= backward()"
            case ast.Call(ast.Attribute(_, "tensor" | "as_tensor"), [argument]):
                names = any(isinstance(n, ast.Name) for n in ast.walk(argument))
                yield "tensor(copied)" if names else ""


def _code(called: object) -> CodeType | None:
    """Return the code of a function or module of yours."""
    function = type(called).forward if isinstance(called, nn.Module) else called
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or code.co_filename.startswith(_TORCH):
        return None
    return code


def _first(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _last(node: ast.AST) -> int:
    return getattr(node, "end_lineno", None) or -1


def _walk(roots: Iterable[Node]) -> set[Node]:
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


def _behind_the_loss(scene: Scene) -> tuple[set[Node], set[bool | None]]:
    """Return the graph of the failed backward, and whether its parts were freed."""
    outputs = scene.inside.get("t_outputs", ())
    roots = [o.grad_fn for o in outputs if isinstance(o, Tensor) and o.grad_fn]
    graph = _walk(roots)
    return graph, {_freed(node) for node in graph}


def _has_shared_part(scene: Scene, graph: set[Node]) -> bool:
    """Tell whether a tensor of yours inside the graph has nothing left but freed."""
    nodes = [t.grad_fn for t in scene.tensors().values() if t.grad_fn in graph]
    return any({_freed(n) for n in _walk([node])} <= {True, None} for node in nodes)


def same_loss(scene: Scene) -> bool | None:
    """Tell whether all of the graph was freed: the same loss went back twice."""
    graph, freed = _behind_the_loss(scene)
    return False not in freed if graph else None


def shared_part(scene: Scene) -> bool | None:
    """Tell whether a part of the graph was freed that one of your tensors names."""
    graph, freed = _behind_the_loss(scene)
    if not graph:
        return None
    return {True, False} <= freed and _has_shared_part(scene, graph)


def carried_over(scene: Scene) -> bool | None:
    """Tell whether the freed part of the graph belongs to an earlier iteration."""
    graph, freed = _behind_the_loss(scene)
    if not graph:
        return None
    return {True, False} <= freed and not _has_shared_part(scene, graph)


def nothing_marked(scene: Scene) -> bool | None:
    """Tell whether none of your tensors requires a gradient, and no module is there."""
    if not scene.objects:
        return None
    marked = any(tensor.requires_grad for tensor in scene.tensors().values())
    return not marked and not scene.parameters()


def all_frozen(scene: Scene) -> bool | None:
    """Tell whether your modules have parameters, and all are frozen."""
    if not scene.objects:
        return None
    parameters = scene.parameters()
    return bool(parameters) and not any(p.requires_grad for p in parameters)


def recording_is_off(scene: Scene) -> bool | None:
    """Tell whether the loss was computed where torch does not record."""
    if scene.objects and not torch.is_grad_enabled():
        return True
    return scene.saw(".no_grad", "no_grad", ".inference_mode", ".set_grad_enabled")


def detached(scene: Scene) -> bool | None:
    """Tell whether the code that led to the loss leaves the graph."""
    return scene.saw(".detach", ".detach_", ".item", ".tolist", ".numpy", ".data")


def copied(scene: Scene) -> bool | None:
    """Tell whether the code that led to the loss copies results by torch.tensor."""
    return scene.saw("tensor(copied)")


def jumps(scene: Scene) -> bool | None:
    """Tell whether the code that led to the loss compares, or picks an index."""
    return scene.saw("<", ".argmax", ".argmin", ".argsort", ".eq", ".long", ".int")


def of_a_gradient(scene: Scene) -> bool | None:
    """Tell whether the code that led to the loss differentiates, unrecorded."""
    differentiates = scene.saw(".grad", "grad")
    return differentiates and not scene.saw("create_graph")


def none_is_a_gradient(scene: Scene) -> bool | None:
    """Tell whether the None in the message is a gradient that is missing."""
    if "zero_" in scene.message:
        return True
    if not scene.objects:
        return None if "operand" in scene.message else False
    used = scene.saw(".grad", ".backward")
    return bool(scene.tensors()) if used is None else used


def returned_by_backward(scene: Scene) -> bool | None:
    """Tell whether what backward() returns was kept."""
    return scene.saw("= backward()")


def rebound(scene: Scene) -> bool | None:
    """Tell whether a name was rebound: w = w - something."""
    return scene.saw("w = w -")


def target_is_column(scene: Scene) -> bool | None:
    """Tell whether the target has shape (N, 1)."""
    target = scene.inside.get("target")
    return target.shape[1:] == (1,) if isinstance(target, Tensor) else None


def target_is_one_hot(scene: Scene) -> bool | None:
    """Tell whether the target has a column for each class."""
    column = target_is_column(scene)
    return None if column is None else not column


CHECKS: Mapping[str, Callable[[Scene], bool | None]] = {
    check.__name__: check
    for check in (
        same_loss,
        shared_part,
        carried_over,
        nothing_marked,
        all_frozen,
        recording_is_off,
        detached,
        copied,
        jumps,
        of_a_gradient,
        none_is_a_gradient,
        returned_by_backward,
        rebound,
        target_is_column,
        target_is_one_hot,
    )
}
