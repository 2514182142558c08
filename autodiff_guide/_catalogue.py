"""A mapping from names to entries; change here what a wrong name is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar

T = TypeVar("T")


class Catalogue(Mapping[str, T], Generic[T]):
    """Entries by name, in the order given; a wrong name suggests the nearest."""

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        if name in self._entries:
            return self._entries[name]
        near = get_close_matches(str(name), self._entries, n=1, cutoff=0)
        raise KeyError(f"no entry {name!r}; did you mean {near[0]!r}?")

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Catalogue({', '.join(self._entries)})"
