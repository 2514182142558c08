"""From a wrong Jacobian to a keyword and a sentence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from autodiff_guide.gradcheck._base import Base
from autodiff_guide.gradcheck._block import Block, blocks
from autodiff_guide.gradcheck._localise import Evidence
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._patterns import PATTERNS, Finding, bad_kink, close

# Patterns that a detached part of the graph explains.
EXPLAINED_BY_DETACHING = {
    "mismatch",
    "factor",
    "diagonal",
    "chain",
    "localized",
    "offset",
}


def diagnose(
    problem: Map, base: Base, evidence: Evidence, names: tuple[str, ...]
) -> Finding:
    """Return kinds, the most specific first, and one sentence for the author."""
    all_blocks = blocks(problem, base, evidence, names)
    wrong = [b for b in all_blocks if bool(b.wrong.any())]
    if not wrong:
        return ("mismatch",), "your gradient differs from the numeric one"
    worst = wrong[0]
    kinds, sentence = _explain(worst, wrong, evidence)
    right = {b.input for b in all_blocks} - {b.input for b in wrong}
    if right:
        sentence += f" (right: {', '.join(names[i] for i in sorted(right))})"
    more = [kind for b in wrong[1:4] for kind in _explain(b, wrong, evidence)[0]]
    kinds = tuple(dict.fromkeys([*kinds, *(k for k in more if k != "mismatch")]))
    if EXPLAINED_BY_DETACHING.intersection(kinds):
        culprit = find_detachment(problem)
        if culprit:
            generic = kinds[0] == "mismatch"
            kinds = ("detached", *kinds) if generic else (*kinds, "detached")
            sentence += (
                f"; the function calls {culprit} on a value that needs its gradient"
            )
    return tuple(dict.fromkeys(kinds)), sentence


def _explain(block: Block, wrong: list[Block], evidence: Evidence) -> Finding:
    """Return the first pattern that fits a block."""
    if bad_kink(block) and evidence.kink is not None:
        return _kink(block, evidence)
    for pattern in PATTERNS:
        finding = pattern(block)
        if finding is None:
            continue
        if finding[0][0] != "sign" and bool(block.given.any()):
            swapped = _swapped(block, wrong)
            if swapped is not None:
                return swapped
        return finding
    return _swapped(block, wrong) or _mismatch(block)


def _kink(block: Block, evidence: Evidence) -> Finding:
    assert_kink = evidence.kink
    if assert_kink is None:
        return _mismatch(block)
    column, output, left, right = assert_kink
    yours = float(evidence.yours[column, output])
    return ("kink",), (
        f"kink: the slope is {left:.6g} on the left and {right:.6g} on the right; yours, "
        f"{yours:.6g}, does not lie between them"
    )


def _swapped(block: Block, wrong: list[Block]) -> Finding | None:
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
                f"the gradients of inputs {first} and {second} are swapped, each equals "
                "the numeric gradient of the other: check the order in which backward "
                "returns them"
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
        f"{block.wrong.numel()} entries ({spread}, cosine similarity {cosine:.4f}): a term "
        "is missing or wrong"
    )


class _Watch(TorchFunctionMode):
    """Notes calls that cut a value off from its graph."""

    CUTS = {  # noqa: RUF012 - a table of functions, never changed
        torch.Tensor.detach: ".detach()",
        torch.Tensor.detach_: ".detach_()",
        torch.Tensor.data.__get__: ".data",  # type: ignore[attr-defined]
        torch.Tensor.item: ".item()",
        torch.Tensor.tolist: ".tolist()",
        torch.Tensor.numpy: ".numpy()",
    }

    def __init__(self) -> None:
        super().__init__()
        self.found: str | None = None

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ):
        first = args[0] if args else None
        if (
            isinstance(first, Tensor)
            and first.requires_grad
            and torch.is_grad_enabled()
        ):
            self.found = self.found or self.CUTS.get(func)
        return func(*args, **(kwargs or {}))


def find_detachment(problem: Map) -> str | None:
    """Return the call in `fn` that detaches a value which needs a gradient."""
    with _Watch() as watch:
        problem.graph()
    return watch.found
