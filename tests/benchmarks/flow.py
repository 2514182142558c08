"""``gradient_flow`` against a plain forward and backward, on a 12-layer MLP."""

import statistics
import time

import torch
from torch import nn
from torch.nn import functional

from autodiff_guide.flow import gradient_flow

WIDTH, BATCH, LAYERS, ROUNDS = 512, 512, 12, 25


def mlp(activation):
    layers = []
    for _ in range(LAYERS - 1):
        layers += [nn.Linear(WIDTH, WIDTH), activation()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, WIDTH))


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(activation):
    """Interleaved medians: what the other work of the machine slows, it slows twice."""
    torch.manual_seed(0)
    net = mlp(activation)
    inputs, target = torch.randn(2, BATCH, WIDTH)

    def plain():
        net.zero_grad()
        functional.mse_loss(net(inputs), target).backward()

    def flow():
        gradient_flow(net, inputs, target, functional.mse_loss)

    for _ in range(3):
        plain(), flow()
    times = [(seconds(plain), seconds(flow)) for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


if __name__ == "__main__":
    for activation in (nn.ReLU, nn.Sigmoid, nn.GELU):
        plain, flow = ratio(activation)
        print(
            f"{activation.__name__}: plain {plain * 1e3:.1f} ms, "
            f"gradient_flow {flow * 1e3:.1f} ms, ratio {flow / plain:.2f}"
        )
