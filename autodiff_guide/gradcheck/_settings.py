"""What a user may choose: add an option here, and say so in `check_gradient`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The options of every check, as `check_gradient` describes them."""

    probes: int = 2
    seed: int = 0
    full: bool = False
    strict: bool = False
    # Slopes that differ by less than this of their value are taken for equal.
    rtol: float = 1e-7
    atol: float = 0.0
    order: int = 1
    forward: bool = False

    def __post_init__(self) -> None:
        if self.probes < 1:
            raise ValueError(f"probes: expected at least 1, got {self.probes}")
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: expected a number from 0 on, got {value}")
        if self.order not in (1, 2):
            raise ValueError(f"order: expected 1 or 2, got {self.order}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """Return the options that a user chose; raise TypeError for an unknown one."""
        known = [field.name for field in fields(cls)]
        for name in set(options).difference(known):
            raise TypeError(
                f"{name}: no option of check_gradient; it has {', '.join(known)}"
            )
        return cls(**options)
