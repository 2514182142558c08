"""What wrong gradients look like: to name one more mistake, add a pattern here.

A pattern is a function of one block. It returns the kinds it has recognised, the most
specific first, and what is said after "your gradient"; or None. The first of `PATTERNS`
that fits is told.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block, Finding
from autodiff_guide.gradcheck._terms import chain

# A ratio is 2, or 2/3, if it is to this share.
EXACT = 1e-6
# Fractions with larger denominators are met by chance.
DENOMINATOR = 99
# Means over fewer elements than this are less likely than a factor.
FEW = 4
# A gradient off by less than this, in no pattern, misses no term.
NEARLY = 2e-6
# Elements that stand in wrong places are wrong in at least this share of the columns.
MOVED = 0.3
# Yours is an inverted mask if it differs by zeros at more than this share.
MASKED = 0.8
# An offset, or the jump at a threshold, stands out of the error bars by this factor.
STANDS_OUT = 100
# Elements on either side that it takes to speak of a threshold.
SEVERAL = 3


def zero(block: Block) -> Finding | None:
    """Return whether yours is zero everywhere although the numeric one is not."""
    if bool(block.given.any()):
        return None
    if not block.attached:
        return ("detached", "zero"), (
            " is zero, for the output carries none, and depends on the input: it was "
            "detached (.detach(), .data, .item(), no_grad, mark_non_differentiable)"
        )
    return ("zero", "detached"), (
        " is zero, the numeric one is not: is a branch detached (.detach(), .data, "
        ".item(), no_grad, an integer cast), or does the backward return None?"
    )


def nonfinite(block: Block) -> Finding | None:
    """Return where a NaN or an infinity was born."""
    born = (~torch.isfinite(block.yours)).nonzero()
    if not len(born):
        return None
    row, column = born[0].tolist()
    return ("nonfinite",), (
        f" is {float(block.yours[row, column])} at {len(born)} of {block.wrong.numel()}"
        f" places, first at element {block.index(column)}, where the input is "
        f"{float(block.x[column]):.6g}: 0 * inf or 0 / 0 in the backward (sqrt, norm, "
        "log or a division at 0; torch.where does not stop a NaN of the branch not "
        "taken)"
    )


def step(block: Block) -> Finding | None:
    """Return whether the function is flat although yours is not zero."""
    if bool(block.moves.any()):
        return None
    return ("step",), (
        " is not zero, yet the function does not change when the input moves a little: "
        "a step function (round, sign, argmax) with a straight-through gradient, or a "
        "gradient returned for the wrong input"
    )


def constant_factor(block: Block) -> Finding | None:
    """Return whether yours is one constant times the numeric Jacobian."""
    n, a, slack = (t[block.moves] for t in (block.numeric, block.yours, block.slack))
    c = float((a / n).median())
    apart = (block.yours - c * block.numeric).abs()
    uncertainty = max(EXACT, 3 * float((slack / n.abs()).min()))
    same = bool((apart <= 3 * abs(c) * block.slack).all())
    if c == 0 or not same or abs(c - 1) <= uncertainty:
        return None
    times = Fraction(abs(c))
    simple = times.limit_denominator(DENOMINATOR), Fraction(1, round(1 / times) or 1)
    value = min(simple, key=lambda value: abs(value / times - 1))
    if abs(value / times - 1) > uncertainty:
        value = times
    sign = ("sign",) * (c < 0)
    if value == 1 and not sign:  # at the edge of the uncertainty
        return None
    if value == 1:
        return sign, (
            " has the wrong sign: it is -1 times the numeric one everywhere (a "
            "deliberate gradient reversal?)"
        )
    text = str(value) if value != times else f"{float(times):.6g}"
    text = f" is {text} times the numeric one" + " with the wrong sign" * (c < 0)
    least, whole = sorted(value.as_integer_ratio())
    size = _sizes(block).get(whole)
    if size and least == 1 and whole >= FEW:
        backward, forward = ("sum", "mean") if value > 1 else ("mean", "sum")
        return ("reduction", "factor", *sign), (
            f"{text}, and {whole} is {size}: a {backward} in the backward, a {forward} "
            "in the forward?"
        )
    if size and least in (1, whole - 1):
        what = "a mean for a sum" if least == 1 else "n - 1 for n"
        text += f" everywhere; {whole} is also {size}: {what}?"
        return ("factor", "reduction", *sign), text
    return ("factor", *sign), f"{text} everywhere"


def _sizes(block: Block) -> dict[int, str]:
    """Return the counts that a mean would divide by, and what they count."""
    counts: dict[int, str] = {}
    for what, shape in block.shapes:
        counts.setdefault(math.prod(shape), f"the number of {what} elements")
        for r in range(1, len(shape)):
            for dims in itertools.combinations(range(len(shape)), r):
                names = f"dim{'s' * (r > 1)} {', '.join(map(str, dims))}"
                meaning = f"the size of {what} {names}"
                counts.setdefault(math.prod(shape[d] for d in dims), meaning)
    return counts


def nearly_right(block: Block) -> Finding | None:
    """Return whether yours is off by little everywhere, so that no term is missing."""
    size = torch.maximum(block.numeric.abs(), block.yours.abs())
    apart = (block.yours - block.numeric).abs()
    share = (apart / size)[block.wrong]
    of_row = float((apart / size.amax(1, keepdim=True))[block.wrong].max())
    if of_row > NEARLY or float(share.median()) > NEARLY:
        return None
    rtol = 10.0 ** math.ceil(math.log10(float(share.max())))
    return ("low-precision",), (
        f" and the differences agree to {of_row:.1g} and no further: an iterative "
        "solver's own tolerance, or constants in lower precision; "
        f"rtol={rtol:.0e} accepts it"
    )


def conjugate(block: Block) -> Finding | None:
    """Return whether yours belongs to the conjugate: torch's convention missed."""
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).to(block.numeric)
    m, columns = block.numeric.shape
    for rows in (1, 2):  # of a real output, of a complex one
        if block.is_complex and block.full and m % rows == 0:
            pattern = signs[:rows].repeat(m // rows, columns // 2)
            known = torch.ones_like(block.wrong)
            if block.moved_to(block.yours * pattern, known):
                return ("conjugate",), (
                    " is the complex conjugate of the right one: multiply grad_output "
                    "by the conjugate of the derivative"
                )
    return None


def rearranged(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian with its elements moved."""
    if float(block.wrong.any(0)[block.live].double().mean()) < MOVED:
        return None  # a symmetric gradient equals its own flip
    for kind, what, rows, elements in _moves(block):
        if block.moved_to(*block.given_at(rows, elements)):
            return (kind,), what
    slack = block.slack.amax(1, keepdim=True).expand_as(block.slack)
    mine, right = block.yours.sort(1).values, block.numeric.sort(1).values
    apart = (block.yours - block.numeric).abs()[block.wrong] > slack[block.wrong]
    if block.full and bool(((mine - right).abs() <= slack).all() & apart.all()):
        text = (
            " has the right values at the wrong elements: a wrong index (gather, sort)"
        )
        return ("shift",), text
    return None


def _moves(block: Block) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    """Yield a kind, words, and the row and input element that each element went to.

    Of n elements, number n stands for none: what left over the border is lost.
    """
    shape, outputs = block.input_shape, block.output_shape or ()
    dims = range(len(shape) - block.is_complex)
    here, rows = block.elements, block.rows
    every = torch.arange(math.prod(shape)).to(here).view(shape)
    if block.square and not block.is_complex:
        words = " is the transpose of the numeric one: a matrix without its .T, or a "
        yield "transposed", words + "kernel without its flip", here, rows
    for d, e in itertools.combinations(dims, 2):
        if shape[d] == shape[e]:
            words = f" is transposed (input dims {d} and {e}): a .T is missing, or one "
            target = every.transpose(d, e).reshape(-1)[here]
            yield "transposed", words + "too many", rows, target
        elif len(dims) == 2:
            words = " is transposed and reshaped back: use .T, not reshape"
            target = every.view(shape[::-1]).T.reshape(-1)[here]
            yield "transposed", words, rows, target
    for d, e in itertools.product(range(len(outputs)), dims):
        if outputs[d] == shape[e] > 1:
            stride = math.prod(outputs[d + 1 :])
            across = here // every.stride(e) % shape[e] - rows // stride % outputs[d]
            words = f" is the transpose of the numeric one in output dim {d} and input "
            words += f"dim {e}: a .T is missing, or one too many"
            target = here - across * every.stride(e)
            yield "transposed", words, rows + across * stride, target
    for e, k in itertools.product(dims, (1, -1, 2, -2)):
        if shape[e] - abs(k) >= 2:
            target = every.roll(-k, e)
            target.narrow(e, min(-k, 0), abs(k)).fill_(every.numel())
            words = f" is shifted by {k:+d} along dim {e}: an off-by-one index"
            yield "shift", words, rows, target.reshape(-1)[here]
    for e in dims:
        words = f" is reversed along dim {e}: a flip is missing, or one too many"
        yield "flip", words, rows, every.flip(e).reshape(-1)[here]


def inverted_mask(block: Block) -> Finding | None:
    """Return whether yours is zero exactly where the numeric one is not."""
    moves, given = block.moves.any(0), block.given.any(0)
    most = float((moves ^ given).double().mean()) > MASKED
    if bool((moves & given).any()) or not (most and bool(given.any())):
        return None
    return ("mask",), (
        " is zero exactly where the numeric one is not, and the other way round: the "
        "mask is inverted"
    )


def offset(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian plus a constant, here or there."""
    wrong = block.wrong
    apart, slack = (block.yours - block.numeric)[wrong], 3 * block.slack[wrong]
    c = float(apart.median())
    near = bool(((apart - c).abs() <= slack + EXACT * abs(c)).all())
    if len(apart) < 2 or not near or abs(c) < STANDS_OUT * float(slack.median()):
        return None
    if bool(wrong.all()):
        return ("offset",), f" is the numeric one {c:+.6g} everywhere"
    if len(wrong) > 1 or not bool((block.moves & block.given)[wrong].all()):
        return None
    text = f" is off by exactly {c:.6g} at {int(wrong.sum())} of {block.many}"
    if block.full and len(block.input_shape) == 2:
        if bool((wrong.view(block.input_shape).sum(1) == 1).all()):
            text += ", one of every row: a one-hot (target) term is missing"
    elif _threshold(block, wrong[0]):
        return None
    return ("offset", "localized"), text


def broadcast(block: Block) -> Finding | None:
    """Return whether only one slice of a broadcast input's uses was counted."""
    shape = block.output_shape or ()
    if math.prod(block.input_shape) >= math.prod(shape):
        return None
    if not bool((block.moves & ~block.given).any()):
        return None
    wrong = block.wrong.any(1).reshape(shape)
    for d, size in enumerate(shape):
        right = (~wrong.transpose(0, d).reshape(size, -1).any(1)).nonzero()
        if size > 1 and len(right) == 1:
            return ("broadcast",), (
                f" holds only slice {int(right)} of output dim {d}: the sum over the "
                "broadcast dimension is missing"
            )
    return None


def diagonal(block: Block) -> Finding | None:
    """Return whether cross terms are missing: a sum over elements, cut short."""
    missing = block.moves & ~block.given
    columns, extra = missing.any(0), block.given & ~block.moves
    most = 2 * int(missing.sum()) >= int(block.wrong.sum())
    wide = 2 * int(block.wrong.any(0).sum()) > int(block.live.sum())
    others = bool(columns.any()) and bool(block.given.any(0)[columns].all())
    if not (most and wide and others) or bool(extra.any()):
        return None
    return ("diagonal",), (
        f" is zero at {int(missing.sum())} places of the Jacobian where the numeric "
        "one is not: cross terms are missing (a normalisation that couples elements, "
        "or a statistic treated as a constant)"
    )


def localized(block: Block) -> Finding | None:
    """Return whether only some elements are wrong, and what they share."""
    wrong = block.wrong.any(0)
    bad, live = int(wrong.sum()), int(block.live.sum())
    if bad == live:
        return None
    branch = _threshold(block, wrong)
    where = branch or _slices(block, wrong)
    if where is None:
        if bad > max(SEVERAL, live // 2):
            return None
        shown = list(dict.fromkeys(map(block.index, wrong.nonzero()[:4, 0].tolist())))
        where = "at " + ", ".join(shown) + ", …" * (bad > 4)
    text = f" is wrong only {where} ({bad} of {block.many})"
    both = block.wrong & block.moves & block.given
    n, a, slack = (t[both] for t in (block.numeric, block.yours, block.slack))
    c = float((a / n).median()) if len(n) else 1.0
    if bool(((a - c * n).abs() <= abs(c) * (slack + EXACT * n.abs())).all()) and c != 1:
        text += f"; there it is {c:.6g} times the numeric one"
    if branch:
        text += ": one branch of the function has a wrong derivative"
    return ("localized",), text


def _threshold(block: Block, wrong: Tensor) -> str | None:
    """Return between which values of x, or of |x|, wrong jumps into right."""
    right = block.live & ~wrong
    if min(int(wrong.sum()), int(right.sum())) < SEVERAL:
        return None
    jumps = ((block.yours - block.numeric).abs() > STANDS_OUT * block.slack).any(0)
    for name, x in ((block.name, block.x), (f"|{block.name}|", block.x.abs())):
        last, first = x.where(wrong, -math.inf).max(0), x.where(wrong, math.inf).min(0)
        low, high = float(x[right].min()), float(x[right].max())
        if float(last.values) < low and bool(jumps[last.indices]):
            end = f"up to {name} = {float(last.values):.6g}, and right from {name} = "
            return f"{end}{low:.6g} on"
        if float(first.values) > high and bool(jumps[first.indices]):
            start = f"from {name} = {float(first.values):.6g} on, and right up to "
            return f"{start}{name} = {high:.6g}"
    return None


def _slices(block: Block, wrong: Tensor) -> str | None:
    """Return a dimension of which a slice or two are wrong, and nothing else is."""
    where = torch.unravel_index(block.elements, block.input_shape)
    for d, at in enumerate(where):
        indices = at[wrong].unique()
        alike = torch.equal(wrong, block.live & torch.isin(at, indices))
        parts = block.is_complex and d == len(where) - 1
        if alike and parts:
            return f"in the {'imaginary' if indices[0] else 'real'} parts"
        if alike and len(indices) <= 2 and int(wrong.sum()) >= SEVERAL:
            return f"at index {', '.join(map(str, indices.tolist()))} of dim {d}"
    return None


# The first three leave what is finite, and zero on neither side, to the others.
PATTERNS: tuple[Callable[[Block], Finding | None], ...] = (
    nonfinite,
    zero,
    step,
    constant_factor,
    nearly_right,
    conjugate,
    rearranged,
    inverted_mask,
    offset,
    broadcast,
    diagonal,
    localized,
    chain,
)
