"""A point of a slice, against the package loss-landscapes and a bare forward pass.

Same module, data, grid and loss, and one thread. Small perceptrons are measured on few
samples, where the work around the forward pass counts, and on many, where it does not.
Each round measures the three in turn, in processor time, and their ratios are formed
within the round.
"""

import sys
from pathlib import Path
from statistics import median
from time import process_time

import loss_landscapes
import torch
from loss_landscapes.metrics import Loss
from results import Row, record
from torch import nn
from torch.nn.functional import cross_entropy

import autodiff_guide as ag

sys.path.append(str(Path(__file__).parents[2] / "docs" / "_stored"))
from resnet56 import ResNet, digits


def rounds(module, inputs, targets, points, count):
    """Return the seconds a point of ours, of theirs, and of a bare forward pass."""
    start = torch.nn.utils.parameters_to_vector(module.parameters()).detach()
    # Theirs: uniform directions, as long as the vector of parameters, to half a step.
    directions = nn.functional.normalize(torch.rand(2, len(start))) * start.norm()
    metric = Loss(cross_entropy, inputs, targets)

    def ours():
        ag.slice_loss(
            module,
            cross_entropy,
            (inputs, targets),
            directions,
            span=0.5,
            points=points,
        )

    def theirs():
        loss_landscapes.random_plane(
            module,
            metric,
            distance=1,
            steps=points,
            normalization=None,  # its filter norms divide by zero biases
            deepcopy_model=True,
        )

    def bare():
        with torch.no_grad():
            for _ in range(points**2):
                cross_entropy(module(inputs), targets)

    def seconds(task):
        began = process_time()
        task()
        return (process_time() - began) / points**2

    tasks = [ours, theirs, bare]
    for task in tasks:
        task()
    return [[seconds(task) for task in tasks] for _ in range(count)]


def rows(name, measured, at_most, bare_at_most=None):
    mine, theirs, bare = zip(*measured, strict=True)
    per_peer = median(a / b for a, b in zip(mine, theirs, strict=True))
    per_bare = median(a / b for a, b in zip(mine, bare, strict=True))
    return [
        Row(f"{name}: a point", median(mine) * 1e3, "ms"),
        Row(f"{name}: a point, of loss-landscapes'", per_peer, at_most=at_most),
        Row(f"{name}: a point, of a bare forward pass", per_bare, at_most=bare_at_most),
    ]


if __name__ == "__main__":
    torch.manual_seed(0)
    images, labels, _, _ = digits(torch.device("cpu"))
    resnet = ResNet(56, 8, skip=True).eval()
    small = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    deeper = nn.Sequential(
        *(nn.Sequential(nn.Linear(n, 32), nn.ReLU()) for n in (64, 32, 32, 32)),
        nn.Linear(32, 10),
    )
    perceptrons = [
        row
        for samples, at_most in ((16, 0.85), (128, 1.0))
        for name, module in (("2 layers", small), ("5 layers", deeper))
        for row in rows(
            f"perceptron of {name}, {samples} samples",
            rounds(
                module,
                images[:samples].flatten(1),
                labels[:samples],
                points=41,
                count=15,
            ),
            at_most,
        )
    ]
    record(
        "landscape",
        "A point of a loss landscape",
        [
            *rows(
                "ResNet-56 of width 8",
                rounds(resnet, images[:128], labels[:128], points=15, count=7),
                1.0,
                1.05,
            ),
            *perceptrons,
        ],
    )
