"""Wrong gradients, each with the keyword that names its mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Function = Callable[..., object]


@dataclass(frozen=True, eq=False)
class Bug:
    """A function with a wrong backward, a point, and what a diagnosis should say."""

    name: str
    kind: str
    fn: Function
    inputs: tuple[Tensor, ...]


def with_backward(forward: Function, backward: Function) -> Function:
    """Return `forward`, differentiated by ``backward(g, *inputs)``."""

    class Custom(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs):
            return forward(*inputs)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, *g):
            return backward(*g, *ctx.saved_tensors)

    return Custom.apply


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Return a float64 tensor of normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def positive(*shape: int, seed: int = 0) -> Tensor:
    """Return a float64 tensor of numbers in [0.5, 2]."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + 1.5 * torch.rand(shape, generator=generator, dtype=torch.float64)


def _masked_softmax_backward(g, x):
    p = x.softmax(-1)
    return g * p * (1 - p)


def _matmul(g, a, b):
    return g @ b.T, a.T @ g


BUGS: list[Bug] = []


def _bug(kind: str, name: str, fn: Function, *inputs: Tensor) -> None:
    BUGS.append(Bug(name, kind, fn, inputs))


def _elementwise(
    kind: str,
    name: str,
    forward: Function,
    derivative: Function,
    x: Tensor | None = None,
) -> None:
    fn = with_backward(forward, lambda g, x: g * derivative(x))
    _bug(kind, name, fn, normal(9) if x is None else x)


# sign
_elementwise("sign", "cosine's sign", torch.cos, torch.sin)
_elementwise("sign", "exp(-x)", lambda x: (-x).exp(), lambda x: (-x).exp())
_bug(
    "sign",
    "minus in a difference",
    with_backward(lambda a, b: a - b, lambda g, a, b: (g, g)),
    normal(5),
    normal(5, seed=1),
)
_bug(
    "sign",
    "reversed gradient, then a loss",
    lambda x: with_backward(lambda x: x.clone(), lambda g, x: -g)(x).square().mean(),
    normal(4, 3),
)
_bug(
    "sign",
    "log-likelihood for its negative",
    with_backward(
        lambda x: -x.log_softmax(-1)[:, 0].sum(),
        lambda g, x: (
            -g * (x.softmax(-1) - functional.one_hot(torch.zeros(4).long(), 3))
        ),
    ),
    normal(4, 3),
)

# factor
_elementwise("factor", "missing 2 of a square", torch.square, lambda x: x)
_elementwise("factor", "1/2 too many", lambda x: 0.5 * x * x, lambda x: 2 * x)
_elementwise(
    "factor", "ln 10 forgotten", lambda x: x.log10(), lambda x: 1 / x, positive(7)
)
_elementwise(
    "factor", "ln 2 forgotten", lambda x: x.log2(), lambda x: 1 / x, positive(7)
)
_elementwise("factor", "3 of a cube", lambda x: x**3, lambda x: x * x)
_elementwise("factor", "off by 0.01 %", torch.sin, lambda x: 1.0001 * x.cos())
_elementwise("factor", "2/sqrt(pi) of erf", torch.erf, lambda x: (-x * x).exp())
_bug("factor", "detached square", lambda x: (x * x.detach()).sum(), normal(6))
_bug(
    "factor",
    "temperature forgotten",
    with_backward(
        lambda x: (x / 0.7).tanh(), lambda g, x: g * (1 - (x / 0.7).tanh() ** 2)
    ),
    normal(6),
)

# reduction
_bug(
    "reduction",
    "mean for sum",
    with_backward(torch.sum, lambda g, x: g / x.numel() + 0 * x),
    normal(12),
)
_bug(
    "reduction",
    "sum for mean",
    with_backward(torch.mean, lambda g, x: g + 0 * x),
    normal(12),
)
_bug(
    "reduction",
    "batch mean for sum",
    with_backward(lambda x: x.square().sum(), lambda g, x: g * 2 * x / len(x)),
    normal(5, 3),
)
_bug(
    "reduction",
    "mse without its 1/n",
    with_backward(lambda p: (p - 1).square().mean(), lambda g, p: g * 2 * (p - 1)),
    normal(7, 3),
)
_bug(
    "reduction",
    "cross-entropy's batch mean",
    with_backward(
        lambda x: -x.log_softmax(-1)[:, 1].mean(),
        lambda g, x: g * (x.softmax(-1) - torch.eye(3, dtype=x.dtype)[1]),
    ),
    normal(8, 3),
)
_bug(
    "reduction",
    "bias averaged over the batch",
    with_backward(lambda x, b: x + b, lambda g, x, b: (g, g.mean(0))),
    normal(6, 3),
    normal(3),
)

# transposed
_bug(
    "transposed",
    "square matmul without .T",
    with_backward(lambda a, b: a @ b, lambda g, a, b: (g @ b, a.T @ g)),
    normal(3, 3),
    normal(3, 3, seed=1),
)
_bug(
    "transposed",
    "matrix-vector product",
    with_backward(lambda w, x: w @ x, lambda g, w, x: (torch.outer(g, x), w @ g)),
    normal(4, 4),
    normal(4),
)
_bug(
    "transposed",
    "gradient of a trace form",
    with_backward(
        lambda x: (x @ torch.arange(16.0, dtype=x.dtype).view(4, 4)).trace(),
        lambda g, x: g * torch.arange(16.0, dtype=x.dtype).view(4, 4),
    ),
    normal(4, 4),
)
_bug(
    "transposed",
    "reshape for .T",
    with_backward(lambda x: x.T.sin(), lambda g, x: (g * x.T.cos()).reshape(x.shape)),
    normal(3, 5),
)
_bug(
    "transposed",
    "linear map backward by itself",
    with_backward(
        lambda x: torch.arange(9.0, dtype=x.dtype).view(3, 3) @ x,
        lambda g, x: torch.arange(9.0, dtype=x.dtype).view(3, 3) @ g,
    ),
    normal(3),
)

# shift and flip
_bug(
    "shift",
    "roll the same way",
    with_backward(lambda x: x.roll(1) ** 3, lambda g, x: g * 3 * x.roll(1) ** 2),
    normal(8),
)
_bug(
    "shift",
    "off by one in a loss",
    with_backward(lambda x: (x**2).sum(), lambda g, x: g * 2 * x.roll(1)),
    normal(8),
)
_bug(
    "shift",
    "time step off by one",
    with_backward(
        lambda x: (x.sin() * torch.arange(6.0, dtype=x.dtype)).sum(),
        lambda g, x: g * (x.cos() * torch.arange(6.0, dtype=x.dtype)).roll(-1),
    ),
    normal(6),
)
_bug(
    "shift",
    "gather from the next column",
    with_backward(lambda x: x.exp().sum(0), lambda g, x: (g * x.exp()).roll(1, 1)),
    normal(3, 5),
)
_bug(
    "flip",
    "cumsum without its flip",
    with_backward(lambda x: (x**2).flip(0), lambda g, x: g * 2 * x.flip(0)),
    normal(6),
)
_bug(
    "flip",
    "reversed sequence",
    with_backward(lambda x: x.sin().sum(), lambda g, x: g * x.cos().flip(0)),
    normal(6),
)

# swapped
_bug(
    "swapped",
    "product's gradients swapped",
    with_backward(torch.mul, lambda g, a, b: (g * a, g * b)),
    normal(5),
    normal(5, seed=1),
)
_bug(
    "swapped",
    "division's gradients swapped",
    with_backward(torch.div, lambda g, a, b: (-g * a / b**2, g / b)),
    positive(4),
    positive(4, seed=1),
)
_bug(
    "swapped",
    "returned in the wrong order",
    with_backward(
        lambda a, b: (a.sin() * b.exp()).sum(),
        lambda g, a, b: (g * a.sin() * b.exp(), g * a.cos() * b.exp()),
    ),
    normal(3, 2),
    normal(3, 2, seed=1),
)

# mask
_elementwise("mask", "relu inverted", functional.relu, lambda x: (x < 0).to(x))
_elementwise(
    "mask",
    "clamp inverted",
    lambda x: x.clamp(-0.5, 0.5),
    lambda x: (x.abs() > 0.5).to(x),
)
_bug(
    "mask",
    "masked loss inverted",
    with_backward(
        lambda x: x[::2].square().sum(),
        lambda g, x: g * 2 * x * (torch.arange(len(x)) % 2),
    ),
    normal(8),
)
_elementwise(
    "mask",
    "hinge inverted",
    lambda x: (1 - x).clamp_min(0),
    lambda x: -(x > 1).to(x),
    normal(9) * 2,
)

# zero and detached
_bug(
    "zero",
    "None for the weight",
    with_backward(lambda x, w: x * w, lambda g, x, w: (g * w, None)),
    normal(4),
    normal(4, seed=1),
)
_bug(
    "zero",
    "zeros returned",
    with_backward(torch.sin, lambda g, x: torch.zeros_like(g)),
    normal(5),
)
_bug(
    "zero",
    "a scale's gradient forgotten",
    lambda x, s: x * s.detach(),
    normal(5),
    normal(1),
)
_bug("detached", "whole output", lambda x: x.detach().sin(), normal(5))
_bug("detached", "through .data", lambda x: x.data.exp().sum(), normal(5))
_bug(
    "detached",
    "through numpy",
    lambda x: torch.from_numpy(x.detach().numpy().copy()).sin(),
    normal(5),
)
_bug(
    "detached",
    "a term is detached",
    lambda x: (x.sin() + (x.exp() * x.flip(0)).detach()).sum(),
    normal(7),
)

# chain
_elementwise(
    "chain",
    "inner derivative forgotten",
    lambda x: (x**2).sin(),
    lambda x: (x**2).cos(),
)
_elementwise("chain", "sigmoid without 1 - y", torch.sigmoid, torch.sigmoid)
_elementwise("chain", "sigmoid without y", torch.sigmoid, lambda x: 1 - x.sigmoid())
_elementwise("chain", "1/x of log forgotten", torch.log, torch.ones_like, positive(7))
_elementwise("chain", "exponent not lowered", lambda x: x**3, lambda x: 3 * x**3)
_elementwise("chain", "tanh from itself", torch.tanh, lambda x: 1 - x.tanh())
_elementwise("chain", "product rule's second term", lambda x: x * x.sin(), torch.sin)
_elementwise("chain", "silu's second term", lambda x: x * x.sigmoid(), torch.sigmoid)
_bug(
    "chain",
    "weight decay forgotten",
    with_backward(lambda x: (x.sin() + 0.1 * x**2).sum(), lambda g, x: g * x.cos()),
    normal(7),
)
_bug(
    "chain",
    "other factor forgotten",
    with_backward(torch.mul, lambda g, a, b: (g + 0 * a, g * a)),
    normal(5),
    normal(5, seed=1),
)

# broadcast and diagonal
_bug(
    "broadcast",
    "bias of the first row only",
    with_backward(lambda x, b: x + b, lambda g, x, b: (g, g[0])),
    normal(4, 3),
    normal(3),
)
_bug(
    "broadcast",
    "scale of the last row only",
    with_backward(lambda x, s: x * s, lambda g, x, s: (g * s, (g * x)[-1])),
    normal(4, 3),
    normal(3),
)
_bug(
    "diagonal",
    "softmax without coupling",
    with_backward(lambda x: x.softmax(-1), _masked_softmax_backward),
    normal(5),
)
_bug(
    "diagonal",
    "log-softmax without coupling",
    with_backward(lambda x: x.log_softmax(-1), lambda g, x: g * (1 - x.softmax(-1))),
    normal(5),
)
_bug(
    "diagonal",
    "mean of a centring forgotten",
    with_backward(lambda x: x - x.mean(), lambda g, x: g * (1 - 1 / len(x))),
    normal(6),
)
_bug("diagonal", "norm held constant", lambda x: x / x.norm().detach(), normal(6))
_bug(
    "diagonal",
    "cumsum of its own element",
    with_backward(lambda x: x.cumsum(0), lambda g, x: g),
    normal(6),
)

# offset
_bug(
    "offset",
    "a constant added",
    with_backward(torch.sin, lambda g, x: g * x.cos() + 0.01 * g.sum()),
    normal(5),
)
_bug(
    "offset",
    "constant in a loss's gradient",
    with_backward(lambda x: x.square().sum(), lambda g, x: g * (2 * x + 0.25)),
    normal(9),
)
_bug(
    "offset",
    "softmax without the one-hot",
    with_backward(
        lambda x: -x.log_softmax(-1)[:, 1].sum(), lambda g, x: g * x.softmax(-1)
    ),
    normal(4, 3),
)

# conjugate
_bug(
    "conjugate",
    "complex square",
    with_backward(lambda z: z * z, lambda g, z: g * 2 * z),
    torch.complex(normal(4), normal(4, seed=1)),
)
_bug(
    "conjugate",
    "squared modulus",
    with_backward(lambda z: (z * z.conj()).real.sum(), lambda g, z: g * 2 * z.conj()),
    torch.complex(normal(4), normal(4, seed=1)),
)

# localized
_bug(
    "localized",
    "one element off",
    with_backward(
        torch.sin, lambda g, x: g * x.cos() * (1 + 1e-5 * (torch.arange(40) == 17))
    ),
    normal(40),
)
_elementwise(
    "localized",
    "leaky slope of the wrong branch",
    lambda x: torch.where(x > 0, x, 0.1 * x),
    lambda x: torch.where(x > 0, 1.0, 0.2).to(x),
    normal(20),
)
_elementwise(
    "localized",
    "elu's tail",
    functional.elu,
    lambda x: torch.where(x > 0, 1.0, x).to(x),
    normal(20),
)
_bug(
    "localized",
    "border of a convolution",
    with_backward(
        lambda x: (x[1:] - x[:-1]).square().sum(),
        lambda g, x: (
            g * torch.cat([0 * x[:1], 2 * (2 * x[1:-1] - x[:-2] - x[2:]), 0 * x[:1]])
        ),
    ),
    normal(12),
)
_bug(
    "localized",
    "one of many parameters",
    with_backward(
        lambda x: x.square().sum(),
        lambda g, x: g * 2 * x * (1 + 0.1 * (torch.arange(6000) == 4321)),
    ),
    normal(6000),
)

# nonfinite, kink, step
_bug(
    "nonfinite",
    "norm at zero",
    lambda x: (x**2).sum().sqrt() + x.sum(),
    torch.zeros(3, dtype=torch.float64),
)
_bug(
    "nonfinite",
    "where does not stop NaN",
    lambda x: torch.where(x > 0, x.abs().sqrt(), x),
    torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64),
)
_bug(
    "kink",
    "slope of abs at 0",
    with_backward(torch.abs, lambda g, x: g * torch.where(x == 0, 3.0, x.sign())),
    torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64),
)
_bug(
    "step",
    "straight-through round",
    with_backward(torch.round, lambda g, x: g),
    normal(5) + 0.2,
)
_bug("step", "straight-through sign", lambda x: x + (x.sign() - x).detach(), normal(5))

# state
_calls = iter(range(10**9))
_bug(
    "nondeterministic",
    "a counter in the forward",
    lambda x: x * (1 + next(_calls)),
    normal(3),
)
_bug("nondeterministic", "dropout", lambda x: functional.dropout(x, 0.5), normal(50))
_bug(
    "backward-nondeterministic",
    "noise in the backward",
    with_backward(
        torch.sin, lambda g, x: g * x.cos() * (1 + 1e-3 * torch.rand_like(x))
    ),
    normal(5),
)
_bug("inplace", "overwrites its input", lambda x: x.mul_(2).sum(), normal(4))
_bug(
    "inplace",
    "overwrites what the backward needs",
    lambda x: x.exp().add_(1).sum(),
    normal(4),
)

# the incoming gradient
_bug(
    "not-linear",
    "grad_output forgotten",
    with_backward(torch.sin, lambda g, x: x.cos()),
    normal(5),
)
_bug(
    "not-linear",
    "grad_output forgotten in a loss",
    with_backward(lambda x: x.square().sum(), lambda g, x: 2 * x),
    normal(5),
)
_bug(
    "not-linear",
    "clipped",
    with_backward(lambda x: 5 * x, lambda g, x: (5 * g).clamp(-0.1, 0.1)),
    normal(5),
)
_bug(
    "low-precision",
    "half in the backward",
    with_backward(torch.sin, lambda g, x: g.to(torch.bfloat16).to(g) * x.cos()),
    normal(30),
)
