"""How a catalogue makes its entries, finds one by its name, answers a wrong name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from torch import Tensor
from torch.nn import functional


class Named(Protocol):
    """What an entry of a catalogue must have."""

    @property
    def name(self) -> str:
        """Its key."""


Entry = TypeVar("Entry", bound=Named)
T = TypeVar("T")


class Catalogue(Mapping[str, Entry]):
    """Entries by their names, in the order in which they were given.

    Parameters
    ----------
    entries : iterable
        Each has a `name`, which becomes its key.

    Raises
    ------
    KeyError
        Where a name is looked up that no entry has; it says which names come near.

    Examples
    --------
    >>> from autodiff_guide.losses import CATALOGUE
    >>> "l1_loss" in CATALOGUE, "l1" in CATALOGUE
    (True, False)
    >>> CATALOGUE["huber"]
    Traceback (most recent call last):
    KeyError: "name: expected one of this catalogue, got 'huber'; try 'huber_loss'"
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Entry:
        if name in self._entries:
            return self._entries[name]
        spelled = str(name).lower().replace(" ", "_").replace("-", "_")
        near = get_close_matches(spelled, self, n=3, cutoff=0.5) or self
        raise KeyError(
            f"name: expected one of this catalogue, got {name!r}; "
            f"try {', '.join(map(repr, near))}"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"


def entries_of(kind: Callable[..., T], by_hand: object) -> Callable[..., T]:
    """Return what makes an entry: its functions are torch's and ours of its name.

    `function` may be given, where torch's is called otherwise.
    """

    def entry(
        name: str, *, function: Callable[..., Tensor] | None = None, **facts: Any
    ) -> T:
        return kind(
            name=name,
            function=function or getattr(functional, name),
            by_hand=getattr(by_hand, name),
            **facts,
        )

    return entry
