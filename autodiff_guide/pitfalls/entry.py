"""What a pitfall is, and how a small class of three functions becomes one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal, Protocol

import torch
from torch import Tensor

Answer = tuple[Tensor | None, Tensor]


class DidNotRunError(RuntimeError):
    """An example was left out: it needs a device that is not there."""


@dataclass(frozen=True, eq=False)
class Pitfall:
    """A mistake with autograd: run it, run its tempting wrong fix, run its cure.

    Attributes
    ----------
    name : str
        Its name, as in the address of its page.
    kind : {"refused", "silent"}
        Whether torch raises or warns, or says nothing and the number is wrong.
    message_pattern : str or None
        Regular expression that is found in torch's message; None if silent.
    cause, wrong_fix, fix : str
        One or two sentences each.
    broken : callable
        The mistake. A refused one raises or warns; a silent one returns
        ``(got, truth)``, which differ.
    tempting : callable
        The wrong fix. It raises, or returns ``(got, truth)``, which differ.
    repaired : callable
        The cure. It returns ``(got, truth)``, which agree.

    Examples
    --------
    >>> from autodiff_guide.pitfalls import CATALOGUE
    >>> CATALOGUE["second-backward"].repaired()
    (tensor(4.), tensor(4.))
    """

    name: str
    kind: Literal["refused", "silent"]
    message_pattern: str | None
    cause: str
    wrong_fix: str
    fix: str
    broken: Callable[[], object]
    tempting: Callable[[], Answer]
    repaired: Callable[[], Answer]

    @property
    def docs(self) -> str:
        """Where the site explains it, from the site's root."""
        return f"pitfalls/{self.kind}.html#{self.name}"

    def matches(self, message: str) -> bool:
        """Tell whether `message` is what torch says when this happens."""
        pattern = self.message_pattern
        return pattern is not None and re.search(pattern, message, re.S) is not None


class Lesson(Protocol):
    """A mistake, a wrong fix and a cure: functions in a class, for its name.

    The docstring of the class says why, those of the functions what is done.
    """

    broken: Callable[[], object]
    tempting: Callable[[], Answer]
    repaired: Callable[[], Answer]


def refused(message_pattern: str) -> Callable[[type[Lesson]], Pitfall]:
    """Turn a class of three functions into a pitfall that torch refuses."""
    return lambda lesson: _pitfall(lesson, "refused", message_pattern)


def silent(lesson: type[Lesson]) -> Pitfall:
    """Turn a class of three functions into a pitfall that raises nothing."""
    return _pitfall(lesson, "silent", None)


def second_device() -> torch.device:
    """Return a device beside the CPU, or raise `DidNotRunError`."""
    if torch.accelerator.is_available():
        device = torch.accelerator.current_accelerator()
        if device is not None:
            return device
    raise DidNotRunError("did not run: it needs an accelerator, and there is none here")


def _pitfall(
    lesson: type[Lesson],
    kind: Literal["refused", "silent"],
    message_pattern: str | None,
) -> Pitfall:
    return Pitfall(
        name=re.sub("(?<=[a-z0-9])(?=[A-Z])", "-", lesson.__name__).lower(),
        kind=kind,
        message_pattern=message_pattern,
        cause=_sentence(lesson),
        wrong_fix=_sentence(lesson.tempting),
        fix=_sentence(lesson.repaired),
        broken=lesson.broken,
        tempting=lesson.tempting,
        repaired=lesson.repaired,
    )


def _sentence(documented: object) -> str:
    return " ".join(cleandoc(documented.__doc__ or "").split())
