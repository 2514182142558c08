"""A module moved through the space of its parameters, and left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from autodiff_guide._validate import require_scalar, require_tensor

LossFunction: TypeAlias = Callable[[Any, Any], Tensor]
Batch: TypeAlias = tuple[Any, Tensor]

MODES = ("eval", "train")


@dataclass(frozen=True, eq=False)
class Problem:
    """The mean loss over batches, as a function of the parameters of a module."""

    module: nn.Module
    loss: LossFunction
    batches: list[Batch]
    mode: str
    device: torch.device
    random: list[Tensor]

    def mean_loss(self, run: Callable[..., Any]) -> Tensor:
        """Return the mean loss over batches, each weighted by its number of targets."""
        if len(self.batches) == 1:
            ((inputs, targets),) = self.batches
            return self._value(run(inputs), targets)
        losses = torch.stack(
            [self._value(run(inputs), targets) for inputs, targets in self.batches]
        )
        sizes = [len(targets) for _, targets in self.batches]
        return losses @ losses.new_tensor([size / sum(sizes) for size in sizes])

    def _value(self, output: object, targets: Tensor) -> Tensor:
        return require_scalar("loss", self.loss(output, targets)).reshape(())

    @contextmanager
    def kept(self) -> Iterator[Callable[[], None]]:
        """Set the mode, and leave the module and the random state as they were.

        Parameters may be replaced meanwhile. Buffers are: what runs sees copies of
        them. Yielded is a function that sets the copies to the first buffers, and the
        random state to the first: what is computed then depends on nothing before.
        """
        parameters = [(part, part.data) for part in self.module.parameters()]
        modes = [(part, part.training) for part in self.module.modules()]
        buffers = [
            (part, name, buffer)
            for part in self.module.modules()
            for name, buffer in part.named_buffers(recurse=False)
        ]
        copies = {id(buffer): buffer.clone() for _, _, buffer in buffers}

        def restart() -> None:
            torch.set_rng_state(self.random[0])
            for state in self.random[1:]:
                torch.cuda.set_rng_state(state, self.device)
            if self.mode == "train":
                for part, name, buffer in buffers:
                    setattr(part, name, copies[id(buffer)].copy_(buffer))

        with kept_random(self.device):
            try:
                for part, name, buffer in buffers:
                    setattr(part, name, copies[id(buffer)])
                self.module.train(self.mode == "train")
                yield restart
            finally:
                for parameter, data in parameters:
                    parameter.data = data
                for part, name, buffer in buffers:
                    setattr(part, name, buffer)
                for part, training in modes:
                    part.training = training


def problem_of(
    module: nn.Module, loss: LossFunction, data: object, mode: str
) -> Problem:
    """Return what is to be measured, checked."""
    require_module("module", module)
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {MODES}, got {mode!r}")
    device = next(module.parameters()).device
    random = [torch.get_rng_state()]
    if device.type == "cuda":
        random.append(torch.cuda.get_rng_state(device))
    return Problem(module, loss, _batches(data), mode, device, random)


def kept_random(device: torch.device) -> AbstractContextManager[None]:
    """Leave the random state of the processor and of the device as it was."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def flat(parameters: Iterable[Tensor]) -> Tensor:
    """Return the parameters as one new vector."""
    return torch.cat([part.detach().reshape(-1) for part in parameters])


def split(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Return views of a vector, of the shapes of the tensors that it is made of."""
    parts = vector.split([part.numel() for part in like])
    return [part.view(old.shape) for part, old in zip(parts, like, strict=True)]


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


def _batches(data: object) -> list[Batch]:
    """Return the batches of `data`: itself if it is a tuple, else all it yields."""
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: expected a tuple (inputs, targets) or an iterable of such batches, "
            f"got {type(data).__name__}"
        )
    with kept_random(torch.device("cpu")):  # a DataLoader draws a seed
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
