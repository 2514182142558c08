"""What a wrong gradient is called: to name one more mistake, add a pattern here.

A pattern takes one block, and yields what it has recognised: kinds, the most specific
first, and what is said after "your gradient"; nothing if that is the definition of the
first kind. The first finding of the first of `PATTERNS` that has one is told.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from autodiff_guide.gradcheck._block import Block, Findings, Jacobian
from autodiff_guide.gradcheck._columns import Evidence, Status
from autodiff_guide.gradcheck._conclusion import ConclusionError
from autodiff_guide.gradcheck._kinds import KINDS
from autodiff_guide.gradcheck._map import Map
from autodiff_guide.gradcheck._terms import EXACT, STANDS_OUT, chain

# Fractions with larger denominators are met by chance.
DENOMINATOR = 99
# Means over fewer elements than this are less likely than a factor.
FEW = 4
# A gradient off by less than this, in no pattern, misses no term.
NEARLY = 2e-6
# Yours is an inverted mask if it differs by zeros at more than this share.
MASKED = 0.8
# Elements on either side that it takes to speak of a threshold.
SEVERAL = 3
# A relative error from which on a term is missing.
SMALL = 1e-2
# Findings that a detached value explains better, and those it explains as well.
CAUSED_BY_DETACHING = ("mismatch", "chain", "offset", "localized")
FITS_DETACHING = ("factor", "diagonal")
# What detaches a value.
CUTS = ("detach", "detach_", "data", "item", "tolist", "numpy")


def nonfinite(block: Block) -> Findings:
    """Yield where a NaN or an infinity was born."""
    for row, column in (~torch.isfinite(block.yours)).nonzero()[:1].tolist():
        yield (
            ("nonfinite",),
            f" is {block.yours[row, column]} at {block.index(column)}, where the input "
            f"is {block.x[column]:.6g}: 0 * inf or 0 / 0 in the backward (torch.where "
            "does not stop a NaN of the branch not taken)",
        )


def zero_or_flat(block: Block) -> Findings:
    """Yield which one is zero everywhere, although the other is not."""
    if not block.grows.any():
        attached = block.whole.compared.base_graph[1][block.output].requires_grad
        yield ("zero", "detached") if attached else ("detached", "zero"), ""
    elif not block.moves.any():
        text = (
            " is not zero, the function is flat (round, sign, argmax): straight-through"
        )
        yield ("step",), f"{text}, or meant for another input"


def constant_factor(block: Block) -> Findings:
    """Yield by which constant times the numeric Jacobian yours is."""
    c = _ratio(block, block.wrong | True)
    known = (block.slack / block.numeric.abs())[block.moves]
    exact = max(EXACT, 3 * float(known.min()))
    if not c or min(abs(c - 1), abs(1 / c - 1)) <= exact:
        return
    times, sign = Fraction(abs(c)), ("sign",) * (c < 0)
    simple = times.limit_denominator(DENOMINATOR), Fraction(1, round(1 / times) or 1)
    value = next((v for v in simple if abs(v / times - 1) <= exact), times)
    if value == 1:
        yield sign, ""
    shown = str(value) if value in simple else f"{abs(c):.6g}"
    text = f" is {'-' * (c < 0)}{shown} times the numeric one everywhere"
    kinds: tuple[str, ...] = ("factor", *sign)
    least, whole = sorted(value.as_integer_ratio())
    size = _sizes(block).get(whole)
    if size and least in (1, whole - 1):
        what = "a mean for a sum" if value < 1 else "a sum for a mean"
        text += f"; {whole} is {size}: {what if least == 1 else 'n - 1 for n'}?"
        kinds = ("factor", "reduction", *sign)
        if least == 1 and whole >= FEW:
            kinds = ("reduction", "factor", *sign)
    yield kinds, text


def _ratio(block: Block, where: Tensor) -> float | None:
    """Return the constant that yours is times the numeric Jacobian there."""
    c = (block.yours / block.numeric)[where & block.moves].median()
    apart = (block.yours - c * block.numeric).abs()
    same = (apart <= 3 * c.abs() * block.slack) | ~where
    return float(c) if same.all() else None


def _sizes(block: Block) -> dict[int, str]:
    """Return the counts that a mean would divide by, and what they count."""
    counts: dict[int, str] = {}
    outputs = [("output", shape) for shape in block.whole.user.output_shapes]
    for what, shape in [("input", block.shape), *outputs]:
        counts.setdefault(math.prod(shape), f"the number of {what} elements")
        for r in range(1, len(shape)):
            for dims in itertools.combinations(range(len(shape)), r):
                text = f"the size of {what} dim {', '.join(map(str, dims))}"
                counts.setdefault(math.prod(shape[d] for d in dims), text)
    return counts


def nearly_right(block: Block) -> Findings:
    """Yield how little yours is off everywhere, so that no term is missing."""
    size = torch.maximum(block.numeric.abs(), block.yours.abs())
    share = (block.apart / size)[block.wrong]
    of_row = float((block.apart / size.amax(1, keepdim=True))[block.wrong].max())
    if max(of_row, float(share.median())) <= NEARLY:
        rtol = 10.0 ** math.ceil(math.log10(float(share.max())))
        yield (
            ("low-precision",),
            f" and the differences agree to {of_row:.1g} only: a solver's tolerance, "
            f"or rounded constants; rtol={rtol:.0e} accepts it",
        )


def conjugate(block: Block) -> Findings:
    """Yield that yours belongs to the conjugate: torch's convention missed."""
    places = block.places()
    rows = places // math.prod(block.shape)
    for imaginary in (places, places + rows):  # of a real output, of a complex one
        if block.is_complex and block.stands_at(places, 1 - 2 * (imaginary % 2)):
            yield ("conjugate",), ""


def rearranged(block: Block) -> Findings:
    """Yield where the elements of the numeric Jacobian went in yours."""
    for kind, text, places in _moves(block):
        if block.stands_at(places):
            yield (kind,), text
    slack = block.slack.amax(1, keepdim=True)
    near = (block.yours.sort(1).values - block.numeric.sort(1).values).abs() <= slack
    if block.full and (near & ((block.apart > slack) | ~block.wrong)).all():
        text = " has the right values at the wrong elements: a wrong index"
        yield ("shift",), f"{text} (gather, sort)"


def _moves(block: Block) -> Iterator[tuple[str, str, Tensor]]:
    """Yield a kind, words, and the place that each entry of the Jacobian went to."""
    outputs, inputs, here = block.output_shape, block.shape, block.places()
    real = range(len(inputs) - block.is_complex)
    names = [f"output dim {d}" for d in range(len(outputs))]
    names += [f"input dim {d}" for d in real]
    flat = () if block.is_complex else (math.prod(outputs), math.prod(inputs))
    for shape, dims in ((flat, ["outputs", "inputs"]), (outputs + inputs, names)):
        named = zip(dims, _axes(shape, here), strict=False)
        for (d, (size, s, i)), (e, (other, t, j)) in itertools.combinations(named, 2):
            if size == other:
                text = f" is transposed ({d} and {e}): is a .T missing, or a flip?"
                yield "transposed", text, here + (j - i) * (s - t)
    axes = _axes(inputs, here)
    if len(real) == 2:
        (rows, s, i), (_, t, j) = axes[:2]
        text = " is transposed and reshaped back: use .T, not reshape"
        yield "transposed", text, here + (j * rows + i - j) * t - i * s
    for dim, (size, stride, i) in zip(real, axes, strict=False):
        for k in (1, -1, 2, -2):
            if size - abs(k) >= 2:
                text = f" is shifted by {k:+d} along dim {dim}: an off-by-one index"
                inside = (i + k >= 0) & (i + k < size)
                yield "shift", text, (here + k * stride).where(inside, -1)
        text = f" is reversed along dim {dim}: a flip is missing, or one too many"
        yield "flip", text, here + (size - 1 - 2 * i) * stride


def _axes(shape: tuple[int, ...], places: Tensor) -> list[tuple[int, int, Tensor]]:
    """Return the size and stride of each dimension, and the index of places in it."""
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    return [(n, s, places // s % n) for n, s in zip(shape, strides, strict=True)]


def swapped(block: Block) -> Findings:
    """Yield whose gradient stands in this block's place."""
    for other in block.whole.blocks:
        alike = other.output == block.output and other.shape == block.shape
        if alike and other.input != block.input and other.wrong.any():
            here, there = block.places(), other.places()
            if block.stands_at(here, of=other) and other.stands_at(there, of=block):
                names = [block.whole.user.names[i] for i in (block.input, other.input)]
                text = f" is the numeric one of {names[1]}: the gradients of {names[0]}"
                yield ("swapped",), f"{text} and {names[1]} are swapped in the backward"


def inverted_mask(block: Block) -> Findings:
    """Yield that yours is zero exactly where the numeric one is not."""
    moves, grows = block.moves.any(0), block.grows.any(0)
    if not (moves & grows).any() and (moves ^ grows).double().mean() > MASKED:
        yield ("mask",), ""


def offset(block: Block) -> Findings:
    """Yield which constant was added to the numeric Jacobian, here or there."""
    wrong = block.wrong
    apart, slack = (block.yours - block.numeric)[wrong], 3 * block.slack[wrong]
    c, count = float(apart.median()), len(apart)
    near = bool(((apart - c).abs() <= slack + EXACT * abs(c)).all())
    if count < 2 or not near or abs(c) < STANDS_OUT * float(slack.median()):
        return
    if wrong.all():
        yield ("offset",), f" is the numeric one {c:+.6g} everywhere"
    elif len(wrong) == 1 and (block.moves & block.grows)[wrong].all():
        text = f" is off by exactly {c:.6g} at {count} of {block.many}"
        matrix = block.full and len(block.shape) == 2
        if matrix and (wrong.view(block.shape).sum(1) == 1).all():
            text += ", one of every row: a one-hot (target) term is missing"
        elif _threshold(block, wrong[0]):
            return
        yield ("offset", "localized"), text


def diagonal(block: Block) -> Findings:
    """Yield that terms of a sum are missing: over elements, or over a broadcast."""
    missing, extra = block.moves & ~block.grows, block.grows & ~block.moves
    columns = missing.any(0)
    most = 2 * missing.sum() >= block.wrong.sum()
    wide = 2 * block.wrong.any(0).sum() > block.live.sum()
    others = columns.any() & block.grows.any(0)[columns].all()
    if most & wide & others & ~extra.any():
        kind, what = "diagonal", "cross terms are missing (a statistic held fixed?)"
        if math.prod(block.shape) < math.prod(block.output_shape):
            kind, what = "broadcast", "the sum over a broadcast dimension is missing"
        text = f" is zero at {int(missing.sum())} places where the numeric one is not"
        yield (kind,), f"{text}: {what}"


def localized(block: Block) -> Findings:
    """Yield which elements are wrong, if only some are, and what they share."""
    wrong = block.wrong.any(0)
    bad, live = int(wrong.sum()), int(block.live.sum())
    branch = _threshold(block, wrong)
    where = branch or _slices(block, wrong)
    if where is None and bad <= max(SEVERAL, live // 2):
        shown = dict.fromkeys(map(block.index, wrong.nonzero()[:4, 0].tolist()))
        where = f"at {', '.join(shown)}{', …' * (bad > 4)}"
    if where and bad < live:
        text = f" is wrong only {where} ({bad} of {block.many})"
        c = _ratio(block, block.wrong)
        if c is not None:
            text += f"; there it is {c:.6g} times the numeric one"
        if branch:
            text += ": one branch of the function has a wrong derivative"
        yield ("localized",), text


def _threshold(block: Block, wrong: Tensor) -> str | None:
    """Return between which values of x, or of |x|, wrong jumps into right."""
    right = block.live & ~wrong
    if min(int(wrong.sum()), int(right.sum())) < SEVERAL:
        return None
    jumps = (block.apart > STANDS_OUT * block.slack).any(0)
    for name, x in ((block.name, block.x), (f"|{block.name}|", block.x.abs())):
        for sign, side, other in ((1, "<=", ">="), (-1, ">=", "<=")):
            last = (sign * x).where(wrong, -math.inf).argmax()
            first = (sign * x).where(right, math.inf).argmin()
            if sign * x[last] < sign * x[first] and jumps[last]:
                rest = f"right where {name} {other} {x[first]:.6g}"
                return f"where {name} {side} {x[last]:.6g}, and {rest}"
    return None


def _slices(block: Block, wrong: Tensor) -> str | None:
    """Return a dimension of which a slice or two are wrong, and nothing else is."""
    for d, (_, _, at) in enumerate(_axes(block.shape, block.elements)):
        indices = at[wrong].unique().tolist()
        alike = torch.equal(wrong, block.live & torch.isin(at, at[wrong]))
        if alike and block.is_complex and d == len(block.shape) - 1:
            return f"in the {'imaginary' if indices[0] else 'real'} parts"
        if alike and len(indices) <= 2 and int(wrong.sum()) >= SEVERAL:
            return f"at index {', '.join(map(str, indices))} of dim {d}"
    return None


def mismatch(block: Block) -> Findings:
    """Yield how far off, and where, a gradient is that fits no pattern."""
    apart = block.apart.where(block.wrong, 0.0)
    worst = block.index(int(apart.amax(0).argmax()))
    share = float(apart.max() / block.numeric.abs().max())
    what = "a term is missing or wrong"
    if share < SMALL:
        what = "a small term is missing, a constant rounded, or a formula approximate"
    yield (
        ("mismatch",),
        f" differs at {int(block.wrong.sum())} of {block.wrong.numel()} entries, by "
        f"up to {share:.1e} of the largest slope, most at {block.name}{worst}: {what}",
    )


# After nonfinite and zero_or_flat all is finite, and neither Jacobian is all zero.
PATTERNS: tuple[Callable[[Block], Findings], ...] = (
    swapped,
    nonfinite,
    zero_or_flat,
    constant_factor,
    nearly_right,
    conjugate,
    rearranged,
    inverted_mask,
    offset,
    diagonal,
    localized,
    chain,
    mismatch,
)


def diagnose(user: Map, evidence: Evidence) -> None:
    """Conclude with kinds, the most specific first, and a sentence to the author."""
    if evidence.kink is not None and not evidence.count(Status.DISAGREE):
        sentence = f"{evidence.kink[1]}, and does not lie between them"
        raise ConclusionError("fail", ("kink",), sentence)
    found = Jacobian(user, evidence).blocks
    wrong = [block for block in found if block.wrong.any()]
    findings = [_explain(block) for block in wrong[:4]]
    kinds, sentence = findings[0]
    sentence = f"your gradient{wrong[0].where}{sentence}"
    right = {block.input for block in found} - {block.input for block in wrong}
    if right:
        sentence += f" (right: {', '.join(user.names[i] for i in sorted(right))})"
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
    verdict = "inconclusive" if close else "fail"
    raise ConclusionError(verdict, tuple(dict.fromkeys(kinds)), sentence)


def _explain(block: Block) -> tuple[tuple[str, ...], str]:
    """Return the first thing that a pattern finds in a block."""
    kinds, text = next(itertools.chain.from_iterable(p(block) for p in PATTERNS))
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
