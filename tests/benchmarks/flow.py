"""``gradient_flow`` against a plain forward and backward, on a 12-layer MLP.

Run it as ``python tests/benchmarks/flow.py``; it fails above 1.2 times the plain cost
at width 1024. A narrower network has less work to hide the measurement behind.
"""

import sys
import time
from statistics import median

import torch
from torch import nn
from torch.nn import functional

from autodiff_guide.flow import gradient_flow

LAYERS, BATCH, ROUNDS = 12, 256, 11
WIDTHS = (512, 1024)
LIMIT = 1.2


def mlp(activation, width):
    """Return 12 linear layers, with activations between them."""
    layers = []
    for _ in range(LAYERS - 1):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, width))


def seconds(call):
    """Return the processor's time for one call, whatever else the machine does."""
    start = time.process_time()
    call()
    return time.process_time() - start


def medians(activation, width):
    """Return the medians of both, measured in turn."""
    torch.manual_seed(0)
    net = mlp(activation, width)
    inputs, target = torch.randn(2, BATCH, width)

    def plain():
        net.zero_grad()
        functional.mse_loss(net(inputs), target).backward()

    def flow():
        gradient_flow(net, inputs, target, functional.mse_loss)

    times = [(seconds(plain), seconds(flow)) for _ in range(ROUNDS + 3)]
    return [median(column) for column in zip(*times[3:], strict=True)]


def main():
    """Measure, print the medians, and fail above the limit."""
    ratios = {}
    for width in WIDTHS:
        for activation in (nn.ReLU, nn.Sigmoid, nn.GELU):
            plain, flow = medians(activation, width)
            ratios[width, activation] = flow / plain
            print(
                f"width {width:4} {activation.__name__:8} plain {plain * 1e3:6.1f} ms, "
                f"gradient_flow {flow * 1e3:6.1f} ms, ratio {flow / plain:.2f}"
            )
    worst = max(ratio for (width, _), ratio in ratios.items() if width == WIDTHS[-1])
    if worst > LIMIT:
        sys.exit(f"expected at most {LIMIT} times the plain cost, got {worst:.2f}")


if __name__ == "__main__":
    main()
