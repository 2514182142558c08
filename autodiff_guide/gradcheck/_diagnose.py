"""From a wrong Jacobian to a verdict, a keyword and a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from inspect import getattr_static
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._block import Block, Finding, blocks
from autodiff_guide.gradcheck._columns import Evidence, Status
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._patterns import PATTERNS

# Findings that a detached value explains better, and those it explains as well.
CAUSED_BY_DETACHING = ("mismatch", "chain", "offset", "localized")
FITS_DETACHING = ("factor", "diagonal")
# A relative error from which on a term is missing.
SMALL = 1e-2
CUTS = {
    torch.Tensor.detach: ".detach()",
    torch.Tensor.detach_: ".detach_()",
    getattr_static(torch.Tensor, "data").__get__: ".data",
    torch.Tensor.item: ".item()",
    torch.Tensor.tolist: ".tolist()",
    torch.Tensor.numpy: ".numpy()",
}


def diagnose(
    user: Map, compared: Map, base: Base, evidence: Evidence, names: Sequence[str]
) -> tuple[str, tuple[str, ...], str]:
    """Return a verdict, kinds, the most specific first, and a sentence to the author.

    The evidence is on `compared`: the map of the user, or sums of its outputs.
    """
    if evidence.kink is not None and not evidence.count(Status.DISAGREE):
        return "fail", *_kink(evidence, evidence.kink)
    found = blocks(user, compared, base, evidence, names)
    wrong = [block for block in found if bool(block.wrong.any())]
    findings = [_explain(block, wrong, names) for block in wrong[:4]]
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
            sentence += f"; the function uses {watch.found} on a value that needs grad"
    close = all(other == ("low-precision",) for other, _ in findings)
    verdict = "inconclusive" if close else "fail"
    return verdict, tuple(dict.fromkeys(kinds)), sentence


def _explain(block: Block, wrong: list[Block], names: Sequence[str]) -> Finding:
    """Return the first pattern that fits a block."""
    fits = (pattern(block) for pattern in PATTERNS)
    finding = _swapped(block, wrong, names) or next(filter(None, fits), None)
    return finding or _mismatch(block)


def _kink(evidence: Evidence, kink: tuple[int, int, float, float]) -> Finding:
    """Return the slopes on both sides of a kink, and yours outside of them."""
    column, output, left, right = kink
    yours = float(evidence.yours[column, output])
    return ("kink",), (
        f"the slope is {left:.6g} on the left and {right:.6g} on the right; "
        f"yours, {yours:.6g}, does not lie between them"
    )


def _swapped(block: Block, wrong: list[Block], names: Sequence[str]) -> Finding | None:
    """Return whether another input's gradient stands in this block's place."""
    for other in wrong:
        if (
            other.input != block.input
            and other.output == block.output
            and other.input_shape == block.input_shape
            and block.moved_to(*other.given_at(block.rows, block.elements))
            and other.moved_to(*block.given_at(other.rows, other.elements))
        ):
            first, second = sorted((block.input, other.input))
            return ("swapped",), (
                " is the numeric one of another input: the gradients of "
                f"{names[first]} and {names[second]} are swapped, check the order in "
                "which backward returns them"
            )
    return None


def _mismatch(block: Block) -> Finding:
    """Return how far off, and where, a gradient is that fits no pattern."""
    apart = (block.yours - block.numeric).abs().where(block.wrong, 0.0)
    largest = float(block.numeric.abs().max())
    worst = block.index(int(apart.amax(0).argmax()))
    share = float(apart.max()) / largest if largest else math.inf
    what = "a term is missing or wrong"
    if share < SMALL:
        what = "a small term is missing, a constant rounded, or a formula approximate"
    return ("mismatch",), (
        f" differs at {int(block.wrong.sum())} of {block.wrong.numel()} entries, by "
        f"up to {share:.1e} of the largest slope, most at {block.name}{worst}: {what}"
    )


class _WatchCuts(TorchFunctionMode):
    """Notes the first call that cuts a value off from its graph."""

    found: str | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        cut = CUTS.get(func)
        # A custom Function runs its forward without grad, too, and that is right.
        if cut and torch.is_grad_enabled() and args[0].requires_grad:
            self.found = self.found or cut
        return func(*args, **(kwargs or {}))
