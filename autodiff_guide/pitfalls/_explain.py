"""Errors of autograd, explained where they appear: edit what ``explain`` says here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast, overload

from autodiff_guide._printed import Printed, Table
from autodiff_guide.pitfalls import _evidence
from autodiff_guide.pitfalls._catalogue import CATALOGUE, Cause, Pitfall
from autodiff_guide.pitfalls._evidence import Scene, scene

F = TypeVar("F", bound=Callable[..., Any])
_ERROR = re.compile(r"^[\w.]*(?:Error|Exception|Warning): ", re.MULTILINE)


@dataclass(frozen=True)
class Explanation(Printed):
    """The known pitfall behind a message, if there is one, and what caused it.

    Attributes
    ----------
    message : str
        What torch said.
    pitfall : Pitfall or None
        The pitfall with this message.
    causes : tuple of Cause
        Those of its causes that fit what could be seen, the likeliest first.
    """

    message: str
    pitfall: Pitfall | None = None
    causes: tuple[Cause, ...] = ()

    def _table(self) -> Table:
        if self.pitfall is None:
            return Table("autodiff_guide does not know this message", [(self.message,)])
        rows = []
        for number, cause in enumerate(self.causes, 1):
            one_of = f"{number}. " if len(self.causes) > 1 else ""
            rows += [(f"{one_of}Cause", cause.cause)]
            if cause.tempting and not one_of:
                rows += [("Tempting, but wrong", cause.tempting)]
            rows += [(f"{one_of}Do this", cause.fix)]
        caption = f"autodiff_guide knows this message: {self.pitfall.name}"
        return Table(caption, [*rows, ("More", self.pitfall.link)])


class _Explaining:
    """Does nothing until an exception passes; has no state, so one is enough."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        if error is not None:
            with suppress(Exception):  # your error passes, whatever the note meets
                _annotate(error)

    def __call__(self, fn: F) -> F:
        return cast(F, wraps(fn)(_entered(fn)))


_EXPLAINING = _Explaining()


def _entered(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return `fn` run within the context, also if it awaits or yields."""

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with _EXPLAINING:
            return await fn(*args, **kwargs)

    def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _EXPLAINING:
            return (yield from fn(*args, **kwargs))

    def called(*args: Any, **kwargs: Any) -> Any:
        with _EXPLAINING:
            return fn(*args, **kwargs)

    if inspect.iscoroutinefunction(fn):
        return awaited
    return generated if inspect.isgeneratorfunction(fn) else called


@overload
def explain() -> _Explaining: ...


@overload
def explain(subject: BaseException | str, /) -> Explanation: ...


@overload
def explain(subject: F, /) -> F: ...


def explain(
    subject: BaseException | str | F | None = None, /
) -> _Explaining | Explanation | F:
    """Add to an error of autograd its cause, the tempting wrong fix and the right one.

    As a context manager, ``with explain():``, or as a decorator, ``@explain``, it
    costs nothing until an exception passes. A known one gets a note
    (:meth:`BaseException.add_note`) and passes on; nothing is swallowed. Called on
    an exception or on a message it returns the explanation. Of an exception it also
    looks at the code and the tensors where it was raised: if a message has several
    causes, those are named that fit.

    ``python -m autodiff_guide explain "message"`` answers in a terminal, and reads a
    traceback from the standard input if there is no message. Links lead to the site
    that the environment variable ``AUTODIFF_GUIDE_SITE`` names.

    Parameters
    ----------
    subject : BaseException or str or callable, optional
        An exception, which also gets the note; the message of an error or of a
        warning, or a whole traceback as text; or a function to decorate, also one
        that awaits or yields. Without it, a context manager.

    Returns
    -------
    context manager, Explanation or callable
        What `subject` asks for.

    Raises
    ------
    TypeError
        If `subject` is none of these.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> try:
    ...     with explain():
    ...         x.backward()
    ... except RuntimeError as error:
    ...     print(error.__notes__[0])
    autodiff_guide knows this message: non-scalar-backward
    Cause                Several numbers came out, and backward() starts from one.
    Tempting, but wrong  Take one of the outputs; the others then get no gradient.
    Do this              Sum the outputs, or weigh them: backward(gradient=weights).
    More                 pitfalls/non-scalar-backward.html
    """
    if subject is None:
        return _EXPLAINING
    if isinstance(subject, BaseException):
        return _annotate(subject)
    if isinstance(subject, str):
        messages = _ERROR.split(subject)  # of a traceback; the last comes first
        found = [_explanation(Scene(message)) for message in reversed(messages)]
        return next((known for known in found if known.pitfall), found[0])
    if callable(subject):
        return _EXPLAINING(subject)
    raise TypeError(
        "subject: expected an exception, a message or a function, got "
        f"{type(subject).__name__}; for a context write explain()"
    )


def _explanation(seen: Scene) -> Explanation:
    message = " ".join(seen.message.split())
    for pitfall in CATALOGUE.values():
        if pitfall.matches(message) and _answer(pitfall.check, seen) is not False:
            return Explanation(seen.message, pitfall, _fitting(pitfall, message, seen))
    return Explanation(seen.message)


def _answer(check: str, seen: Scene) -> bool | None:
    """Return what the check of this name tells; None if there is none."""
    answer: bool | None = getattr(_evidence, check)(seen) if check else None
    return answer


def _verdict(cause: Cause, message: str, seen: Scene) -> bool | None:
    """Tell whether it was `cause`; None if nothing that was seen tells."""
    if cause.message and not re.search(cause.message, message):
        return False
    answers = [_answer(cause.check, seen)]
    if cause.words and seen.words is not None:
        answers.append(not seen.words.isdisjoint(cause.words))
    return True in answers if {True, False} & {*answers} else None


def _fitting(pitfall: Pitfall, message: str, seen: Scene) -> tuple[Cause, ...]:
    """Return the causes that are proved; if none is, those that are not disproved."""
    judged = [(cause, _verdict(cause, message, seen)) for cause in pitfall.causes]
    proved = tuple(cause for cause, verdict in judged if verdict)
    possible = tuple(cause for cause, verdict in judged if verdict is None)
    return proved or possible or pitfall.causes


def _annotate(error: BaseException) -> Explanation:
    """Explain `error` or, if it is not known, the one that it was raised from."""
    explanation = _explanation(scene(error))
    if explanation.pitfall is None:
        context = None if error.__suppress_context__ else error.__context__
        origin = error.__cause__ or context
        found = _annotate(origin) if origin else explanation
        return found if found.pitfall else explanation
    note = str(explanation)
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return explanation
