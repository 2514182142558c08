"""Errors of autograd, explained where they appear."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from dataclasses import dataclass
from html import escape
from typing import ParamSpec, TypeVar, overload

from autodiff_guide.pitfalls.catalogue import CATALOGUE
from autodiff_guide.pitfalls.entry import Pitfall

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Explanation:
    """The known pitfalls behind a message; several, if they share their message."""

    message: str
    pitfalls: tuple[Pitfall, ...]

    def __str__(self) -> str:
        if not self.pitfalls:
            return f"autodiff_guide does not know this message: {self.message}"
        return "\n\n".join(map(_paragraph, self.pitfalls))

    def _repr_html_(self) -> str:
        if not self.pitfalls:
            return f"<p>{escape(str(self))}</p>"
        return "".join(
            f"<p><strong>{escape(pitfall.name)}</strong></p><dl>"
            + "".join(
                f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>"
                for term, text in _parts(pitfall)
            )
            + "</dl>"
            for pitfall in self.pitfalls
        )


class _Explaining(ContextDecorator):
    """Does nothing until an exception passes; has no state, so one is enough."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        if error is not None:
            _annotate(error)


_EXPLAINING = _Explaining()


@overload
def explain() -> _Explaining: ...


@overload
def explain(subject: BaseException | str, /) -> Explanation: ...


@overload
def explain(subject: Callable[P, R], /) -> Callable[P, R]: ...


def explain(
    subject: BaseException | str | Callable[P, R] | None = None, /
) -> _Explaining | Explanation | Callable[P, R]:
    """Add to an error of autograd its cause, the tempting wrong fix and the right one.

    As a context manager, ``with explain():``, or as a decorator, ``@explain``, it
    costs nothing until an exception passes. A known one gets a note
    (:meth:`BaseException.add_note`) and passes on; nothing is swallowed. Called on
    an exception or on a message it returns the explanation.

    Parameters
    ----------
    subject : BaseException or str or callable, optional
        An exception, which also gets the note; the message of an error or of a
        warning; or a function to decorate. Without it, a context manager.

    Returns
    -------
    contextlib.ContextDecorator or Explanation or callable
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
      Cause: Several numbers came out, and backward() starts from one.
      Tempting, but wrong: Take one of the outputs; the other two then get no gradient.
      Do this: Sum the outputs, or weigh them: backward(gradient=weights).
      More: pitfalls/refused.html#non-scalar-backward
    """
    if subject is None:
        return _EXPLAINING
    if isinstance(subject, BaseException):
        return _annotate(subject)
    if isinstance(subject, str):
        return _explanation(subject)
    if callable(subject):
        return _EXPLAINING(subject)
    raise TypeError(
        "subject: expected an exception, a message or a function, got "
        f"{type(subject).__name__}; for a context write explain()"
    )


def _explanation(message: str) -> Explanation:
    known = (pitfall for pitfall in CATALOGUE.values() if pitfall.matches(message))
    return Explanation(message, tuple(known))


def _annotate(error: BaseException) -> Explanation:
    explanation = _explanation(str(error))
    for pitfall in explanation.pitfalls:
        note = _paragraph(pitfall)
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    return explanation


def _parts(pitfall: Pitfall) -> tuple[tuple[str, str], ...]:
    return (
        ("Cause", pitfall.cause),
        ("Tempting, but wrong", pitfall.wrong_fix),
        ("Do this", pitfall.fix),
        ("More", pitfall.docs),
    )


def _paragraph(pitfall: Pitfall) -> str:
    lines = (f"  {term}: {text}" for term, text in _parts(pitfall))
    return "\n".join([f"autodiff_guide knows this message: {pitfall.name}", *lines])
