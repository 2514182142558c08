"""Right networks as people build them, and faults planted in their gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from gradcheck_corpora.bugs import with_backward
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils import parametrizations

Function = Callable[..., object]
# Inputs and parameters in this precision; autocast keeps them in float32.
PRECISIONS = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "autocast": torch.float32,
}


@dataclass(frozen=True, eq=False)
class Network:
    """A module, a point, and the loss that is taken of its output.

    ``loss(output)``, or ``loss(output, target)`` if there is a target.
    """

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    loss: Function | None = None
    target: object = None

    def data(self) -> tuple[object, ...]:
        """Return what `check_module` takes after the loss."""
        if self.loss is None:
            return self.inputs
        return (self.inputs,) if self.target is None else (self.inputs, self.target)

    def functional(
        self, precision: str
    ) -> tuple[Function, list[str], tuple[Tensor, ...]]:
        """Return the loss as a function of parameters and inputs, their names, a point.

        The names end in "input 0", "input 1", ... The module itself is copied.
        """
        dtype = PRECISIONS[precision]
        module = copy.deepcopy(self.module).to(dtype)
        parameters = {name: p.detach() for name, p in module.named_parameters()}
        inputs = [_to(x, dtype) for x in self.inputs]
        free = [k for k, x in enumerate(inputs) if x.is_floating_point()]
        target = _to(self.target, dtype)
        count = len(parameters)

        def fn(*values: Tensor) -> object:
            given = dict(zip(parameters, values, strict=False))
            features = list(inputs)
            for k, value in zip(free, values[count:], strict=True):
                features[k] = value
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
                output = functional_call(module, given, tuple(features))
                if self.loss is None:
                    return output
                return self.loss(*([output] if target is None else [output, target]))

        names = [*parameters, *(f"input {k}" for k in free)]
        return fn, names, (*parameters.values(), *(inputs[k] for k in free))


def _to(x: object, dtype: torch.dtype) -> object:
    able = isinstance(x, Tensor) and x.is_floating_point()
    return x.to(dtype) if able else x


def torch_raises(fn: Function, inputs: tuple[Tensor, ...]) -> bool:
    """Return whether torch itself has no kernel, as for some layers in half."""
    try:
        slopes(fn, inputs)
    except RuntimeError:
        return True
    return False


# ---------------------------------------------------------------------- the modules


class Apply(nn.Module):
    """A function of a module's output, as a layer."""

    def __init__(self, fn: Function) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, *inputs: Tensor) -> object:
        return self.fn(*inputs)


class First(nn.Module):
    """A recurrent layer without its last state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Add(nn.Module):
    """A block with a shortcut."""

    def __init__(self, *layers: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.block(x)


class RootMeanSquare(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


class Attention(nn.Module):
    """Self-attention by nn.MultiheadAttention."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Causal(nn.Module):
    """Self-attention by hand, each position looking back only."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        return self.out(scores.masked_fill(later, float("-inf")).softmax(-1) @ v)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        return self.layer(x, memory)


class Steps(nn.Module):
    """A cell applied along time."""

    def __init__(self, cell: nn.Module, size: int) -> None:
        super().__init__()
        self.cell = cell
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], self.size)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return h


class Tied(nn.Module):
    """A language model whose output layer is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 6)
        self.position = nn.Parameter(0.1 * torch.randn(5, 6))
        self.layer = nn.GRU(6, 6, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.layer(self.embedding(tokens) + self.position)[0]
        return functional.linear(hidden, self.embedding.weight).flatten(0, 1)


class Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, padding=1)
        self.middle = nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down(x).relu()
        coarse = self.middle(functional.max_pool2d(fine, 2)).relu()
        wide = functional.interpolate(
            coarse, scale_factor=2, mode="bilinear", align_corners=False
        )
        return self.up(torch.cat([fine, wide], 1))


class Autoencoder(nn.Module):
    """A variational one, its noise fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 8)
        self.decoder = nn.Linear(4, 6)
        self.register_buffer("noise", torch.randn(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.encoder(x).tanh().chunk(2, -1)
        z = mean + (spread / 2).exp() * self.noise
        divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(-1)
        error = (self.decoder(z).sigmoid() - x).square().sum(-1)
        return (error + divergence).mean()


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(5, 3)
        self.experts = nn.ModuleList(nn.Linear(5, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.gate(x).softmax(-1)
        outputs = torch.stack([expert(x).relu() for expert in self.experts], -1)
        return (outputs * weight[:, None]).sum(-1)


class Flow(nn.Module):
    """An affine coupling, with the logarithm of its volume."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        scale, shift = self.net(left).chunk(2, -1)
        z = torch.cat([left, right * scale.tanh().exp() + shift], -1)
        return (0.5 * z.square().sum(-1) - scale.tanh().sum(-1)).mean()


class Graph(nn.Module):
    """Messages along the edges of a ring with a chord, gathered and summed."""

    def __init__(self) -> None:
        super().__init__()
        self.message = nn.Linear(6, 4)
        self.update = nn.Linear(7, 3)
        edges = [[0, 1, 2, 3, 4, 0, 3], [1, 2, 3, 4, 0, 2, 3]]
        self.register_buffer("edges", torch.tensor(edges))

    def forward(self, x: Tensor) -> Tensor:
        source, target = self.edges
        message = self.message(torch.cat([x[source], x[target]], -1)).relu()
        total = message.new_zeros(len(x), 4).index_add(0, target, message)
        return self.update(torch.cat([x, total.to(x)], -1))


class Physics(nn.Module):
    """u'' + u of a small network, which differentiates inside itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, t: Tensor) -> Tensor:
        with torch.enable_grad():
            t = t if t.requires_grad else t.detach().requires_grad_()
            u = self.net(t)
            (first,) = torch.autograd.grad(u.sum(), t, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), t, create_graph=True)
        return (second + u).square().mean()


class Squeeze(nn.Module):
    """Channels weighted by what the whole picture holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.narrow = nn.Linear(4, 2)
        self.wide = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.conv(x))
        weight = self.wide(functional.silu(self.narrow(y.mean((2, 3))))).sigmoid()
        return (y * weight[:, :, None, None]).mean((2, 3))


class Two(nn.Module):
    """One encoder for several inputs."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.encoder(x) for x in inputs)


def _mlp(*sizes: int, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(pairwise(sizes)):
        layers += [act()] * (k > 0) + [nn.Linear(a, b)]
    return nn.Sequential(*layers)


def _trained(module: nn.Module) -> nn.Module:
    """Return a module in eval mode, its running statistics those of some data."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return module.eval()


def _classes(count: int, classes: int) -> Tensor:
    return torch.randint(classes, (count,))


def _bits(*shape: int) -> Tensor:
    return torch.randint(2, shape).float()


def _ctc(logits: Tensor, target: Tensor) -> Tensor:
    steps, batch = logits.shape[:2]
    return functional.ctc_loss(
        logits.log_softmax(-1),
        target,
        torch.full((batch,), steps),
        torch.full((batch,), target.shape[1]),
    )


def _resnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        Add(
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Conv2d(3, 3, 3, padding=1, bias=False),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Conv2d(3, 3, 3, padding=1),
        ),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 4),
    )


def _cnn(norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        norm,
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )


def _encoder(**options: object) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        8, 2, 12, dropout=0.0, batch_first=True, **options
    )


randn, rand = torch.randn, torch.rand
Made = tuple[object, ...]  # module, inputs, loss, target
NETWORKS: dict[str, Callable[[], Made]] = {
    # perceptrons
    "relu, mse": lambda: (
        _mlp(5, 16, 3),
        (randn(8, 5),),
        functional.mse_loss,
        randn(8, 3),
    ),
    "deep relu, cross-entropy": lambda: (
        _mlp(6, 12, 12, 12, 12, 4),
        (randn(10, 6),),
        functional.cross_entropy,
        _classes(10, 4),
    ),
    "wide relu, outputs": lambda: (_mlp(4, 40, 5), (randn(6, 4),)),
    "gelu, cross-entropy": lambda: (
        _mlp(5, 10, 4, act=nn.GELU),
        (randn(7, 5),),
        functional.cross_entropy,
        _classes(7, 4),
    ),
    "silu, binary": lambda: (
        _mlp(5, 10, 1, act=nn.SiLU),
        (randn(7, 5),),
        functional.binary_cross_entropy_with_logits,
        _bits(7, 1),
    ),
    "tanh, huber": lambda: (
        _mlp(4, 9, 9, 2, act=nn.Tanh),
        (randn(8, 4),),
        functional.huber_loss,
        2 * randn(8, 2),
    ),
    "leaky relu, smooth l1": lambda: (
        _mlp(4, 12, 2, act=nn.LeakyReLU),
        (randn(8, 4),),
        functional.smooth_l1_loss,
        2 * randn(8, 2),
    ),
    "elu, l1": lambda: (
        _mlp(4, 8, 2, act=nn.ELU),
        (randn(6, 4),),
        functional.l1_loss,
        randn(6, 2),
    ),
    "softplus, poisson": lambda: (
        _mlp(4, 8, 1, act=nn.Softplus),
        (randn(6, 4),),
        functional.poisson_nll_loss,
        torch.randint(5, (6, 1)).float(),
    ),
    "mish": lambda: (_mlp(4, 8, 2, act=nn.Mish), (randn(6, 4),)),
    "hardtanh": lambda: (_mlp(4, 8, 2, act=nn.Hardtanh), (2 * randn(6, 4),)),
    "hardswish": lambda: (_mlp(4, 8, 2, act=nn.Hardswish), (2 * randn(6, 4),)),
    "prelu": lambda: (_mlp(4, 8, 2, act=nn.PReLU), (randn(6, 4),)),
    "selu": lambda: (_mlp(4, 8, 2, act=nn.SELU), (randn(6, 4),)),
    "gated linear unit": lambda: (
        nn.Sequential(nn.Linear(4, 12), nn.GLU(), nn.Linear(6, 2)),
        (randn(5, 4),),
    ),
    "maxout": lambda: (
        nn.Sequential(
            nn.Linear(4, 12), Apply(lambda y: y.unflatten(-1, (4, 3)).amax(-1))
        ),
        (randn(5, 4),),
    ),
    "weight norm": lambda: (
        nn.Sequential(
            parametrizations.weight_norm(nn.Linear(4, 6)), nn.ReLU(), nn.Linear(6, 2)
        ),
        (randn(5, 4),),
    ),
    "dropout in eval mode": lambda: (
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)).eval(),
        (randn(5, 4),),
    ),
    "residual blocks": lambda: (
        nn.Sequential(Add(_mlp(6, 10, 6)), Add(_mlp(6, 10, 6)), nn.Linear(6, 3)),
        (randn(6, 6),),
        functional.cross_entropy,
        _classes(6, 3),
    ),
    "bilinear": lambda: (nn.Bilinear(3, 4, 5), (randn(6, 3), randn(6, 4))),
    # normalisations
    "layer norm": lambda: (
        nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)),
        (randn(6, 5),),
        functional.cross_entropy,
        _classes(6, 3),
    ),
    "root mean square norm": lambda: (
        nn.Sequential(nn.Linear(5, 8), RootMeanSquare(8), nn.SiLU(), nn.Linear(8, 3)),
        (randn(6, 5),),
    ),
    "batch norm, training": lambda: (
        nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        (randn(12, 5),),
        functional.cross_entropy,
        _classes(12, 3),
    ),
    "batch norm, eval": lambda: (
        _trained(
            nn.Sequential(
                nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
            )
        ),
        (randn(12, 5),),
        functional.cross_entropy,
        _classes(12, 3),
    ),
    # convolutions
    "conv, max-pool": lambda: (
        _cnn(nn.Identity()),
        (randn(3, 1, 6, 6),),
        functional.cross_entropy,
        _classes(3, 3),
    ),
    "conv, batch norm, training": lambda: (
        _cnn(nn.BatchNorm2d(4)),
        (randn(4, 1, 6, 6),),
        functional.cross_entropy,
        _classes(4, 3),
    ),
    "conv, batch norm, eval": lambda: (
        _trained(_cnn(nn.BatchNorm2d(4))),
        (randn(3, 1, 6, 6),),
        functional.cross_entropy,
        _classes(3, 3),
    ),
    "conv, group norm": lambda: (
        _cnn(nn.GroupNorm(2, 4)),
        (randn(3, 1, 6, 6),),
        functional.cross_entropy,
        _classes(3, 3),
    ),
    "conv, instance norm": lambda: (
        _cnn(nn.InstanceNorm2d(4, affine=True)),
        (randn(2, 1, 6, 6),),
    ),
    "strided conv, average pool": lambda: (
        nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 2),
        ),
        (randn(2, 2, 8, 8),),
    ),
    "depthwise separable conv": lambda: (
        nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1, groups=3),
            nn.ReLU6(),
            nn.Conv2d(3, 4, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        (randn(2, 3, 5, 5),),
    ),
    "dilated conv in one dimension": lambda: (
        nn.Sequential(
            nn.Conv1d(2, 4, 3, padding=2, dilation=2), nn.Tanh(), nn.Conv1d(4, 1, 3)
        ),
        (randn(2, 2, 9),),
        functional.mse_loss,
        randn(2, 1, 7),
    ),
    "conv in three dimensions": lambda: (
        nn.Sequential(nn.Conv3d(1, 2, 2), nn.ReLU(), nn.MaxPool3d(2), nn.Flatten()),
        (randn(2, 1, 5, 5, 5),),
    ),
    "transposed conv": lambda: (
        nn.Sequential(
            nn.ConvTranspose2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 1, 2)
        ),
        (randn(2, 3, 3, 3),),
    ),
    "u-net": lambda: (
        Unet(),
        (randn(2, 1, 6, 6),),
        functional.binary_cross_entropy_with_logits,
        _bits(2, 1, 6, 6),
    ),
    "resnet, training": lambda: (
        _resnet(),
        (randn(4, 1, 5, 5),),
        functional.cross_entropy,
        _classes(4, 4),
    ),
    "resnet, eval": lambda: (
        _trained(_resnet()),
        (randn(3, 1, 5, 5),),
        functional.cross_entropy,
        _classes(3, 4),
    ),
    "squeeze and excite": lambda: (Squeeze(), (randn(2, 2, 5, 5),)),
    "pixel shuffle": lambda: (
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.PixelShuffle(2), nn.Softplus()),
        (randn(2, 1, 4, 4),),
        functional.mse_loss,
        rand(2, 1, 8, 8),
    ),
    # recurrent
    "rnn": lambda: (First(nn.RNN(3, 5, batch_first=True)), (randn(3, 6, 3),)),
    "rnn of relu": lambda: (
        First(nn.RNN(3, 5, nonlinearity="relu", batch_first=True)),
        (randn(3, 6, 3),),
    ),
    "gru, last step": lambda: (
        nn.Sequential(
            First(nn.GRU(3, 5, batch_first=True)),
            Apply(lambda y: y[:, -1]),
            nn.Linear(5, 3),
        ),
        (randn(4, 6, 3),),
        functional.cross_entropy,
        _classes(4, 3),
    ),
    "lstm": lambda: (
        nn.Sequential(First(nn.LSTM(3, 5, batch_first=True)), nn.Linear(5, 2)),
        (randn(3, 6, 3),),
        functional.mse_loss,
        randn(3, 6, 2),
    ),
    "lstm of two layers and directions": lambda: (
        First(nn.LSTM(2, 3, num_layers=2, bidirectional=True)),
        (randn(4, 2, 2),),
    ),
    "gru cell": lambda: (Steps(nn.GRUCell(3, 4), 4), (randn(3, 5, 3),)),
    "lstm, ctc": lambda: (
        nn.Sequential(First(nn.LSTM(3, 5)), nn.Linear(5, 4)),
        (randn(8, 2, 3),),
        _ctc,
        torch.randint(1, 4, (2, 3)),
    ),
    # attention and tokens
    "multi-head attention": lambda: (Attention(8, 2), (randn(2, 5, 8),)),
    "causal attention": lambda: (Causal(6), (randn(2, 5, 6),)),
    "transformer layer": lambda: (
        nn.Sequential(_encoder(), Apply(lambda y: y.mean(1)), nn.Linear(8, 3)),
        (randn(3, 4, 8),),
        functional.cross_entropy,
        _classes(3, 3),
    ),
    "transformer layer, norm first": lambda: (
        _encoder(norm_first=True, activation="gelu"),
        (randn(2, 4, 8),),
        functional.mse_loss,
        randn(2, 4, 8),
    ),
    "transformer decoder": lambda: (Decoder(), (randn(2, 3, 8), randn(2, 4, 8))),
    "embedding, mean": lambda: (
        nn.Sequential(
            nn.Embedding(7, 5), Apply(lambda y: y.mean(1)), nn.ReLU(), nn.Linear(5, 3)
        ),
        (torch.randint(7, (4, 6)),),
        functional.cross_entropy,
        _classes(4, 3),
    ),
    "embedding bag": lambda: (
        nn.Sequential(nn.EmbeddingBag(7, 5, mode="sum"), nn.Linear(5, 2)),
        (torch.randint(7, (4, 6)),),
    ),
    "tied language model": lambda: (
        Tied(),
        (torch.randint(9, (3, 5)),),
        functional.cross_entropy,
        _classes(15, 9),
    ),
    # losses
    "label smoothing": lambda: (
        _mlp(4, 8, 5),
        (randn(6, 4),),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        _classes(6, 5),
    ),
    "ignored targets": lambda: (
        _mlp(4, 8, 5),
        (randn(6, 4),),
        functional.cross_entropy,
        torch.tensor([0, -100, 3, 4, -100, 1]),
    ),
    "divergence of distributions": lambda: (
        _mlp(4, 8, 5),
        (randn(6, 4),),
        lambda y, p: functional.kl_div(y.log_softmax(-1), p, reduction="batchmean"),
        randn(6, 5).softmax(-1),
    ),
    "gaussian likelihood": lambda: (
        _mlp(4, 8, 2, act=nn.Tanh),
        (randn(6, 4),),
        lambda y, t: functional.gaussian_nll_loss(
            y[:, 0], t, functional.softplus(y[:, 1])
        ),
        randn(6),
    ),
    "cosine similarity": lambda: (
        Two(_mlp(4, 8, 5)),
        (randn(6, 4), randn(6, 4)),
        lambda y: 1 - functional.cosine_similarity(*y).mean(),
    ),
    "triplets": lambda: (
        Two(_mlp(4, 8, 5)),
        (randn(6, 4), randn(6, 4), randn(6, 4)),
        lambda y: functional.triplet_margin_loss(*y),
    ),
    "margins of classes": lambda: (
        _mlp(4, 8, 5),
        (randn(6, 4),),
        functional.multi_margin_loss,
        _classes(6, 5),
    ),
    "contrastive": lambda: (
        Two(_mlp(4, 8, 5)),
        (randn(6, 4), randn(6, 4)),
        lambda y: functional.cross_entropy(
            functional.normalize(y[0]) @ functional.normalize(y[1]).T / 0.1,
            torch.arange(6),
        ),
    ),
    # other shapes of computation
    "variational autoencoder": lambda: (Autoencoder(), (rand(5, 6),)),
    "mixture of experts": lambda: (Experts(), (randn(6, 5),)),
    "normalising flow": lambda: (Flow(), (randn(8, 4),)),
    "graph": lambda: (Graph(), (randn(5, 3),)),
    "physics": lambda: (Physics(), (rand(6, 1),)),
}


def build(name: str, seed: int = 0) -> Network:
    """Return one of `NETWORKS`, its parameters and its data from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Network(name, *NETWORKS[name]())


# ------------------------------------------------------------------------ the faults


FAULTS: dict[str, Function] = {
    "factor": lambda g, at: 2 * g,
    "nearly": lambda g, at: 1.01 * g,
    "sign": lambda g, at: -g,
    "zero": lambda g, at: torch.zeros_like(g),
    "one element": lambda g, at: g * (1 + 0.01 * at),
}


def with_fault(
    fn: Function, inputs: tuple[Tensor, ...], k: int, fault: str
) -> Function:
    """Return `fn`, the gradient of its k-th input changed by one of `FAULTS`.

    The one element is where the gradient is largest, and then 1 % too large.
    """
    slope = slopes(fn, inputs)[k].abs()
    at = (torch.arange(slope.numel()) == slope.argmax()).view(slope.shape)
    wrong = with_backward(torch.clone, lambda g, x: FAULTS[fault](g, at))
    return lambda *x: fn(*x[:k], wrong(x[k]), *x[k + 1 :])


def slopes(fn: Function, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the gradient of the sum of all outputs, weighted unevenly."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    y = fn(*leaves)
    flat = torch.cat([v.flatten() for v in (y if isinstance(y, tuple) else (y,))])
    weighted = flat @ torch.linspace(1, 2, len(flat)).to(flat)
    return torch.autograd.grad(
        weighted, leaves, allow_unused=True, materialize_grads=True
    )


class FaultyLinear(nn.Linear):
    """A linear layer by hand that forgets to sum the gradient of its bias."""

    apply = with_backward(
        lambda x, w, b: x @ w.T + b, lambda g, x, w, b: (g @ w, g.T @ x, g[0])
    )

    def forward(self, x: Tensor) -> Tensor:
        return type(self).apply(x, self.weight, self.bias)


class FaultyConv2d(nn.Conv2d):
    """A convolution by hand that forgets to sum the gradient of its bias over space."""

    apply = with_backward(
        lambda x, w, b: functional.conv2d(x, w, b),
        lambda g, x, w, b: (
            nn.grad.conv2d_input(x.shape, w, g.to(w)),
            nn.grad.conv2d_weight(x, w.shape, g.to(x)),
            g[:, :, 0, 0].sum(0),
        ),
    )

    def forward(self, x: Tensor) -> Tensor:
        return type(self).apply(x, self.weight, self.bias)


class FaultyReLU(nn.Module):
    """A ReLU whose slope is off by 1 %, which everything before it inherits."""

    apply = with_backward(torch.relu, lambda g, x: 0.99 * g * (x > 0))

    def forward(self, x: Tensor) -> Tensor:
        return type(self).apply(x)


def faulty_perceptron() -> Network:
    """Return a network whose first bias has no sum over the batch."""
    module = nn.Sequential(FaultyLinear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    loss, target = functional.cross_entropy, _classes(6, 3)
    return Network("bias without a sum", module, (randn(6, 5),), loss, target)


def faulty_convolution() -> Network:
    """Return a network whose first bias has no sum over space."""
    layers = FaultyConv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(27, 2)
    loss, target = functional.cross_entropy, _classes(4, 2)
    module = nn.Sequential(*layers)
    return Network("bias without space", module, (randn(4, 1, 5, 5),), loss, target)


def faulty_activation() -> Network:
    """Return a network whose activation has a wrong slope."""
    module = nn.Sequential(nn.Linear(5, 8), FaultyReLU(), nn.Linear(8, 3))
    return Network(
        "slope off by 1 %", module, (randn(6, 5),), functional.mse_loss, randn(6, 3)
    )


def relu_network(seed: int) -> Network:
    """Return a perceptron of ReLUs, its widths, parameters and data from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = torch.randint(3, 17, (int(torch.randint(3, 6, ())),)).tolist()
        inputs, target = randn(8, widths[0]), randn(8, widths[-1])
        module = _mlp(*widths)
    return Network(f"relu, {widths}", module, (inputs,), functional.mse_loss, target)
