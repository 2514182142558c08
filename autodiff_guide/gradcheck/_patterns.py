"""What wrong gradients look like: each pattern is a function of one block.

A pattern returns the kinds it has recognised, the most specific first, and one sentence
to the author of the gradient; or None.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding, close
from autodiff_guide.gradcheck._columns import Status
from autodiff_guide.gradcheck._rearranged import rearranged
from autodiff_guide.gradcheck._terms import chain

Pattern = Callable[[Block], Finding | None]

# A ratio known better than this is exact.
EXACT = 1e-3
# Yours is zero if it is less than this share of the numeric one.
NOTHING = 1e-3


def detached(block: Block) -> Finding | None:
    """Return whether the output carries no gradient although it moves."""
    if block.attached:
        return None
    return ("detached", "zero"), (
        f"the output depends on the input{block.where}, but carries no gradient: it "
        "was detached (.detach(), .data, .item(), no_grad, mark_non_differentiable)"
    )


def nonfinite(block: Block) -> Finding | None:
    """Return where a NaN or an infinity was born."""
    born = ~torch.isfinite(block.yours)
    if not bool(born.any()):
        return None
    row, column = (int(k) for k in born.nonzero()[0])
    return ("nonfinite",), (
        f"your gradient{block.where} is {float(block.yours[row, column])} at "
        f"{int(born.sum())} of {born.numel()} places, first at element "
        f"{block.index(int(block.elements[column]))}, where the input is "
        f"{float(block.x[column]):.6g}: 0 * inf or 0 / 0 in the backward (sqrt, norm, "
        "log or a division at 0; torch.where does not stop a NaN of the branch not "
        "taken)"
    )


def zero(block: Block) -> Finding | None:
    """Return whether yours is zero everywhere although the numeric one is not."""
    least = NOTHING * float(block.numeric.abs().nan_to_num(0, 0, 0).max())
    if bool(block.given.any()) or float(block.yours.abs().max()) > least:
        return None
    return ("zero", "detached"), (
        f"your gradient{block.where} is zero, the numeric one is not: is a branch "
        "detached (.detach(), .data, .item(), no_grad, an integer cast), or does the "
        "backward return None?"
    )


def step(block: Block) -> Finding | None:
    """Return whether the function is flat although yours is not zero."""
    if bool(block.moves.any()):
        return None
    return ("step",), (
        f"the function does not change when the input{block.where} moves a little, yet "
        "your gradient is not zero: a step function (round, sign, argmax) with a "
        "straight-through gradient, or a gradient returned for the wrong input"
    )


def constant_factor(block: Block) -> Finding | None:
    """Return whether yours is one constant times the numeric Jacobian."""
    known, N, A = block.moves, block.numeric, block.yours
    if not bool((known & (A != 0)).any()):
        return None
    n, a, slack = N[known], A[known], block.slack[known]
    c = float((a / n).median())
    slack = (3 * block.slack + 1e-7 * N.abs()) * abs(c)
    if c == 0 or not bool(((A - c * N).abs() <= slack).all()):
        return None
    uncertainty = 3 * float((block.slack[known] / n.abs()).min()) + 1e-7
    where = block.where
    sign = " and has the wrong sign" if c < 0 else ""
    signs = ("sign",) if c < 0 else ()
    times = abs(c)
    whole = max(1, round(max(times, 1 / times)))
    count = Fraction(whole) if times > 1 else Fraction(1, whole)
    small = Fraction(times).limit_denominator(4)
    value = min(count, small, key=lambda v: abs(float(v) / times - 1))
    if abs(float(value) / times - 1) > max(1e-6, uncertainty):
        return ("factor", *signs), (
            f"your gradient{where} is {c:.6g} times the numeric one everywhere: a "
            "constant factor"
        )
    if value == 1:
        if c > 0:
            return None
        return ("sign",), (
            f"your gradient{where} has the wrong sign: it is -1 times the numeric one "
            "everywhere (a deliberate gradient reversal?)"
        )
    sizes = _sizes(block)
    text = str(value)
    about = "" if uncertainty < EXACT else "about "
    if whole > 3 and value == count and whole in sizes:
        way = (
            "a sum in the backward, a mean in the forward"
            if value > 1
            else "a mean in the backward, a sum in the forward"
        )
        return ("reduction", "factor", *signs), (
            f"your gradient{where} is {about}{text} times the numeric one{sign}, and "
            f"{whole} is {sizes[whole]}: {way}?"
        )
    also = value == count and whole in sizes
    hint = f"; {whole} is also {sizes[whole]}: mean for sum?" if also else ""
    if value == Fraction(1, 2):
        hint += " (detaching one of two equal factors leaves 1/2, too)"
    reduced = also or (value == count and whole > 4 and whole != 10)
    kinds = ("factor", "reduction") if reduced else ("factor",)
    return (*kinds, *signs), (
        f"your gradient{where} is {about}{text} times the numeric one everywhere"
        f"{sign}{hint}"
    )


def _sizes(block: Block) -> dict[int, str]:
    """Return the counts that a mean would divide by, and what they count."""
    counts: dict[int, str] = {}
    for what, shape in (("input", block.input_shape), ("output", block.output_shape)):
        for r in range(1, len(shape) + 1):
            for dims in itertools.combinations(range(len(shape)), r):
                count = math.prod(shape[d] for d in dims)
                names = ", ".join(map(str, dims))
                meaning = (
                    f"the number of {what} elements"
                    if r == len(shape)
                    else f"the size of {what} dim{'s' if r > 1 else ''} {names}"
                )
                if count > 1:
                    counts.setdefault(count, meaning)
    return counts


def conjugate(block: Block) -> Finding | None:
    """Return whether yours belongs to the conjugate: torch's convention missed."""
    if not (block.is_complex and block.full):
        return None
    n = math.prod(block.input_shape) // 2
    m = len(block.numeric)
    flip = torch.tensor([1.0, -1.0]).to(block.numeric)
    N, A = block.numeric.view(m, n, 2), block.yours.view(m, n, 2)
    slack = 2 * block.slack.view(m, n, 2)
    if close(A, N * flip, slack) or close(A, -N * flip, slack):
        return ("conjugate",), (
            f"your gradient{block.where} is the complex conjugate of the right one"
        )
    if m % 2:
        return None
    cross = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).to(N).view(1, 2, 1, 2)
    shape = (m // 2, 2, n, 2)
    if close(A.view(shape), N.view(shape) * cross, slack.view(shape)):
        return ("conjugate",), (
            f"your gradient{block.where} is the complex conjugate of the right one: "
            "multiply grad_output by the conjugate of the derivative"
        )
    return None


def inverted_mask(block: Block) -> Finding | None:
    """Return whether yours is zero exactly where the numeric one is not."""
    moves, given = block.moves.any(0), block.given.any(0)
    if not (bool(moves.any()) and bool(given.any())):
        return None
    if bool((moves & given).any()) or float((moves ^ given).double().mean()) <= 0.8:
        return None
    return ("mask",), (
        f"your gradient{block.where} is zero exactly where the numeric one is not, and "
        "the other way round: the mask is inverted"
    )


def offset(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian plus a constant."""
    wrong = block.wrong
    if int(wrong.sum()) < 2:
        return None
    differences = (block.yours - block.numeric)[wrong]
    c = float(differences.median())
    if c == 0:
        return None
    known = 1e-6 * abs(c) + 3 * block.slack[wrong]
    if not bool(((differences - c).abs() <= known).all()):
        return None
    if bool(wrong.all()):
        return ("offset",), (
            f"your gradient{block.where} is the numeric one "
            f"{'+' if c > 0 else '-'} {abs(c):.6g} everywhere: a constant was added"
        )
    if len(wrong) != 1 or not bool(block.both[wrong].all()):
        return None
    hot = ""
    if block.full and len(block.input_shape) == 2:
        per_row = wrong[0].reshape(block.input_shape).sum(-1)
        if bool((per_row == 1).all()):
            hot = ", at one element of every row: a one-hot (target) term is missing"
    if not hot and _threshold(block, wrong[0], ~wrong[0]):
        return None
    return ("offset", "localized"), (
        f"your gradient{block.where} is off by exactly {c:.6g} at {int(wrong.sum())} "
        f"of {_measured(block)}{hot}"
    )


def broadcast(block: Block) -> Finding | None:
    """Return whether only one slice of a broadcast input's uses was counted."""
    missing = block.moves & ~block.given
    osh, ish = block.output_shape, block.input_shape
    if len(block.numeric) < 2 or not block.full or not bool(missing.any()):
        return None
    if math.prod(osh) != len(block.numeric) or math.prod(ish) >= math.prod(osh):
        return None
    wrong = block.wrong.any(1).reshape(osh)
    for d, size in enumerate(osh):
        right = ~wrong.transpose(0, d).reshape(size, -1).any(1)
        if size > 1 and int(right.sum()) == 1:
            return ("broadcast",), (
                f"your gradient{block.where} holds only slice "
                f"{int(right.int().argmax())} of output dim {d}: the sum over the "
                "broadcast dimension is missing"
            )
    return None


def diagonal(block: Block) -> Finding | None:
    """Return whether cross terms, or the diagonal alone, are missing."""
    missing = block.moves & ~block.given
    extra = block.given & ~block.moves
    rows, columns = block.numeric.shape
    if rows < 2 or not bool(missing.any()):
        return None
    if rows == columns and block.full:
        eye = torch.eye(rows, dtype=torch.bool, device=missing.device)
        most = float(missing.sum()) >= 0.5 * float((block.wrong & ~eye).sum())
        if not bool((missing & eye).any()) and not bool((block.given & ~eye).any()):
            if most:
                return ("diagonal",), (
                    f"your Jacobian{block.where} is diagonal, the numeric one is not: "
                    f"{int(missing.sum())} cross terms are missing (a normalisation "
                    "that couples elements, or a statistic treated as a constant)"
                )
        elif torch.equal(missing, block.moves & eye) and not bool(extra.any()):
            return ("diagonal",), (
                f"your Jacobian{block.where} misses its diagonal: an element's own "
                "contribution is left out (exclusive for inclusive?)"
            )
    wide = float(block.wrong.any(0)[block.live].double().mean()) > 0.5
    most = float(missing.sum()) >= 0.5 * float(block.wrong.sum())
    if not (wide and most) or bool(extra.any()):
        return None
    return ("diagonal",), (
        f"your Jacobian{block.where} is zero at {int(missing.sum())} places where the "
        "numeric one is not: cross terms are missing (a coupling, or a statistic "
        "treated as a constant)"
    )


def localized(block: Block) -> Finding | None:
    """Return whether only some elements are wrong, and what they share."""
    wrong = block.wrong.any(0) & block.live
    right = ~block.wrong.any(0) & block.live
    bad, live = int(wrong.sum()), int(block.live.sum())
    many = _measured(block)
    if not bad or bad == live:
        return None
    both = block.both & wrong
    n, a, slack = block.numeric[both], block.yours[both], block.slack[both]
    there = ""
    if len(n):
        c = float((a / n).median())
        near = (a - c * n).abs() <= abs(c) * (slack + 1e-6 * n.abs())
        if abs(c - 1) > 1e-7 and bool(near.all()):
            there = f"; there it is {c:.6g} times the numeric one"
    head = f"your gradient{block.where} is wrong only"
    condition = _threshold(block, wrong, right)
    if condition:
        return ("localized",), (
            f"{head} {condition} ({bad} of {many}){there}: one branch of the function "
            "has a wrong derivative"
        )
    border = _border(block, wrong)
    if border:
        return ("localized",), f"{head} {border}{there}: boundary handling"
    if bad > max(3, live // 2):
        return None
    elements = block.elements[wrong].tolist()
    shown = ", ".join(block.index(k) for k in elements[:4])
    more = ", …" if bad > 4 else ""
    return ("localized",), (f"{head} at {bad} of {many}: {shown}{more}{there}")


def _measured(block: Block) -> str:
    """Return how many elements were measured, and of how many if not of all."""
    measured, whole = len(block.elements), math.prod(block.input_shape)
    if measured == whole:
        return f"{measured} elements"
    return f"the {measured} elements measured (of {whole} in all)"


def _threshold(block: Block, wrong: Tensor, right: Tensor) -> str | None:
    """Return between which values of x, or of |x|, wrong turns into right."""
    if min(int(wrong.sum()), int(right.sum())) < 3:
        return None
    x = block.name
    for name, values in ((x, block.x), (f"|{x}|", block.x.abs())):
        bad, good = values[wrong], values[right]
        if float(bad.max()) < float(good.min()):
            return (
                f"up to {name} = {float(bad.max()):.6g}, and right from {name} = "
                f"{float(good.min()):.6g} on"
            )
        if float(bad.min()) > float(good.max()):
            return (
                f"from {name} = {float(bad.min()):.6g} on, and right up to {name} = "
                f"{float(good.max()):.6g}"
            )
    return None


def _border(block: Block, wrong: Tensor) -> str | None:
    """Return the dimension at whose border all wrong elements lie."""
    if not block.full:
        return None
    where = torch.unravel_index(block.elements[wrong], block.input_shape)
    for d, (size, at) in enumerate(zip(block.input_shape, where, strict=True)):
        indices = sorted(set(at.tolist()))
        if size > 3 and set(indices) <= {0, size - 1}:
            return f"at the border of dim {d} (index {', '.join(map(str, indices))})"
    return None


def bad_kink(block: Block) -> bool:
    """Return whether every wrong element sits on a kink."""
    bad = block.status == Status.BAD_KINK
    return bool(bad.any()) and not bool((block.status == Status.DISAGREE).any())


PATTERNS: tuple[Pattern, ...] = (
    detached,
    nonfinite,
    zero,
    step,
    constant_factor,
    conjugate,
    rearranged,
    inverted_mask,
    chain,
    offset,
    broadcast,
    diagonal,
    localized,
)
