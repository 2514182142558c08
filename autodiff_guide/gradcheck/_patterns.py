"""What wrong gradients look like: each pattern is a function of one block; add one here.

A pattern returns the kinds it has recognised, the most specific first, and one sentence
to the author of the gradient; or None. The first of `PATTERNS` that fits is told.
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

Pattern = Callable[[Block], Finding | None]

# Yours is zero if it is less than this share of the numeric one.
NOTHING = 1e-3
# A ratio is 2 or 2/3 if it is to this share.
EXACT = 1e-6
# Fractions with denominators beyond this are met by chance.
DENOMINATOR = 99
# A gradient off by this share, at elements without a pattern, misses no term.
NEARLY = 2e-6
# An error that starts at a threshold stands out of the error bars by this factor.
JUMP = 100
# Yours is an inverted mask if it differs by zeros at more than this share.
MASKED = 0.8
# Elements on either side that it takes to speak of a threshold, or of a border.
SEVERAL = 3


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
        f"{float(block.values[block.name][column]):.6g}: 0 * inf or 0 / 0 in the "
        "backward (sqrt, norm, log or a division at 0; torch.where does not stop a NaN "
        "of the branch not taken)"
    )


def zero(block: Block) -> Finding | None:
    """Return whether yours is zero everywhere although the numeric one is not."""
    least = NOTHING * float(block.numeric.abs().max())
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
    n, a, slack = (t[block.moves] for t in (block.numeric, block.yours, block.slack))
    c = float((a / n).median())
    known = 3 * block.slack + 1e-7 * block.numeric.abs()
    far = (block.yours - c * block.numeric).abs() > known * abs(c)
    uncertainty = max(EXACT, 3 * float((slack / n.abs()).min()))
    if c == 0 or bool(far.any()) or abs(c - 1) <= uncertainty:
        return None
    times = Fraction(abs(c))
    value = min(
        (times.limit_denominator(DENOMINATOR), 1 / Fraction(max(1, round(1 / times)))),
        key=lambda value: abs(value / times - 1),
    )
    exact = abs(value / times - 1) <= uncertainty
    sign = ("sign",) if c < 0 else ()
    if exact and value == 1:
        return sign, (
            f"your gradient{block.where} has the wrong sign: it is -1 times the "
            "numeric one everywhere (a deliberate gradient reversal?)"
        )
    head = (
        f"your gradient{block.where} is {value if exact else format(abs(c), '.6g')} "
        f"times the numeric one everywhere{' and has the wrong sign' if sign else ''}"
    )
    sizes = _sizes(block)
    whole = max(value.numerator, value.denominator)
    if not exact or whole not in sizes or min(value.numerator, value.denominator) > 1:
        return ("factor", *sign), f"{head}: a constant factor"
    if whole <= 3:
        return ("factor", "reduction", *sign), (
            f"{head}: a constant factor; {whole} is also {sizes[whole]}, a mean for a "
            "sum?"
        )
    backward, forward = ("sum", "mean") if value > 1 else ("mean", "sum")
    return ("reduction", "factor", *sign), (
        f"{head}, and {whole} is {sizes[whole]}: a {backward} in the backward, a "
        f"{forward} in the forward?"
    )


def _sizes(block: Block) -> dict[int, str]:
    """Return the counts that a mean would divide by, and what they count."""
    counts: dict[int, str] = {}
    for what, shape in block.shapes:
        for r in range(1, len(shape) + 1):
            for dims in itertools.combinations(range(len(shape)), r):
                count = math.prod(shape[d] for d in dims)
                names = ", ".join(map(str, dims))
                meaning = f"the size of {what} dim{'s' * (r > 1)} {names}"
                if r == len(shape):
                    meaning = f"the number of {what} elements"
                counts.setdefault(count, meaning)
    return counts


def nearly_right(block: Block) -> Finding | None:
    """Return whether yours is off by little everywhere, so that no term is missing."""
    wrong = block.wrong
    size = torch.maximum(block.numeric.abs(), block.yours.abs())
    apart = (block.yours - block.numeric).abs()
    share = (apart / size)[wrong]
    of_row = (apart / size.amax(1, keepdim=True))[wrong]
    if float(of_row.max()) > NEARLY or float(share.median()) > NEARLY:
        return None
    rtol = 10.0 ** math.ceil(math.log10(float(share.max())))
    return ("low-precision",), (
        f"the gradient{block.where} and the differences agree to "
        f"{float(of_row.max()):.1g} and no further: an iterative solver's own "
        f"tolerance, or constants in lower precision; rtol={rtol:.0e} accepts it"
    )


def conjugate(block: Block) -> Finding | None:
    """Return whether yours belongs to the conjugate: torch's convention missed."""
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).to(block.numeric)
    m, columns = block.numeric.shape
    for rows in (1, 2):  # of a real output, of a complex one
        if block.is_complex and block.full and m % rows == 0:
            pattern = signs[:rows].repeat(m // rows, columns // 2)
            if block.equals(block.numeric * pattern, block.slack):
                return ("conjugate",), (
                    f"your gradient{block.where} is the complex conjugate of the right "
                    "one: multiply grad_output by the conjugate of the derivative"
                )
    return None


def rearranged(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian with its elements moved."""
    position = torch.full((math.prod(block.input_shape) + 1,), -1)
    position = position.to(block.elements)
    position[block.elements] = torch.arange(len(block.elements)).to(position)
    for kind, what, rows, elements in _moves(block):
        columns = position[elements]
        known = (columns >= 0).expand_as(block.wrong)
        there, slack = (t[rows, columns] for t in (block.numeric, block.slack))
        if block.equals(there, slack, known):
            return (kind,), f"your gradient{block.where} is {what}"
    return None


def _moves(block: Block) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    """Yield a kind, words, and the (row, input element) that came to each place.

    Element n of n stands for none: what came to the border is not known.
    """
    shape, outputs = block.input_shape, block.output_shape or ()
    dims = range(len(shape) - block.is_complex)
    here, rows = block.elements, torch.arange(len(block.numeric)).to(block.elements)
    rows = rows[:, None]
    every = torch.arange(math.prod(shape)).to(here).view(shape)
    if block.square and not block.is_complex:
        words = "the transpose of the numeric one: a kernel is used without its flip, "
        yield "transposed", words + "or a matrix without .T", here, rows
    for d, e in itertools.combinations(dims, 2):
        source = every.transpose(d, e).reshape(-1)[here]
        words = f"transposed (input dims {d} and {e} are swapped): a .T is missing or "
        if shape[d] == shape[e]:
            yield "transposed", words + "one too many", rows, source
        elif len(dims) == 2:
            words = "transposed and reshaped back: use .T, not reshape"
            yield "transposed", words, rows, source
    for d, e in itertools.product(range(len(outputs)), dims):
        if outputs[d] == shape[e] > 1:
            row, column = (
                list(torch.unravel_index(*t)) for t in ((rows, outputs), (here, shape))
            )
            row[d], column[e] = column[e], row[d]
            words = f"the transpose of the numeric one (output dim {d}, input dim {e})"
            words += ": a .T is missing or one too many"
            yield "transposed", words, _ravel(row, outputs), _ravel(column, shape)
    for e, k in itertools.product(dims, (1, -1, 2, -2)):
        if shape[e] - abs(k) >= 2:
            source = every.roll(k, e)
            source.narrow(e, 0 if k > 0 else k, abs(k)).fill_(every.numel())
            words = f"shifted by {k:+d} along dim {e}: an off-by-one index"
            yield "shift", words, rows, source.reshape(-1)[here]
    for r in range(1, len(dims) + 1):
        for flipped in itertools.combinations(dims, r):
            names = ", ".join(map(str, flipped))
            words = f"reversed along dim {names}: a flip is missing, or one too many"
            yield "flip", words, rows, every.flip(flipped).reshape(-1)[here]


def _ravel(index: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Return the flat index of an index into a tensor of `shape`."""
    flat = torch.zeros_like(index[0])
    for at, size in zip(index, shape, strict=True):
        flat = flat * size + at
    return flat


def inverted_mask(block: Block) -> Finding | None:
    """Return whether yours is zero exactly where the numeric one is not."""
    moves, given = block.moves.any(0), block.given.any(0)
    either = (moves ^ given).double().mean() > MASKED
    if bool((moves & given).any()) or not (bool(given.any()) and bool(either)):
        return None
    return ("mask",), (
        f"your gradient{block.where} is zero exactly where the numeric one is not, and "
        "the other way round: the mask is inverted"
    )


def offset(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian plus a constant, here or there."""
    wrong = block.wrong
    apart, slack = (block.yours - block.numeric)[wrong], 3 * block.slack[wrong]
    c = float(apart.median())
    near = bool(((apart - c).abs() <= slack + EXACT * abs(c)).all())
    if len(apart) < 2 or not near or abs(c) < JUMP * float(slack.median()):
        return None
    if bool(wrong.all()):
        return ("offset",), (
            f"your gradient{block.where} is the numeric one "
            f"{'+' if c > 0 else '-'} {abs(c):.6g} everywhere: a constant was added"
        )
    if len(wrong) > 1 or not bool((block.moves & block.given)[wrong].all()):
        return None
    hot = block.full and len(block.input_shape) == 2
    hot = hot and bool((wrong.view(block.input_shape).sum(-1) == 1).all())
    if not hot and _threshold(block, wrong[0]):
        return None
    return ("offset", "localized"), (
        f"your gradient{block.where} is off by exactly {c:.6g} at {int(wrong.sum())} "
        f"of {_measured(block)}"
        + ", at one element of every row: a one-hot (target) term is missing"
        * hot
    )


def broadcast(block: Block) -> Finding | None:
    """Return whether only one slice of a broadcast input's uses was counted."""
    shape = block.output_shape or ()
    if not block.full or math.prod(block.input_shape) >= math.prod(shape):
        return None
    if not bool((block.moves & ~block.given).any()):
        return None
    wrong = block.wrong.any(1).reshape(shape)
    for d, size in enumerate(shape):
        right = ~wrong.transpose(0, d).reshape(size, -1).any(1)
        if size > 1 and int(right.sum()) == 1:
            return ("broadcast",), (
                f"your gradient{block.where} holds only slice {int(right.int().argmax())}"
                f" of output dim {d}: the sum over the broadcast dimension is missing"
            )
    return None


def diagonal(block: Block) -> Finding | None:
    """Return whether cross terms, or the diagonal alone, are missing."""
    missing = block.moves & ~block.given
    count = int(missing.sum())
    if 2 * count < max(1, int(block.wrong.sum())):
        return None
    eye = torch.zeros_like(missing)
    if block.square:
        eye[block.elements, torch.arange(len(block.elements))] = True
        if torch.equal(missing, block.moves & eye):
            return ("diagonal",), (
                f"your Jacobian{block.where} misses its diagonal: an element's own "
                "contribution is left out (exclusive for inclusive?)"
            )
    own = bool((missing & eye).any()) or bool((block.given & ~block.moves).any())
    some = bool(block.given.any(0)[missing.any(0)].all())
    few = 2 * int(block.wrong.any(0).sum()) <= int(block.live.sum())
    if own or few or not some:
        return None
    return ("diagonal",), (
        f"your Jacobian{block.where} is zero at {count} places where the numeric one is "
        "not: cross terms are missing (a normalisation that couples elements, or a "
        "statistic treated as a constant)"
    )


def localized(block: Block) -> Finding | None:
    """Return whether only some elements are wrong, and what they share."""
    wrong = block.wrong.any(0)
    bad, live = int(wrong.sum()), int(block.live.sum())
    if bad == live:
        return None
    head = f"your gradient{block.where} is wrong only"
    there = ""
    both = block.wrong & block.moves & block.given
    n, a, slack = (t[both] for t in (block.numeric, block.yours, block.slack))
    if len(n):
        c = float((a / n).median())
        if bool(((a - c * n).abs() <= abs(c) * (slack + EXACT * n.abs())).all()):
            there = f"; there it is {c:.6g} times the numeric one"
    condition = _threshold(block, wrong)
    if condition:
        return ("localized",), (
            f"{head} {condition} ({bad} of {_measured(block)}){there}: one branch of "
            "the function has a wrong derivative"
        )
    border = _border(block, wrong)
    if border:
        return ("localized",), f"{head} {border}{there}: boundary handling"
    if bad > max(SEVERAL, live // 2):
        return None
    elements = block.elements[wrong].tolist()
    shown = ", ".join(dict.fromkeys(map(block.index, elements[:4])))
    more = ", …" if bad > 4 else ""
    return (
        "localized",
    ), f"{head} at {bad} of {_measured(block)}: {shown}{more}{there}"


def _measured(block: Block) -> str:
    """Return how many elements were measured, and of how many if not of all."""
    measured, whole = len(block.elements), math.prod(block.input_shape)
    parts = " (real and imaginary parts)" if block.is_complex else ""
    if measured == whole:
        return f"{measured} elements{parts}"
    return f"the {measured} elements measured (of {whole} in all){parts}"


def _threshold(block: Block, wrong: Tensor) -> str | None:
    """Return between which values of x, or of |x|, wrong jumps into right."""
    right = block.live & ~wrong
    if min(int(wrong.sum()), int(right.sum())) < SEVERAL:
        return None
    x = block.values[block.name]
    apart = (block.yours - block.numeric).abs()
    jumps = (apart > JUMP * block.slack).any(0)
    for name, values in ((block.name, x), (f"|{block.name}|", x.abs())):
        low, high = (values.where(wrong, inf) for inf in (math.inf, -math.inf))
        if float(high.max()) < float(values[right].min()) and bool(
            jumps[high.argmax()]
        ):
            return (
                f"up to {name} = {float(high.max()):.6g}, and right from {name} = "
                f"{float(values[right].min()):.6g} on"
            )
        if float(low.min()) > float(values[right].max()) and bool(jumps[low.argmin()]):
            return (
                f"from {name} = {float(low.min()):.6g} on, and right up to {name} = "
                f"{float(values[right].max()):.6g}"
            )
    return None


def _border(block: Block, wrong: Tensor) -> str | None:
    """Return the dimension at whose border several elements, and only they, are wrong."""
    where = torch.unravel_index(block.elements, block.input_shape)
    for d, (size, at) in enumerate(zip(block.input_shape, where, strict=True)):
        border = block.live & torch.isin(at, at[wrong])
        right = int((block.live & ~border).sum())
        indices = sorted(set(at[wrong].tolist()))
        if (
            block.full
            and set(indices) <= {0, size - 1}
            and 2 * int(wrong.sum()) > int(border.sum())
            and min(int(wrong.sum()) + 1, right) >= SEVERAL
        ):
            return f"at the border of dim {d} (index {', '.join(map(str, indices))})"
    return None


PATTERNS: tuple[Pattern, ...] = (
    detached,
    nonfinite,
    zero,
    step,
    constant_factor,
    nearly_right,
    conjugate,
    rearranged,
    inverted_mask,
    offset,
    chain,
    broadcast,
    diagonal,
    localized,
)
