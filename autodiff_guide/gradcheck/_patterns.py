"""What wrong gradients look like: each pattern is a function of one block.

A pattern returns the kinds it has recognised, the most specific first, and one sentence
to the author of the gradient; or None.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from autodiff_guide.gradcheck._block import Block
from autodiff_guide.gradcheck._slopes import Status

Finding = tuple[tuple[str, ...], str]
Pattern = Callable[[Block], Finding | None]

# Constant factors that a forgotten step of a derivation leaves behind.
FACTORS = {
    2.0: "2",
    1 / 2: "1/2",
    3.0: "3",
    1 / 3: "1/3",
    4.0: "4",
    1 / 4: "1/4",
    3 / 2: "3/2",
    2 / 3: "2/3",
    10.0: "10",
    1 / 10: "1/10",
    math.pi: "π",
    1 / math.pi: "1/π",
    math.log(2): "ln 2",
    1 / math.log(2): "1/ln 2",
    math.sqrt(2): "√2",
    1 / math.sqrt(2): "1/√2",
}


def close(a: Tensor, b: Tensor, slack: Tensor) -> bool:
    """Return whether a equals b everywhere, as far as `slack` tells."""
    return bool((((a - b).abs() <= slack) | (a.isnan() & b.isnan())).all())


def detached(block: Block) -> Finding | None:
    """Return whether the output carries no gradient although it moves."""
    if block.attached:
        return None
    return ("detached", "zero"), (
        f"the output depends on the input{block.where}, but carries no gradient: it was "
        "detached (.detach(), .data, .item(), no_grad, mark_non_differentiable)"
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
        f"{float(block.x[column]):.6g}: 0 * inf or 0 / 0 in the backward (sqrt, norm, log "
        "or a division at 0; torch.where does not stop a NaN of the branch not taken)"
    )


def zero(block: Block) -> Finding | None:
    """Return whether yours is zero everywhere although the numeric one is not."""
    if bool(block.given.any()):
        return None
    return ("zero", "detached"), (
        f"your gradient{block.where} is zero, the numeric one is not: is a branch detached "
        "(.detach(), .data, .item(), no_grad, an integer cast), or does the backward "
        "return None?"
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
    ratios = block.ratio[block.both]
    if not block.same_support or not len(ratios):
        return None
    c = float(ratios.median())
    if not bool(((ratios - c).abs() <= (block.ratio_slack[block.both]) * abs(c)).all()):
        return None
    where = block.where
    known = float(block.ratio_slack[block.both].min())
    exact = max(1e-6, known)
    if abs(c + 1) <= exact:
        return ("sign",), (
            f"your gradient{where} has the wrong sign: it is -1 times the numeric one "
            "everywhere (a deliberate gradient reversal?)"
        )
    sign = " and has the wrong sign" if c < 0 else ""
    signs = ("sign",) if c < 0 else ()
    sizes = _sizes(block)
    for size, meaning in sorted(sizes.items()):
        for value, text in ((float(size), f"{size}"), (1 / size, f"1/{size}")):
            if size > 3 and abs(abs(c) - value) <= exact * value:
                way = (
                    "a sum in the backward, a mean in the forward"
                    if value > 1
                    else "a mean in the backward, a sum in the forward"
                )
                return ("reduction", "factor", *signs), (
                    f"your gradient{where} is {text} times the numeric one{sign}, and "
                    f"{size} is {meaning}: {way}?"
                )
    for value, text in FACTORS.items():
        if abs(abs(c) - value) <= exact * value:
            whole = round(max(value, 1 / value))
            also = (
                f"; {whole} is also {sizes[whole]}: mean for sum?"
                if whole in sizes
                else ""
            )
            half = (
                " (detaching one of two equal factors leaves 1/2, too)"
                if value == 1 / 2
                else ""
            )
            kinds = ("factor", "reduction") if also else ("factor",)
            return (*kinds, *signs), (
                f"your gradient{where} is {text} times the numeric one everywhere"
                f"{sign}{also}{half}"
            )
    return ("factor", *signs), (
        f"your gradient{where} is {c:.6g} times the numeric one everywhere: a constant "
        "factor"
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


def rearranged(block: Block) -> Finding | None:
    """Return whether yours is the numeric Jacobian with its elements moved."""
    ish, osh = block.input_shape, block.output_shape
    if not block.full or math.prod(osh) != len(block.numeric):
        return None
    N, A, slack = (
        t.reshape(*osh, *ish) for t in (block.numeric, block.yours, block.slack)
    )
    first, dims = len(osh), len(osh) + len(ish)
    for d, e in itertools.combinations(range(dims), 2):
        if N.shape[d] != N.shape[e] or N.shape[d] < 2 or e < first:
            continue
        order = list(range(dims))
        order[d], order[e] = order[e], order[d]
        if close(A, N.permute(order), slack + slack.permute(order)):
            what = (
                f"the transpose of the numeric one (output dim {d}, input dim {e - first})"
                if d < first
                else f"transposed (input dims {d - first} and {e - first} are swapped)"
            )
            return ("transposed",), (
                f"your gradient{block.where} is {what}: a .T is missing or one too many"
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
                    f"your gradient{block.where} is shifted by {k:+d} along dim {e}: an "
                    "off-by-one index"
                )
        if close(A, N.flip(dim), slack + slack.flip(dim)):
            return ("flip",), (
                f"your gradient{block.where} is reversed along dim {e}: a flip is missing"
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
        f"your gradient{block.where} is transposed and reshaped back: use .T, not reshape"
    )


def inverted_mask(block: Block) -> Finding | None:
    """Return whether yours is zero exactly where the numeric one is not."""
    moves, given = block.moves.any(0), block.given.any(0)
    if not (bool(moves.any()) and bool(given.any())):
        return None
    if bool((moves & given).any()) or float((moves ^ given).double().mean()) <= 0.9:
        return None
    return ("mask",), (
        f"your gradient{block.where} is zero exactly where the numeric one is not, and the "
        "other way round: the mask is inverted"
    )


def chain(block: Block) -> Finding | None:
    """Return whether yours misses, or has too much of, a known factor or term."""
    if int(block.live.sum()) < 4 or not bool((block.wrong.any(0) == block.live).all()):
        return None
    if block.same_support:
        ratio = torch.nanmedian(block.ratio, 0).values[block.live]
        spread = ((block.ratio[:, block.live] - ratio) / ratio).abs()
        slack = block.ratio_slack[:, block.live] + 1e-6
        if bool((spread <= slack)[block.both[:, block.live]].all()):
            for name, f in _candidates(block):
                c = _constant(ratio, f[block.live])
                if c is not None:
                    times = "" if abs(c - 1) < 1e-5 else f"{c:.6g} * "
                    return ("chain",), (
                        f"your gradient{block.where} is {times}{name} times the numeric "
                        f"one, element by element: a chain-rule factor ({name} too many, "
                        "or its inverse missing)"
                    )
    difference = (block.numeric - block.yours).sum(0)
    rows = (block.wrong & block.live).sum(0).amax()
    if int(rows) > 1:
        return None
    for name, f in _candidates(block):
        c = _constant(difference[block.live], f[block.live])
        if c is not None:
            return ("chain",), (
                f"your gradient{block.where} misses the term {c:.6g} * {name}, element by "
                "element"
            )
    return None


def _constant(values: Tensor, f: Tensor) -> float | None:
    """Return c where values = c f, or None."""
    share = values / f
    c = float(share.median())
    if not math.isfinite(c) or c == 0 or float(f.std()) <= 1e-9 * float(f.abs().amax()):
        return None
    return c if bool(((share - c).abs() <= 1e-5 * abs(c)).all()) else None


def _candidates(block: Block) -> Iterator[tuple[str, Tensor]]:
    """Yield named functions of the element: factors that derivatives are made of."""
    x = block.x
    simple = {
        "x": x,
        "x^2": x * x,
        "x^3": x**3,
        "|x|": x.abs(),
        "sign(x)": x.sign(),
        "sqrt(|x|)": x.abs().sqrt(),
        "exp(x)": x.exp(),
        "sin(x)": x.sin(),
        "cos(x)": x.cos(),
        "cos(x)^2": x.cos() ** 2,
        "tanh(x)": x.tanh(),
        "1 - tanh(x)^2": 1 - x.tanh() ** 2,
        "sigmoid(x)": x.sigmoid(),
        "1 - sigmoid(x)": (-x).sigmoid(),
        "sigmoid(x)(1 - sigmoid(x))": x.sigmoid() * (-x).sigmoid(),
        "1 + x^2": 1 + x * x,
        "1 - x^2": 1 - x * x,
        "1 - x": 1 - x,
        "1 + x": 1 + x,
        "log(|x|)": x.abs().log(),
        "x sigmoid(x)(1 - sigmoid(x))": x * x.sigmoid() * (-x).sigmoid(),
        "x (1 - tanh(x)^2)": x * (1 - x.tanh() ** 2),
        "x cos(x)": x * x.cos(),
        "x exp(x)": x * x.exp(),
    }
    if block.full and len(block.y) == len(x):
        y = block.y
        simple |= {
            "y": y,
            "1 - y": 1 - y,
            "y(1 - y)": y * (1 - y),
            "1 - y^2": 1 - y * y,
            "y^2": y * y,
            "x/y": x / y,
        }
    for name, other in block.others.items():
        simple |= {name: other, f"{name} * x": other * x}
        simple |= {f"(x - {name})": x - other, f"({name})^2": other**2}
    for name, f in simple.items():
        yield name, f
        yield f"1/({name})", 1 / f


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
    return ("offset", "localized"), (
        f"your gradient{block.where} is off by exactly {c:.6g} at {int(wrong.sum())} of "
        f"{wrong.numel()} elements{hot}"
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
                f"your gradient{block.where} holds only slice {int(right.int().argmax())} "
                f"of output dim {d}: the sum over the broadcast dimension is missing"
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
                    f"{int(missing.sum())} cross terms are missing (a normalisation that "
                    "couples elements, or a statistic treated as a constant)"
                )
        elif not bool((missing & ~eye).any()) and not bool(extra.any()):
            return ("diagonal",), (
                f"your Jacobian{block.where} misses its diagonal: an element's own "
                "contribution is left out (exclusive for inclusive?)"
            )
    wide = float(block.wrong.any(0)[block.live].double().mean()) > 0.5
    if not bool(extra.any()) and wide:
        if float(missing.sum()) >= 0.5 * float(block.wrong.sum()):
            return ("diagonal",), (
                f"your Jacobian{block.where} is zero at {int(missing.sum())} places where "
                "the numeric one is not: cross terms are missing (a coupling, or a "
                "statistic treated as a constant)"
            )
    return None


def localized(block: Block) -> Finding | None:
    """Return whether only some elements are wrong, and what they share."""
    wrong = block.wrong.any(0) & block.live
    right = ~block.wrong.any(0) & block.live
    bad, live = int(wrong.sum()), int(block.live.sum())
    if not bad or bad == live:
        return None
    ratios = block.ratio[:, wrong][block.both[:, wrong]]
    there = ""
    if len(ratios):
        c = float(ratios.median())
        if bool(((ratios - c).abs() <= 1e-6 * abs(c)).all()):
            there = f"; there it is {c:.6g} times the numeric one"
    head = f"your gradient{block.where} is wrong only"
    if bad >= 3 and live - bad >= 3:
        condition = _split(block.x, wrong, right, "x") or _split(
            block.x.abs(), wrong, right, "|x|"
        )
        if condition:
            return ("localized",), (
                f"{head} where {condition} ({bad} of {live} elements){there}: one branch "
                "of the function has a wrong derivative"
            )
    border = _border(block, wrong)
    if border:
        return ("localized",), f"{head} {border}{there}: boundary handling"
    if bad > max(3, live // 2):
        return None
    elements = block.elements[wrong].tolist()
    shown = ", ".join(block.index(k) for k in elements[:4])
    more = ", …" if bad > 4 else ""
    return ("localized",), (f"{head} at {bad} of {live} elements: {shown}{more}{there}")


def _split(values: Tensor, wrong: Tensor, right: Tensor, name: str) -> str | None:
    """Return the threshold that separates wrong elements from right ones."""
    low, high = values[wrong], values[right]
    if float(low.max()) < float(high.min()):
        return f"{name} < {float(high.min()):.6g}"
    if float(low.min()) > float(high.max()):
        return f"{name} > {float(high.max()):.6g}"
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
