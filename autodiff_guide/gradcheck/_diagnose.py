"""From a wrong Jacobian to a keyword and a sentence."""

from __future__ import annotations

import torch

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._block import Block, Finding, blocks, close
from autodiff_guide.gradcheck._clues import find_detachment, find_low_precision
from autodiff_guide.gradcheck._columns import Evidence
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._patterns import PATTERNS, bad_kink

# Findings that a detached value explains better, and those it explains as well.
CAUSED_BY_DETACHING = ("mismatch", "chain", "offset", "localized")
FITS_DETACHING = ("factor", "diagonal")
# Findings of one number for all elements, and those that add nothing to it.
CONSTANT = ("sign", "factor", "reduction")
EXPLAINED = ("chain", "offset", "shift", "localized")


def diagnose(
    problem: Map, base: Base, evidence: Evidence, names: tuple[str, ...]
) -> Finding:
    """Return kinds, the most specific first, and one sentence for the author."""
    all_blocks = blocks(problem, base, evidence, names)
    wrong = [b for b in all_blocks if bool(b.wrong.any())]
    if not wrong:
        return ("mismatch",), "your gradient differs from the numeric one"
    worst = wrong[0]
    kinds, sentence = _explain(worst, wrong, evidence, names)
    right = {b.input for b in all_blocks} - {b.input for b in wrong}
    if right:
        sentence += f" (right: {', '.join(names[i] for i in sorted(right))})"
    others = (_explain(b, wrong, evidence, names)[0] for b in wrong[1:4])
    more = [kind for kinds in others for kind in kinds]
    kinds = tuple(dict.fromkeys([*kinds, *(k for k in more if k != "mismatch")]))
    if kinds[0] in CAUSED_BY_DETACHING + FITS_DETACHING:
        cut = find_detachment(problem)
        if cut:
            caused = kinds[0] in CAUSED_BY_DETACHING
            kinds = ("detached", *kinds) if caused else (*kinds, "detached")
            sentence += f"; the function uses {cut} on a value that needs its gradient"
        cast = find_low_precision(problem)
        if cast and _error(worst) < 10 * cast[1]:
            kinds = ("low-precision", *kinds)
            sentence = f"your gradient is rounded: {cast[0]}; {sentence}"
    return tuple(dict.fromkeys(kinds)), sentence


def _error(block: Block) -> float:
    """Return the largest relative error of a block."""
    size = torch.maximum(block.numeric.abs(), block.yours.abs()).max()
    return float((block.yours - block.numeric).abs().max() / size)


def _explain(
    block: Block, wrong: list[Block], evidence: Evidence, names: tuple[str, ...]
) -> Finding:
    """Return the first pattern that fits a block, and the kinds of all that do."""
    if bad_kink(block) and evidence.kink is not None:
        return _kink(evidence, evidence.kink)
    findings = [f for f in (pattern(block) for pattern in PATTERNS) if f is not None]
    swapped = _swapped(block, wrong, names)
    if swapped is not None:
        first = not findings or findings[0][0][0] not in ("sign", "zero", "detached")
        findings.insert(0 if first else 1, swapped)
    if not findings:
        return _mismatch(block)
    kinds = tuple(kind for kinds, _ in findings for kind in kinds)
    if kinds[0] in CONSTANT:
        kinds = tuple(kind for kind in kinds if kind not in EXPLAINED)
    return kinds, findings[0][1]


def _kink(evidence: Evidence, kink: tuple[int, int, float, float]) -> Finding:
    """Return the slopes on both sides of a kink, and yours outside of them."""
    column, output, left, right = kink
    yours = float(evidence.yours[column, output])
    return ("kink",), (
        f"the slope is {left:.6g} on the left and {right:.6g} on the right; "
        f"yours, {yours:.6g}, does not lie between them"
    )


def _swapped(
    block: Block, wrong: list[Block], names: tuple[str, ...]
) -> Finding | None:
    """Return whether another input's gradient stands in this block's place."""
    for other in wrong:
        if (
            other.input == block.input
            or other.output != block.output
            or other.input_shape != block.input_shape
            or not (block.full and other.full)
        ):
            continue
        slack = block.slack + other.slack
        if close(block.yours, other.numeric, slack) and close(
            other.yours, block.numeric, slack
        ):
            first, second = sorted((block.input, other.input))
            return ("swapped",), (
                f"the gradients of {names[first]} and {names[second]} are swapped, "
                "each equals the numeric gradient of the other: check the order in "
                "which backward returns them"
            )
    return None


def _mismatch(block: Block) -> Finding:
    """Return how far off a gradient is that fits no pattern."""
    both = block.wrong & block.moves
    relative = ((block.yours - block.numeric) / block.numeric).abs()[both]
    spread = (
        f"relative error {float(relative.min()):.1e} to {float(relative.max()):.1e}"
        if len(relative)
        else "the numeric slope is zero there"
    )
    norms = float(block.yours.norm() * block.numeric.norm())
    cosine = float((block.yours * block.numeric).sum()) / norms if norms else 0.0
    return ("mismatch",), (
        f"your gradient{block.where} differs at {int(block.wrong.sum())} of "
        f"{block.wrong.numel()} entries ({spread}, cosine similarity {cosine:.4f}): a "
        "term is missing or wrong"
    )
