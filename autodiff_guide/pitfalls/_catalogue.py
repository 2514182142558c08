"""What a pitfall is; what is known of each is in ``catalogue.toml`` beside this file.

A pitfall is one entry there and one page, ``docs/pitfalls/<name>.md``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Cause:
    """One of the mistakes behind a pitfall.

    Attributes
    ----------
    cause, fix : str
        What happened and what to do, a sentence each.
    tempting : str
        The fix that tempts and is wrong; may be empty.
    message : str
        Regular expression: torch's message is like this if it is this cause. Empty
        if the message tells nothing.
    words : sequence of str
        Names in the code that led to the failing line, one of which tells that it may
        be this cause. Empty if no name does.
    check : str
        Name of the check of the live program that tells whether it is this cause.
        Empty if there is none.
    """

    cause: str
    fix: str
    tempting: str = ""
    message: str = ""
    words: Sequence[str] = ()
    check: str = ""


@dataclass(frozen=True)
class Pitfall:
    """A mistake with autograd, by the message that torch gives, or without one.

    Attributes
    ----------
    name : str
        Its name, as in the address of its page.
    message : str
        Regular expression that is found in torch's message; empty if torch says
        nothing and the number is wrong.
    causes : tuple of Cause
        What may have happened, the likeliest first.
    check : str
        Name of the check that a live program must pass, if others raise the same
        message; empty if there is none.

    Examples
    --------
    >>> from autodiff_guide.pitfalls import CATALOGUE
    >>> pitfall = CATALOGUE["non-scalar-backward"]
    >>> pitfall.matches("grad can be implicitly created only for scalar outputs")
    True
    >>> pitfall.page
    'pitfalls/non-scalar-backward.html'
    """

    name: str
    causes: tuple[Cause, ...]
    message: str = ""
    check: str = ""

    @property
    def page(self) -> str:
        """Its page, from the root of the site."""
        return f"pitfalls/{self.name}.html"

    @property
    def link(self) -> str:
        """Its page in the site that ``AUTODIFF_GUIDE_SITE`` names, else the page."""
        site = os.environ.get("AUTODIFF_GUIDE_SITE", "")
        return f"{site.rstrip('/')}/{self.page}" if site else self.page

    def matches(self, message: str) -> bool:
        """Tell whether `message` is what torch says when this happens."""
        return bool(self.message) and re.search(self.message, message) is not None


def read(file: str) -> dict[str, Any]:
    """Return the tables of a file beside this one."""
    return tomllib.loads(files(__package__).joinpath(file).read_text("utf-8"))


def _pitfall(name: str, causes: list[dict[str, Any]], **entry: str) -> Pitfall:
    return Pitfall(name, tuple(Cause(**cause) for cause in causes), **entry)


CATALOGUE: Mapping[str, Pitfall] = MappingProxyType(
    {name: _pitfall(name, **entry) for name, entry in read("catalogue.toml").items()}
)
