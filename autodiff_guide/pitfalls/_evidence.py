"""What a failed program tells about the cause of its error: add a check here.

A check looks at a :class:`Scene` and answers whether it is this cause; None if it
cannot tell. ``catalogue.toml`` calls it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import GEN_CLOSED, getgeneratorstate, isgenerator
from pathlib import Path
from traceback import walk_tb
from types import CodeType

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autodiff_guide.pitfalls._source import TORCH
from autodiff_guide.pitfalls._source import words as read_words

_OWN = str(Path(__file__).parent.parent)


@dataclass(frozen=True)
class Scene:
    """What can be seen where an error was raised.

    ``objects`` are your variables, ``inside`` those of torch's functions. ``words``
    are the names in the code that led to the failing line, as ``_source.py`` finds
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
    yours = []
    for frame, line in walk_tb(error.__traceback__):
        path = frame.f_code.co_filename
        if path.startswith(TORCH):
            inside.update(frame.f_locals)
        elif not path.startswith(_OWN):
            kept = getattr(frame.f_locals.get("self"), "__dict__", {})
            objects.update({f".{name}": value for name, value in kept.items()})
            objects.update(frame.f_locals)
            yours.append((frame, line))
    entered: set[CodeType] = set()
    for frame, line in reversed(yours):
        found = read_words(frame, line, entered)
        words = words if found is None else found | (words or set())
        entered.add(frame.f_code)
        given = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        if found is not None and found.isdisjoint({*given, *frame.f_code.co_freevars}):
            break  # what failed was made here, so the callers tell nothing
    seen = None if words is None else frozenset(words)
    return Scene(str(error), objects, inside, seen)


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


def an_optimizer_is_there(scene: Scene) -> bool | None:
    """Tell whether an optimizer is among your variables."""
    kinds = [isinstance(value, Optimizer) for value in scene.objects.values()]
    return any(kinds) if scene.objects else None


def nothing_found(scene: Scene) -> bool | None:
    """Tell whether your modules have no parameters at all."""
    return not scene.parameters() if scene.objects else None


def parameters_used_up(scene: Scene) -> bool | None:
    """Tell whether an iterator of yours has reached its end, such as parameters()."""
    ended = (
        isgenerator(value) and getgeneratorstate(value) == GEN_CLOSED
        for value in scene.objects.values()
    )
    return any(ended) if scene.objects else None


def loss_was_made(scene: Scene) -> bool:
    """Tell whether the error was raised where a loss is made, not called."""
    made = "size_average" in scene.inside and "target" not in scene.inside
    return made or "backward" in scene.message


def none_is_a_gradient(scene: Scene) -> bool | None:
    """Tell whether the None in the message is a gradient that is missing."""
    if "zero_" in scene.message:
        return True
    if not scene.objects:
        return None if "operand" in scene.message else False
    if scene.words is None:
        return bool(scene.tensors())
    return "a gradient" in scene.words


def in_a_loss(scene: Scene) -> bool | None:
    """Tell whether the error was raised inside a loss, which has a target."""
    return "target" in scene.inside if scene.objects else None


def target_is_column(scene: Scene) -> bool | None:
    """Tell whether the target has shape (N, 1) or (N, 1, …)."""
    target = scene.inside.get("target")
    return target.shape[1:2] == (1,) if isinstance(target, Tensor) else None


def target_is_one_hot(scene: Scene) -> bool | None:
    """Tell whether the target has a column for each class."""
    target = scene.inside.get("target")
    return target.shape[1:2] != (1,) if isinstance(target, Tensor) else None
