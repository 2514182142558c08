"""What ``trace`` costs on a network of ResNet-18's size, and on 30 nodes."""

import sys
import time
from statistics import median

import torch
from results import Row, record
from torch import nn

from autodiff_guide.graph import trace

ROUNDS = {"network": 5, "expression": 51}
LIMITS = {"network": 1000, "expression": 5}  # milliseconds


class Block(nn.Module):
    """Two convolutions, and a way round them."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.way_round = nn.Sequential()
        if stride > 1:
            self.way_round = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False),
                nn.BatchNorm2d(outside),
            )

    def forward(self, x):
        return torch.relu(self.body(x) + self.way_round(x))


def resnet18() -> nn.Module:
    """Return a network with the layers and the 11.7 million numbers of ResNet-18."""
    layers = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    size = 64
    for outside in (64, 128, 256, 512):
        stride = 1 if outside == size else 2
        layers += [Block(size, outside, stride), Block(outside, outside, 1)]
        size = outside
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return nn.Sequential(*layers, *head)


def expression(a, b):
    """Return something of thirty nodes."""
    x = a
    for _ in range(14):
        x = (x * b).sin()
    return x


def main() -> None:
    """Measure, print and store the medians, and fail above the limits."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    numbers = [torch.tensor(each, requires_grad=True) for each in (0.3, 0.7)]
    cases = {
        "network": (resnet18(), torch.randn(1, 3, 224, 224)),
        "expression": (expression, *numbers),
    }
    rows = []
    for name, case in cases.items():
        times = []
        for _ in range(ROUNDS[name] + 1):
            start = time.perf_counter()
            graph = trace(*case)
            times.append(time.perf_counter() - start)
        what = f"{name} of {len(graph)} nodes: trace"
        milliseconds = 1e3 * median(times[1:])
        rows.append(Row(what, milliseconds, "ms", at_most=LIMITS[name]))
    record("graph", "Tracing a graph", rows)
    if not all(row.met for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
