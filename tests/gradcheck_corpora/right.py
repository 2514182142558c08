"""Right gradients that a careless check would flag: scale, kinks, ill conditioning."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from gradcheck_corpora.bugs import normal, positive
from torch import Tensor
from torch.nn import functional

Function = Callable[..., object]
DOUBLE = torch.float64


@dataclass(frozen=True, eq=False)
class Right:
    """A function whose gradient by autograd is right, and a point.

    At a `hard` point the values are too noisy for any difference to tell.
    """

    name: str
    fn: Function
    inputs: tuple[Tensor, ...]
    hard: bool = False


RIGHT: list[Right] = []


def _right(name: str, fn: Function, *inputs: Tensor, hard: bool = False) -> None:
    RIGHT.append(Right(name, fn, inputs, hard))


def _point(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)


# scales of the value, of the input, of both
for e in (-10, -6, -3, 3, 6, 10):
    _right(f"value times 1e{e}", lambda x, s=10.0**e: s * x.sin() * x.exp(), normal(5))
    _right(
        f"input times 1e{e}", lambda x, s=10.0**e: (x / s).tanh(), 10.0**e * normal(5)
    )
    _right(f"square of 1e{e}", lambda x: (x**2).sum(), 10.0**e * normal(7))
    _right(
        f"loss of 1e{e}",
        lambda x, s=10.0**e: s * functional.mse_loss(x, normal(9, seed=1)),
        normal(9),
    )
_right("mixed scales", lambda x: x**3, _point(1e-8, 1e-4, 1.0, 1e4, 1e8))
_right(
    "mixed scales in a sum", lambda x: (x**2).sum(), _point(1e-6, 1e-3, 1.0, 1e3, 1e6)
)
_right("inputs of different scale", torch.mul, 1e-9 * normal(4), 1e9 * normal(4))
_right("large offset", lambda x: 1e6 + x.sin(), normal(5))
_right("tiny among large", lambda x: x.exp(), _point(1e-12, 3.0, -2.0, 1.0))

# flat regions and zeros
_right("relu on both sides", functional.relu, normal(30))
_right("flat region", lambda x: functional.relu(x).sum(), -positive(6))
_right("saturated sigmoid", torch.sigmoid, _point(-50.0, -30.0, 0.0, 30.0, 50.0))
_right("saturated tanh", torch.tanh, _point(-20.0, -5.0, 0.0, 5.0, 20.0))
_right("constant", lambda x: 0 * x + 3, normal(4))
_right("a square at its minimum", lambda x: (x - 1) ** 2, torch.ones(4, dtype=DOUBLE))
_right("x to the fourth at 0", lambda x: x**4, torch.zeros(3, dtype=DOUBLE))
_right("unused input", lambda x, y: x.sin() + 0 * y, normal(3), normal(3))
_right("round", torch.round, normal(6) + 0.2)
_right("floor and rest", lambda x: x - x.floor(), normal(6) + 0.2)
_right("sin at its maximum", torch.sin, _point(math.pi / 2, math.pi, 0.0))

# kinks, where a value between the slopes is right
_right("abs at 0", torch.abs, _point(0.0, 1.0, -2.0))
_right("relu at 0", functional.relu, _point(0.0, 1.0, -2.0))
_right("max of ties", lambda x: x.max(), _point(1.0, 1.0, 0.5))
_right("maximum of equals", torch.maximum, _point(1.0, 2.0), _point(1.0, 3.0))
_right("clamp at its edge", lambda x: x.clamp(-1, 1), _point(-1.0, 0.0, 1.0))
_right(
    "huber at its joint",
    lambda x: functional.huber_loss(x, 0 * x),
    _point(1.0, -1.0, 0.3),
)
_right("leaky relu at 0", functional.leaky_relu, _point(0.0, 1.0))
_right(
    "hinge at its corner", lambda x: (1 - x).clamp_min(0).sum(), _point(1.0, 0.0, 2.0)
)
_right("one-norm with zeros", lambda x: x.abs().sum(), _point(0.0, 0.0, 1.0, -1.0))
_right("kink close by", torch.abs, _point(1e-7, -1e-7, 1.0))
_right(
    "relu network",
    lambda x: functional.relu(functional.relu(x @ normal(6, 20)) @ normal(20, 4)),
    normal(8, 6),
)

# ill conditioned, near singular, near the edge of the domain
_right("erfinv near 1", torch.erfinv, _point(1 - 1e-10, -1 + 1e-8, 0.999999, 0.0))
_right("log near 0", torch.log, _point(1e-300, 1e-30, 1e-8, 1.0))
_right("sqrt near 0", torch.sqrt, _point(1e-20, 1e-10, 1.0))
_right("1/x near 0", torch.reciprocal, _point(1e-10, -1e-6, 3.0))
_right("asin near 1", torch.asin, _point(1 - 1e-10, -1 + 1e-8, 0.3))
_right("acosh near 1", torch.acosh, _point(1 + 1e-10, 1.5))
_right("logit near 0 and 1", torch.logit, _point(1e-12, 1 - 1e-9, 0.5))
_right("tan near its pole", torch.tan, _point(math.pi / 2 - 1e-6, 1.0))
_right("power 1/3", lambda x: x ** (1 / 3), _point(1e-12, 1.0, 8.0))
_right("lgamma", torch.lgamma, _point(1e-8, 0.5, 3.0, 100.0))
_right("digamma near a pole", torch.digamma, _point(-1 + 1e-4, 1e-5, 2.0))


def _hilbert(n: int) -> Tensor:
    i = torch.arange(1, n + 1, dtype=DOUBLE)
    return 1 / (i[:, None] + i - 1)


_right("inverse of Hilbert's matrix, n = 4", torch.linalg.inv, _hilbert(4))
_right("inverse of Hilbert's matrix, n = 6", torch.linalg.inv, _hilbert(6))
_right("inverse of Hilbert's matrix, n = 8", torch.linalg.inv, _hilbert(8))
_right("solving with Hilbert's matrix", torch.linalg.solve, _hilbert(6), normal(6))
_right("determinant", torch.linalg.det, normal(5, 5))
_right("log determinant", lambda a: torch.logdet(a @ a.T), normal(4, 4))
_right(
    "cholesky",
    lambda a: torch.linalg.cholesky(a @ a.T + torch.eye(4, dtype=DOUBLE)),
    normal(4, 4),
)
_right("symmetric eigenvalues", lambda a: torch.linalg.eigvalsh(a + a.T), normal(5, 5))
_right("singular values", torch.linalg.svdvals, normal(4, 6))
_right("matrix exponential", torch.linalg.matrix_exp, normal(4, 4))
_right(
    "cancellation", lambda x: (1 - x.cos()) / x**2, _point(1e-3, 0.1, 1.0), hard=True
)
_right("variance of a large mean", lambda x: x.var(), 1e4 + normal(8))
_right("log-sum-exp of large logits", lambda x: x.logsumexp(-1), 500 * normal(3, 6))
_right("softmax, peaked", lambda x: x.softmax(-1), 40 * normal(3, 6))
_right("fast oscillation", lambda x: (1e4 * x).sin(), normal(5))
_right("steep sigmoid", lambda x: (1e5 * x).sigmoid(), 1e-5 * normal(5))
_right("high power", lambda x: x**25, positive(5))

# networks, losses, shapes
_right(
    "cross-entropy",
    lambda x: functional.cross_entropy(x, torch.arange(6) % 4),
    normal(6, 4),
)
_right(
    "layer norm",
    lambda x, w, b: functional.layer_norm(x, (5,), w, b),
    normal(3, 5),
    normal(5),
    normal(5, seed=1),
)
_right(
    "convolution",
    lambda x, w: functional.conv2d(x, w, padding=1),
    normal(1, 2, 5, 5),
    normal(3, 2, 3, 3),
)
_right(
    "attention",
    lambda q, k, v: functional.scaled_dot_product_attention(q, k, v),
    normal(1, 4, 3),
    normal(1, 4, 3, seed=1),
    normal(1, 4, 3, seed=2),
)
_right("two outputs", lambda x: (x.sin(), x.exp().sum()), normal(5))
_right("unused output", lambda x: torch.linalg.qr(x), normal(4, 3))
_right("scalar", torch.exp, torch.tensor(0.3, dtype=DOUBLE))
_right("strided input", lambda x: (x.sin() * x).sum(), normal(6, 4).T)
_right("expanded inside", lambda x: x.expand(7, 5).cumsum(0), normal(5))
_right("in-place inside", lambda x: x.clone().mul_(2).add_(x), normal(5))
_right("indexing by value", lambda x: x[x > 0].sum(), normal(9))
_right(
    "a loop with .item()",
    lambda x: sum(x * k for k in range(int(x.detach().abs().sum().item()) + 1)),
    normal(4),
)
_right("many outputs", lambda x: torch.outer(x, x).sin(), normal(30))
_right(
    "many parameters",
    lambda w: (torch.tanh(normal(16, 64) @ w.view(64, 80)) ** 2).mean(),
    0.1 * normal(5120),
)
_right(
    "second derivative", lambda x: torch.func.grad(lambda x: (x**3).sum())(x), normal(5)
)

# complex
_right("complex square", lambda z: z * z, torch.complex(normal(4), normal(4, seed=1)))
_right("modulus", torch.abs, torch.complex(normal(4), normal(4, seed=1)))
_right(
    "complex to real",
    lambda z: (z.exp() * z.conj()).real.sum(),
    torch.complex(normal(3), normal(3, seed=1)),
)
_right("Fourier transform", torch.fft.rfft, normal(8))

# lower precision, checked at its own
for _name, _fn in {
    "sin": torch.sin,
    "exp": torch.exp,
    "tanh": torch.tanh,
    "softmax": lambda x: x.softmax(-1),
    "square loss": lambda x: (x - 1).square().mean(),
    "scaled by 1e-6": lambda x: 1e-6 * x.sin(),
    "offset by 100": lambda x: 100 + x.sin(),
    "layer norm": lambda x: functional.layer_norm(x, x.shape[-1:]),
    "cross-entropy": lambda x: functional.cross_entropy(x, torch.tensor([1, 2, 0])),
    "relu": functional.relu,
    "matmul": lambda x: x @ x.T,
    "norm": lambda x: x.norm(),
}.items():
    _right(f"float32 {_name}", _fn, normal(3, 4).float())
_right("float32 small inputs", torch.sin, 1e-5 * normal(6).float())
_right("float32 large inputs", torch.log, 1e6 * positive(6).float())
_right("bfloat16 sin", torch.sin, normal(6).bfloat16())
_right("bfloat16 square", lambda x: (x**2).sum(), normal(6).bfloat16())
_right("float32 inside", lambda x: x.float().sin().double(), normal(6))
