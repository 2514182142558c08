"""What ``trace`` costs: a network of ResNet-18's size, and an expression of 30 nodes.

Run it as ``python tests/benchmarks/graph.py``; it fails above 1 s and 5 ms.
"""

import sys
import time
from statistics import median

import torch
from torch import nn

from autodiff_guide.graph import trace

ROUNDS = {"network": 5, "expression": 51}
LIMITS = {"network": 1.0, "expression": 5e-3}


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
    """Measure, print the medians, and fail above the limits."""
    torch.manual_seed(0)
    numbers = [torch.tensor(each, requires_grad=True) for each in (0.3, 0.7)]
    cases = {
        "network": (resnet18(), torch.randn(1, 3, 224, 224)),
        "expression": (expression, *numbers),
    }
    failed = []
    for name, case in cases.items():
        times = []
        for _ in range(ROUNDS[name] + 1):
            start, start_of_process = time.perf_counter(), time.process_time()
            graph = trace(*case)
            times.append(
                (time.perf_counter() - start, time.process_time() - start_of_process)
            )
        wall, process = (median(column) for column in zip(*times[1:], strict=True))
        print(
            f"{name}: {len(graph)} nodes, {wall * 1e3:.1f} ms "
            f"({process * 1e3:.1f} ms of processor)"
        )
        if wall > LIMITS[name]:
            failed.append(f"{name}: expected at most {LIMITS[name]} s, got {wall:.3f}")
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
