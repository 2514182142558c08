"""``gradient_flow`` against a plain forward and backward, on a 12-layer MLP.

It fails above 1.2 times the plain cost. The narrower network has less work to hide
the measurement behind.
"""

import sys
import time
from statistics import median

import torch
from results import Row, record
from torch import nn
from torch.nn import functional

from autodiff_guide.flow import gradient_flow

LAYERS, BATCH, ROUNDS = 12, 256, 21
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
    """Return the plain seconds, and the ratio within a round; both take turns."""
    torch.manual_seed(0)
    net = mlp(activation, width)
    inputs, target = torch.randn(2, BATCH, width)

    def plain():
        net.zero_grad()
        functional.mse_loss(net(inputs), target).backward()

    def flow():
        gradient_flow(net, functional.mse_loss, (inputs, target))

    times = [(seconds(plain), seconds(flow)) for _ in range(ROUNDS + 3)]
    return median(plain for plain, _ in times[3:]), median(b / a for a, b in times[3:])


def main():
    """Measure, print and store the medians, and fail above the limit."""
    torch.set_num_threads(1)
    rows = []
    for width in WIDTHS:
        for activation in (nn.ReLU, nn.Sigmoid, nn.GELU):
            plain, ratio = medians(activation, width)
            name = f"width {width:,}, {activation.__name__}"
            rows += [
                Row(f"{name}: forward and backward", plain * 1e3, "ms"),
                Row(f"{name}: gradient_flow, of that", ratio, at_most=LIMIT),
            ]
    record("flow", "Gradient flow through 12 linear layers", rows)
    if not all(row.met for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
