"""What all tests share: a seed, and the state they must leave alone."""

import os

os.environ.setdefault("MPLBACKEND", "agg")

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
