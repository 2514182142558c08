"""ResNet-56 with and without skip connections: train both, slice both, store that.

    python docs/_stored/resnet56.py [--width 8] [--points 41]

Writes ``autodiff_guide/data/resnet56.npz``, which the gallery draws. The network is as
He et al. built it, but for its width, which was 16.
"""

import argparse
import hashlib
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

import autodiff_guide as ag

SCRIPT = Path(__file__)
STORE = SCRIPT.parents[2] / "autodiff_guide" / "data" / "resnet56.npz"
DEPTH, SEED, EPOCHS = 56, 0, 60


class Block(nn.Module):
    """Two convolutions; a skip adds what came in to what comes out."""

    def __init__(self, before, after, stride, skip):
        super().__init__()
        self.skip = skip
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
        self.shortcut = nn.Sequential()
        if skip and before != after:
            self.shortcut.append(nn.Conv2d(before, after, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(after))

    def forward(self, x):
        y = self.norms[0](self.first(x)).relu()
        y = self.norms[1](self.second(y))
        return (y + self.shortcut(x) if self.skip else y).relu()


class ResNet(nn.Sequential):
    """He et al.'s network for small images, of ``6 n + 2`` layers."""

    def __init__(self, depth, width, skip):
        layers = [nn.Conv2d(1, width, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        before = width
        for after in (width, 2 * width, 4 * width):
            for _ in range((depth - 2) // 6):
                stride = 1 if after in (before, width) else 2
                layers.append(Block(before, after, stride, skip))
                before = after
        pool = nn.AdaptiveAvgPool2d(1)
        super().__init__(*layers, pool, nn.Flatten(), nn.Linear(before, 10))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out")


def digits(device):
    """Return training images and labels, then those held back."""
    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(found.images, dtype=torch.float32)[order, None] / 16
    labels = torch.tensor(found.target)[order]
    images = (images - images[:1437].mean()) / images[:1437].std()
    images, labels = images.to(device), labels.to(device)
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def train(module, images, labels, epochs, lr=0.03, batch=64):
    """Train by Nesterov's momentum and one cycle of the learning rate."""
    steps = len(images) // batch
    optimizer = torch.optim.SGD(
        module.parameters(), lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=epochs * steps, pct_start=0.2
    )
    module.train()
    for _ in range(epochs):
        for part in torch.randperm(len(images))[: steps * batch].split(batch):
            part = part.to(images.device)
            optimizer.zero_grad()
            cross_entropy(module(images[part]), labels[part]).backward()
            optimizer.step()
            cycle.step()
    return module.eval()


def measure(skip, width, points, device):
    """Return a trained network's slice and what else is to be told of it."""
    torch.manual_seed(SEED)
    module = ResNet(DEPTH, width, skip).to(device)
    images, labels, new_images, new_labels = digits(device)
    began = time.perf_counter()
    train(module, images, labels, EPOCHS)
    trained = time.perf_counter()
    generator = torch.Generator(device).manual_seed(SEED)
    directions = ag.landscape.random_directions(module, generator=generator)
    found = ag.slice_loss(
        module,
        cross_entropy,
        (images[:128], labels[:128]),
        directions,
        span=0.8,
        points=points,
    )
    with torch.no_grad():
        loss = cross_entropy(module(images), labels).item()
        right = (module(new_images).argmax(1) == new_labels).double().mean().item()
    facts = {
        "parameters": directions.shape[1],
        "training loss": loss,
        "accuracy on digits held back": right,
        "loss at the centre": found.center.item(),
        "norms": directions.norm(dim=1).tolist(),
        "seconds of training": round(trained - began, 1),
        "seconds of slicing": round(time.perf_counter() - trained, 1),
    }
    return found.values.cpu().numpy(), found.axis.cpu().numpy(), facts


def processor(device):
    """Return the name of what computed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--points", type=int, default=41)
    options = parser.parse_args()
    device = ag.preferred_device()
    made = {
        name: measure(skip, options.width, options.points, device)
        for name, skip in (("with", True), ("without", False))
    }
    values = {name: value for name, (value, _, _) in made.items()}
    story = {
        "depth": DEPTH,
        "width": options.width,
        "epochs": EPOCHS,
        "seed": SEED,
        **{name: facts for name, (_, _, facts) in made.items()},
        "machine": processor(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "script": hashlib.sha256(SCRIPT.read_bytes()).hexdigest(),
        "values": hashlib.sha256(b"".join(map(bytes, values.values()))).hexdigest(),
    }
    np.savez_compressed(STORE, axis=made["with"][1], story=json.dumps(story), **values)
    print(json.dumps(story, indent=1))
