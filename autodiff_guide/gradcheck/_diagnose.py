"""From a wrong Jacobian to a verdict, a keyword and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._block import Block, Jacobian, sides_of
from autodiff_guide.gradcheck._columns import Evidence, Status
from autodiff_guide.gradcheck._kinds import KINDS
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._patterns import PATTERNS

# Findings that a detached value explains better, and those it explains as well.
CAUSED_BY_DETACHING = ("mismatch", "chain", "offset", "localized")
FITS_DETACHING = ("factor", "diagonal")
# What detaches a value.
CUTS = ("detach", "detach_", "data", "item", "tolist", "numpy")


def diagnose(
    user: Map, compared: Map, base: Base, evidence: Evidence, names: Sequence[str]
) -> tuple[str, tuple[str, ...], str]:
    """Return a verdict, kinds, the most specific first, and a sentence to the author.

    The evidence is on `compared`: the map of the user, or sums of its outputs.
    """
    if evidence.kink is not None and not evidence.count(Status.DISAGREE):
        sentence = f"{sides_of(evidence, evidence.kink)}, and does not lie between them"
        return "fail", ("kink",), sentence
    found = Jacobian(user, compared, base, evidence, names).blocks
    wrong = [block for block in found if block.wrong.any()]
    findings = [_explain(block) for block in wrong[:4]]
    kinds, sentence = findings[0]
    sentence = f"your gradient{wrong[0].where}{sentence}"
    right = {block.input for block in found} - {block.input for block in wrong}
    if right:
        sentence += f" (right: {', '.join(names[i] for i in sorted(right))})"
    for block, (other, _) in zip(wrong[1:], findings[1:], strict=False):
        if other[0] != "swapped":
            sentence += f";{block.where}: {other[0]}"
        kinds += tuple(kind for kind in other if kind != "mismatch")
    if kinds[0] in CAUSED_BY_DETACHING + FITS_DETACHING:
        with _WatchCuts() as watch:
            user.graph()
        if watch.found:
            caused = kinds[0] in CAUSED_BY_DETACHING
            kinds = ("detached", *kinds) if caused else (*kinds, "detached")
            sentence += f"; the function uses .{watch.found} on a value that needs grad"
    close = all(other == ("low-precision",) for other, _ in findings)
    return "inconclusive" if close else "fail", tuple(dict.fromkeys(kinds)), sentence


def _explain(block: Block) -> tuple[tuple[str, ...], str]:
    """Return the first thing that a pattern finds in a block."""
    kinds, text = next(chain.from_iterable(pattern(block) for pattern in PATTERNS))
    meaning = KINDS[kinds[0]].removeprefix("The gradient").removesuffix(".")
    return kinds, text or meaning


class _WatchCuts(TorchFunctionMode):
    """Notes the first call that cuts a value off from its graph."""

    found: str | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":  # of a property, such as x.data
            name = func.__self__.__name__
        # A custom Function runs its forward without grad, too, and that is right.
        known = name in CUTS and torch.is_grad_enabled() and args
        if known and args[0].requires_grad:
            self.found = self.found or name
        return func(*args, **(kwargs or {}))
