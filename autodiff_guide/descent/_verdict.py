"""A verdict on each start or point: the short name, the sentence, the code in a tensor.

Change here how `Status` and `Kind` are shown and counted.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Self

from torch import Tensor


class Verdict(Enum):
    """A short name, its code as `value`, and a `sentence` with causes."""

    sentence: str

    def __new__(cls, sentence: str) -> Self:
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        member.sentence = sentence
        return member

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")

    @classmethod
    def of(cls, codes: Tensor) -> Self | list[Self]:
        """Return the verdict with this code, or a list of them for many codes."""
        members = list(cls)
        if codes.dim() == 0:
            return members[int(codes)]
        return [members[code] for code in codes.tolist()]

    @classmethod
    def rows(cls, codes: Tensor) -> list[tuple[str, str]]:
        """Return a row of a table for each verdict met, the most frequent first."""
        members, counts = list(cls), Counter(codes.view(-1).tolist()).most_common()
        return [
            (
                f"{count} of {codes.numel()}" if codes.dim() else "status",
                f"{members[code]}: {members[code].sentence}",
            )
            for code, count in counts
        ]
