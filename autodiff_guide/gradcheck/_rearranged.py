"""Wrong gradients whose elements are right and stand in wrong places."""

from __future__ import annotations

import itertools
import math

from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding, close


def rearranged(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian with its elements moved."""
    ish, osh = block.input_shape, block.output_shape
    if not block.full or math.prod(osh) != len(block.numeric):
        return None
    N, A, slack = (
        t.reshape((*osh, *ish)) for t in (block.numeric, block.yours, block.slack)
    )
    first, dims = len(osh), len(osh) + len(ish)
    for d, e in itertools.combinations(range(dims), 2):
        if N.shape[d] != N.shape[e] or N.shape[d] < 2 or e < first:
            continue
        order = list(range(dims))
        order[d], order[e] = order[e], order[d]
        if close(A, N.permute(order), slack + slack.permute(order)):
            what = (
                f"the transpose of the numeric one (output dim {d}, input dim "
                f"{e - first})"
                if d < first
                else f"transposed (input dims {d - first} and {e - first} are swapped)"
            )
            return ("transposed",), (
                f"your gradient{block.where} is {what}: a .T is missing or one too many"
            )
    rows, columns = block.numeric.shape
    if rows == columns and close(
        block.yours, block.numeric.T, block.slack + block.slack.T
    ):
        return ("transposed", "flip"), (
            f"your Jacobian{block.where} is the transpose of the numeric one: a kernel "
            "is used without its flip, or a matrix without .T"
        )
    folded = _folded_transpose(block)
    if folded:
        return folded
    for e, size in enumerate(ish):
        if size < 3:
            continue
        dim = first + e
        for k in (1, -1, 2, -2):
            whole = close(A, N.roll(k, dim), slack + slack.roll(k, dim))
            if whole or _shifted_inside(A, N, slack, k, dim):
                return ("shift",), (
                    f"your gradient{block.where} is shifted by {k:+d} along dim {e}: "
                    "an off-by-one index"
                )
    return _flipped(block, A, N, slack, first)


def _flipped(
    block: Block, A: Tensor, N: Tensor, slack: Tensor, first: int
) -> Finding | None:
    """Return whether A is N reversed along some input dims."""
    for r in range(1, len(block.input_shape) + 1):
        for dims in itertools.combinations(range(first, A.dim()), r):
            if close(A, N.flip(dims), slack + slack.flip(dims)):
                names = ", ".join(str(d - first) for d in dims)
                return ("flip",), (
                    f"your gradient{block.where} is reversed along dim {names}: a flip "
                    "is missing, or one too many"
                )
    return None


def _shifted_inside(A: Tensor, N: Tensor, slack: Tensor, k: int, dim: int) -> bool:
    """Return whether A is N shifted by k along dim, but for the border."""
    size = A.shape[dim] - abs(k)
    if size < 2:
        return False
    here, there = max(k, 0), max(-k, 0)
    inner = N.narrow(dim, there, size)
    if not bool((inner.abs() > slack.narrow(dim, there, size)).any()):
        return False
    both = slack.narrow(dim, here, size) + slack.narrow(dim, there, size)
    return close(A.narrow(dim, here, size), inner, both)


def _folded_transpose(block: Block) -> Finding | None:
    """Return whether yours is the transpose written into the untransposed shape."""
    shape = block.input_shape
    if len(shape) != 2 or shape[0] == shape[1] or min(shape) < 2:
        return None
    m = len(block.numeric)
    moved, slack = (
        t.view(m, *shape).transpose(1, 2).reshape(m, -1)
        for t in (block.numeric, block.slack)
    )
    if not close(block.yours, moved, block.slack + slack):
        return None
    return ("transposed",), (
        f"your gradient{block.where} is transposed and reshaped back: use .T, not "
        "reshape"
    )
