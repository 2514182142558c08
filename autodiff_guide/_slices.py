"""A module moved through the space of its parameters, and left as it was."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autodiff_guide._validate import require_tensor

LossFunction: TypeAlias = Callable[[Any, Any], Tensor]
Batch: TypeAlias = tuple[Any, Tensor]
RandomState: TypeAlias = tuple[Tensor, Tensor | None]
GradientMode: TypeAlias = type[torch.inference_mode] | type[torch.no_grad]
Row: TypeAlias = NDArray[np.floating[Any]]

MODES = ("eval", "train")
CENTRE = -1  # the place, among the rows, of the module's own parameters


@dataclass(frozen=True, eq=False)
class Job:
    """What to measure: the loss of a module over batches, along directions."""

    module: nn.Module
    loss: LossFunction
    batches: list[Batch]
    directions: Tensor
    coordinates: list[float]
    mode: str
    random: RandomState

    def run(self, places: Iterable[int], keep: Callable[[int, Row], None]) -> None:
        """Compute rows of the slice in this process, and hand each to `keep`."""
        first, second = self.directions[0], self.directions[-1]
        with kept(self.module, self.mode, self.random) as restart:

            def measure() -> Tensor:
                restart()
                return mean_loss(self.module, self.loss, self.batches)

            with moved(self.module, fastest(self.module, measure)) as here:
                centre, row = here.clone(), here.clone()
                for place in places:
                    outer = 0.0 if place == CENTRE else self.coordinates[place]
                    alone = place == CENTRE or len(self.directions) == 1
                    torch.add(centre, first, alpha=outer, out=row)
                    values = []
                    for inner in [0.0] if alone else self.coordinates:
                        torch.add(row, second, alpha=inner, out=here)
                        values.append(measure())
                    keep(place, torch.stack(values).double().cpu().numpy())

    def run_by(
        self,
        executor: Executor,
        places: Iterable[int],
        keep: Callable[[int, Row], None],
    ) -> None:
        """Compute rows by an executor, and hand each to `keep` once it is done."""
        # Dask brings cloudpickle, which also carries what a notebook has defined.
        pickler = import_module("cloudpickle" if find_spec("cloudpickle") else "pickle")
        job = pickler.dumps(self)
        futures = {executor.submit(row_of, job, place): place for place in places}
        try:
            for future in as_completed(futures):
                keep(futures[future], future.result())
        finally:
            for future in futures:
                future.cancel()
            # Threads share the random state of this process.
            set_random_state(self.random, next(self.module.parameters()).device)


@contextmanager
def moved(module: nn.Module, mode: GradientMode) -> Iterator[Tensor]:
    """Make the parameters of a module views of one vector, which is yielded."""
    with mode():
        here = flat(module)
        for parameter, part in zip(
            module.parameters(), split(here, module), strict=True
        ):
            parameter.data = part
        yield here


def fastest(module: nn.Module, measure: Callable[[], Tensor]) -> GradientMode:
    """Return inference mode, unless the module takes derivatives, which it breaks."""
    with torch.no_grad():
        plain = require_number(measure())
    try:
        with moved(module, torch.inference_mode):
            agrees = torch.equal(measure(), plain)
    except RuntimeError:
        agrees = False
    return torch.inference_mode if agrees else torch.no_grad


def row_of(job: bytes, place: int) -> Row:
    """Compute one row of a pickled job: the task of an executor."""
    rows: dict[int, Row] = {}
    cast(Job, pickle.loads(job)).run([place], rows.__setitem__)
    return rows[place]


def mean_loss(
    module: Callable[..., Any], loss: LossFunction, batches: list[Batch]
) -> Tensor:
    """Return the mean loss over batches, each weighted by its number of targets."""
    if len(batches) == 1:
        ((inputs, targets),) = batches
        return loss(module(inputs), targets)
    sizes = [len(targets) for _, targets in batches]
    every = sum(sizes)
    weighted = [
        require_number(loss(module(inputs), targets)) * (size / every)
        for (inputs, targets), size in zip(batches, sizes, strict=True)
    ]
    return torch.stack(weighted).sum()


def require_number(value: object) -> Tensor:
    """Return the value of a loss if it is one number."""
    tensor = require_tensor("loss", value)
    if tensor.dim():
        raise ValueError(
            f"loss: expected one number for a batch, got shape "
            f"{tuple(tensor.shape)}; reduce it, for example with .mean()"
        )
    return tensor


def flat(module: nn.Module) -> Tensor:
    """Return the parameters as one new vector, in the order of ``parameters()``."""
    return torch.cat([part.detach().reshape(-1) for part in module.parameters()])


def split(vector: Tensor, module: nn.Module) -> list[Tensor]:
    """Return views of a vector, of the shapes of the parameters."""
    parameters = list(module.parameters())
    parts = torch.split(vector, [part.numel() for part in parameters])
    return [part.view(like.shape) for part, like in zip(parts, parameters, strict=True)]


def random_state(device: torch.device) -> RandomState:
    """Return the random state of the processor and, if it is another, of the device."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_device


def set_random_state(state: RandomState, device: torch.device) -> None:
    """Set what `random_state` returned."""
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)


@contextmanager
def kept(
    module: nn.Module, mode: str, random: RandomState
) -> Iterator[Callable[[], None]]:
    """Set the mode of a module, and leave the module and the random state as they were.

    Parameters may be replaced meanwhile. Buffers are: what runs sees copies of them.
    Yielded is a function that sets the copies to the first buffers, and the random
    state to `random`: what is computed then depends on nothing computed before.
    """
    parameters = [(parameter, parameter.data) for parameter in module.parameters()]
    modes = [(part, part.training) for part in module.modules()]
    buffers = [
        (part, name, buffer)
        for part in module.modules()
        for name, buffer in part.named_buffers(recurse=False)
    ]
    copies = {id(buffer): buffer.clone() for _, _, buffer in buffers}
    device = parameters[0][1].device
    own_random = random_state(device)

    def restart() -> None:
        set_random_state(random, device)
        if mode == "train":
            for part, name, buffer in buffers:
                setattr(part, name, copies[id(buffer)].copy_(buffer))

    try:
        for part, name, buffer in buffers:
            setattr(part, name, copies[id(buffer)])
        module.train(mode == "train")
        yield restart
    finally:
        for parameter, data in parameters:
            parameter.data = data
        for part, name, buffer in buffers:
            setattr(part, name, buffer)
        for part, training in modes:
            part.training = training
        set_random_state(own_random, device)


def as_batches(data: object) -> list[Batch]:
    """Return the batches of `data`: itself if it is a tuple, else all it yields."""
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: expected a tuple (inputs, targets) or an iterable of such batches, "
            f"got {type(data).__name__}"
        )
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed
        batches = [data] if isinstance(data, tuple) else [tuple(part) for part in data]
    if not batches:
        raise ValueError(
            "data: expected at least one batch, got none; an iterator that was used "
            "before is empty, make a new one"
        )
    for batch in batches:
        if len(batch) != 2:
            raise ValueError(
                f"data: expected batches (inputs, targets), got one of {len(batch)} "
                "parts; several batches come in a list, data=[(x, y), …]"
            )
        require_tensor("targets", batch[1])
    return cast(list[Batch], batches)


def require_module(name: str, module: object) -> nn.Module:
    """Return `module` if its parameters can be one vector."""
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"{name}: expected a torch.nn.Module, got {type(module).__name__}"
        )
    kinds = {(part.dtype, part.device) for part in module.parameters()}
    if len(kinds) != 1 or not next(iter(kinds))[0].is_floating_point:
        got = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise ValueError(
            f"{name}: expected parameters of one floating-point type on one device, "
            f"got {got or 'none'}; convert them, for example {name}.float()"
        )
    return module


def require_mode(mode: str) -> None:
    """Raise ``ValueError`` unless `mode` is one of a module's two."""
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {MODES}, got {mode!r}")
