"""gradient_flow: the numbers against autograd, the verdicts, and what it leaves."""

import copy

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch_modules import torch_module

from autodiff_guide import plotting
from autodiff_guide.activations import CATALOGUE
from autodiff_guide.flow import Verdict, gradient_flow


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


X = torch.linspace(-1, 1, 32).unsqueeze(-1)


def mlp(depth, activation, width=16):
    layers, size = [], 1
    for _ in range(depth):
        layers += [nn.Linear(size, width), activation()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 1))


def flow(net, inputs=X, target=None, loss=functional.mse_loss):
    target = inputs**2 if target is None else target
    return gradient_flow(net, loss, (inputs, target))


def test_norms_and_loss_are_autograds():
    net, x = mlp(3, nn.Tanh).double(), X.double()
    result = flow(net, x)
    loss = functional.mse_loss(net(x), x**2)
    loss.backward()
    assert result.loss == pytest.approx(loss.item())
    for layer, linear in zip(result.layers, net[::2], strict=True):
        both = torch.cat([linear.weight.grad.flatten(), linear.bias.grad])
        assert layer.gradient == pytest.approx(both.norm().item())
        last = result.layers[-1].gradient
        assert layer.relative == pytest.approx(layer.gradient / last)
    assert result.layers[-1].relative == 1
    assert result.ratio == result.layers[0].relative
    assert [layer.kind for layer in result.layers] == ["Linear"] * 4


@pytest.mark.parametrize("depth", [2, 5, 10, 20, 50])
def test_sigmoids_vanish_with_depth(depth):
    width = 32
    x = torch.randn(64, width)
    layers = [m for _ in range(depth) for m in (nn.Linear(width, width), nn.Sigmoid())]
    result = flow(nn.Sequential(*layers, nn.Linear(width, 1)), x, x[:, :1])
    # Of 50 layers some 1e-41 is left, which float32 may hold or flush to zero.
    measured = {2: 6e-2, 5: 1e-4, 10: 8e-9, 20: 3e-17, 50: 1e-41}[depth]
    assert (measured / 50 if depth < 50 else 0) <= result.ratio <= measured * 50
    expected = Verdict.FINE if depth == 2 else Verdict.VANISHING
    assert result.layers[0].verdict is expected
    assert result.layers[-1].verdict is Verdict.FINE


def test_dead_units_are_counted_and_block_what_comes_before():
    net = mlp(2, nn.ReLU)
    with torch.no_grad():
        net[2].bias[:4] = -20
    assert flow(net).layers[1].dead >= 0.25
    with torch.no_grad():
        net[2].bias[:] = -20
    blocked, dead, last = flow(net).layers
    assert (dead.dead, dead.saturated, dead.gradient) == (1, 1, 0)
    assert dead.verdict is Verdict.DEAD
    assert blocked.verdict is Verdict.BLOCKED
    assert (last.verdict, last.dead) == (Verdict.FINE, None)


def test_shares_are_those_of_the_slopes():
    net = nn.Sequential(nn.Linear(1, 8), nn.Sigmoid(), nn.Linear(8, 1))
    with torch.no_grad():
        net[0].weight *= 20
    slopes = CATALOGUE["sigmoid"].derivative(net[0](X))
    layer = flow(net).layers[0]
    assert 0 < layer.saturated < 1
    assert layer.saturated == pytest.approx((slopes < 1e-2).float().mean().item())
    net[1] = nn.ReLU()
    layer = flow(net).layers[0]
    off = net[0](X) <= 0
    assert layer.dead == pytest.approx(off.all(0).float().mean().item())
    assert layer.saturated == pytest.approx(off.float().mean().item())


def test_units_of_a_convolution_are_its_channels():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
    images = torch.rand(6, 1, 8, 8)
    net(images)
    with torch.no_grad():
        net[0].bias[:3] = -50
        net[0].bias[3] = 50
    assert flow(net, images, torch.zeros(6, 1)).layers[0].dead == 0.75


def test_exploding_unreached_and_not_finite():
    net = mlp(2, nn.Identity)
    with torch.no_grad():
        net[4].weight *= 1e5
    assert flow(net).layers[0].verdict is Verdict.EXPLODING

    net.add_module("unused", nn.Linear(1, 1))
    net.forward = lambda x: nn.Sequential.forward(net[:5], x)
    unused = flow(net).layers[-1]
    assert (unused.name, unused.verdict) == ("unused", Verdict.UNREACHED)

    bad = mlp(1, nn.ReLU)
    with torch.no_grad():
        bad[0].weight[0] = float("nan")
    assert flow(bad).layers[0].verdict is Verdict.NOT_FINITE


class Functional(nn.Module):
    """Activations as functions, methods and in place; a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(1, 8)
        self.second = nn.Linear(8, 8)
        self.third = nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = functional.relu(self.first(x), inplace=True)
        x = self.second(x).sigmoid()
        x = self.third(x)
        x.relu_()
        return self.scale * x.mean(-1, keepdim=True)


def test_activations_as_functions_are_seen():
    net = Functional()
    with torch.no_grad():
        net.first.bias[:] = -20
    result = {layer.name: layer for layer in flow(net).layers}
    assert set(result) == {"(module)", "first", "second", "third"}
    assert result["first"].dead == 1
    assert result["second"].dead == 0
    assert result["third"].saturated is not None
    expected = functional.mse_loss(net(X), X**2).item()
    assert flow(net).loss == pytest.approx(expected)


@pytest.mark.parametrize(
    "entry",
    [
        e
        for e in CATALOGUE.values()
        if not e.vector and e.name not in ("identity", "step")
    ],
    ids=lambda e: e.name,
)
def test_every_activation_of_the_catalogue_is_seen(entry):
    net = nn.Sequential(
        nn.Linear(1, 8), torch_module(entry.name).float(), nn.Linear(8, 1)
    )
    slope = entry.derivative(net[0](X).detach())
    layer = flow(net).layers[0]
    assert layer.saturated == pytest.approx((slope.abs() < 1e-2).float().mean().item())


def test_nothing_of_the_users_changes():
    net = nn.Sequential(
        nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1)
    )
    net[3].eval()
    net[0].weight.requires_grad_(False)
    net[4].bias.grad = torch.ones(1)
    before = copy.deepcopy(net)
    modes = [m.training for m in net.modules()]
    torch.manual_seed(3)
    state = torch.get_rng_state()
    inputs = X.clone()
    with torch.no_grad():
        flow(net, inputs)
        assert not torch.is_grad_enabled()
    assert torch.equal(inputs, X)
    assert not inputs.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert modes == [m.training for m in net.modules()]
    for (name, now), then in zip(
        net.state_dict().items(), before.state_dict().values(), strict=True
    ):
        assert torch.equal(now, then), name
    assert [p.grad is None for p in net.parameters()] == [True] * 5 + [False]
    assert [p.requires_grad for p in net.parameters()] == [False] + [True] * 5
    assert not any(m._forward_pre_hooks for m in net.modules())
    with pytest.raises(RuntimeError, match="shape"):
        flow(net, torch.ones(4, 3))
    assert not any(m._forward_pre_hooks for m in net.modules())
    for now, then in zip(net.parameters(), before.parameters(), strict=True):
        assert torch.equal(now, then)


class Pair(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


class Plain(nn.Module):
    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize(
    ("net", "inputs", "loss", "error", "message"),
    [
        (
            torch.sin,
            X,
            functional.mse_loss,
            TypeError,
            r"module: expected an nn.Module",
        ),
        (Pair(1, 1), X, functional.mse_loss, TypeError, r"as output, got tuple; wrap"),
        (mlp(1, nn.ReLU), [1.0], functional.mse_loss, TypeError, r"inputs: expected"),
        (
            mlp(1, nn.ReLU),
            X,
            lambda output, target: (output - target) ** 2,
            ValueError,
            r"loss: expected a scalar, got shape \(32, 1\); reduce it",
        ),
        (
            mlp(1, nn.ReLU),
            X,
            lambda output, target: output.mean().item(),
            TypeError,
            r"loss: expected a torch.Tensor, got float",
        ),
        (
            mlp(1, nn.ReLU),
            X,
            lambda output, target: output.mean().detach(),
            ValueError,
            r"without history; look for detach",
        ),
        (Plain(), X, functional.mse_loss, ValueError, r"depends on a parameter"),
    ],
)
def test_bad_input(net, inputs, loss, error, message):
    with pytest.raises(error, match=message):
        gradient_flow(net, loss, (inputs, X))


@pytest.mark.parametrize("data", [X, (X,), (X, X, X), None])
def test_data_is_one_batch_of_inputs_and_targets(data):
    with pytest.raises(TypeError, match=r"data: expected one batch \(inputs, t"):
        gradient_flow(mlp(1, nn.ReLU), functional.mse_loss, data)


def test_a_batch_of_a_loader_will_do():
    (batch,) = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X, X**2), batch_size=len(X)
    )
    net = mlp(1, nn.ReLU)
    result = gradient_flow(net, functional.mse_loss, batch)
    assert result.loss == pytest.approx(flow(net).loss)


def test_a_verdict_has_a_word_and_a_sentence():
    assert Verdict.NOT_FINITE.word == "not finite"
    assert str(Verdict.DEAD) == f"dead: {Verdict.DEAD.sentence}"


def test_text_and_html_say_what_to_try():
    net = mlp(2, nn.ReLU)
    with torch.no_grad():
        net[2].bias[:] = -20
    result = flow(net)
    for text in (str(result), result._repr_html_()):
        assert "mend that layer first" in text
        assert text.count("dead: half of its units") == 1
        assert "100%" in text


def test_plot_shows_the_norms():
    result = flow(mlp(9, nn.Sigmoid))
    ax = plotting.gradient_flow(result)
    drawn = ax.lines[0].get_ydata()
    assert list(drawn) == [layer.gradient for layer in result.layers]
    assert ax.texts[0].get_text() == "vanishing"
    assert ax.get_yscale() == "log"
    assert plotting.gradient_flow(flow(mlp(2, nn.ReLU)), ax=ax) is ax


def test_plot_of_a_zero_norm():
    net = mlp(2, nn.ReLU)
    with torch.no_grad():
        net[2].bias[:] = -20
    ax = plotting.gradient_flow(flow(net))
    triangles = [line for line in ax.lines if line.get_marker() == "v"]
    assert [list(line.get_xdata()) for line in triangles] == [[1], [2]]
    assert [text.get_text() for text in ax.texts] == ["blocked", "dead"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "2", "4"]


class Reader(nn.Module):
    """Reads and writes the same ten tokens: its last layer is its first one's table."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 6)
        self.middle = nn.Linear(6, 6)
        self.out = nn.Linear(6, 10, bias=False)
        self.out.weight = self.table.weight

    def forward(self, tokens):
        return self.out(self.middle(self.table(tokens))).mean(1)


def test_tied_weights_have_one_gradient_in_both_layers():
    torch.manual_seed(0)
    net, tokens, target = Reader(), torch.randint(10, (8, 4)), torch.randint(10, (8,))
    flow = gradient_flow(net, nn.functional.cross_entropy, (tokens, target))
    nn.functional.cross_entropy(net(tokens), target).backward()
    tied = net.table.weight.grad.norm().item()
    assert [layer.name for layer in flow.layers] == ["table", "middle", "out"]
    assert flow.layers[0].gradient == pytest.approx(tied, rel=1e-5)
    assert flow.layers[2].gradient == pytest.approx(tied, rel=1e-5)
    assert {layer.verdict for layer in flow.layers} == {Verdict.FINE}


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.attention(x, x, x, need_weights=False)[0]).mean(1)


def test_the_projection_of_an_attention_stands_behind_it():
    torch.manual_seed(0)
    net, x = Attending(), torch.randn(4, 5, 8)
    target = torch.randint(3, (4,))
    flow = gradient_flow(net, nn.functional.cross_entropy, (x, target))
    names = ["attention", "attention.out_proj", "head"]
    assert [layer.name for layer in flow.layers] == names
    assert flow.layers[-1].relative == 1
    assert {layer.verdict for layer in flow.layers} == {Verdict.FINE}


def test_a_layer_that_is_not_called_is_not_taken_for_the_last():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 1)
            self.scale = nn.Linear(1, 1, bias=False)  # its weight is used, not it

        def forward(self, x):
            return self.last(self.first(x)) + 1e-6 * self.scale.weight

    torch.manual_seed(0)
    net, x = Odd(), torch.randn(16, 3)
    flow = gradient_flow(net, nn.functional.mse_loss, (x, torch.randn(16, 1)))
    verdicts = {layer.name: layer.verdict for layer in flow.layers}
    assert verdicts["first"] is verdicts["last"] is Verdict.FINE
    assert verdicts["scale"] is Verdict.VANISHING
