"""Silent: what a training loop gets wrong around the gradient."""

from __future__ import annotations

from time import perf_counter

import torch
from torch import nn

from autodiff_guide.pitfalls.entry import Answer, second_device, silent


@silent
class DropoutInEvaluation:
    """Dropout is random until the module is told that training is over."""

    def broken() -> object:
        """Predict with a module that is still in training mode."""
        layer = nn.Dropout(0.5)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return layer(torch.ones(4)), torch.ones(4)

    def tempting() -> Answer:
        """Predict under no_grad(); that stops the recording, not the dropout."""
        layer = nn.Dropout(0.5)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            return layer(torch.ones(4)), torch.ones(4)

    def repaired() -> Answer:
        """Call module.eval() before predicting, and module.train() after."""
        layer = nn.Dropout(0.5).eval()
        return layer(torch.ones(4)), torch.ones(4)


@silent
class ReusedRandomness:
    """A generator made anew in each step starts from the same seed each time."""

    def broken() -> object:
        """Draw the noise of ten steps, seeding in each; count the different ones."""
        noise = [
            torch.rand(1, generator=torch.Generator().manual_seed(0)) for _ in range(10)
        ]
        return torch.tensor(len(set(map(float, noise)))), torch.tensor(10)

    def tempting() -> Answer:
        """Throw away the first number of each generator; the second repeats, too."""
        noise = [
            torch.rand(2, generator=torch.Generator().manual_seed(0))[1]
            for _ in range(10)
        ]
        return torch.tensor(len(set(map(float, noise)))), torch.tensor(10)

    def repaired() -> Answer:
        """Make one generator before the loop, and pass it to each step."""
        generator = torch.Generator().manual_seed(0)
        noise = [torch.rand(1, generator=generator) for _ in range(10)]
        return torch.tensor(len(set(map(float, noise)))), torch.tensor(10)


@silent
class TimingWithoutSynchronize:
    """A GPU works while Python goes on: the clock stops before the work does."""

    def broken() -> object:
        """Time matrix products without waiting; share of the true time, and 1."""
        matrix = torch.ones(4096, 4096, device=second_device())
        torch.accelerator.synchronize()
        start = perf_counter()
        for _ in range(20):
            matrix @ matrix
        launched = perf_counter() - start
        torch.accelerator.synchronize()
        return torch.tensor(launched / (perf_counter() - start)), torch.tensor(1.0)

    def tempting() -> Answer:
        """Average over more products; none of them is waited for."""
        matrix = torch.ones(4096, 4096, device=second_device())
        torch.accelerator.synchronize()
        start = perf_counter()
        for _ in range(100):
            matrix @ matrix
        launched = perf_counter() - start
        torch.accelerator.synchronize()
        return torch.tensor(launched / (perf_counter() - start)), torch.tensor(1.0)

    def repaired() -> Answer:
        """Synchronise before the clock is started and before it is read."""
        matrix = torch.ones(4096, 4096, device=second_device())
        torch.accelerator.synchronize()
        start = perf_counter()
        for _ in range(20):
            matrix @ matrix
        torch.accelerator.synchronize()
        measured = perf_counter() - start
        return torch.tensor(measured / (perf_counter() - start)), torch.tensor(1.0)


@silent
class MicroBatchesNotDivided:
    """Four means added up are four times the mean over all samples."""

    def broken() -> object:
        """Accumulate the gradient of four micro-batches."""
        w = torch.tensor(2.0, requires_grad=True)
        for batch in torch.tensor([1.0, 2.0, 3.0, 4.0]).chunk(4):
            ((w * batch) ** 2).mean().backward()
        return w.grad, torch.tensor(2 * 2 * (1 + 4 + 9 + 16) / 4)

    def tempting() -> Answer:
        """Zero the gradient between them; only the last micro-batch is left."""
        w = torch.tensor(2.0, requires_grad=True)
        for batch in torch.tensor([1.0, 2.0, 3.0, 4.0]).chunk(4):
            w.grad = None
            ((w * batch) ** 2).mean().backward()
        return w.grad, torch.tensor(2 * 2 * (1 + 4 + 9 + 16) / 4)

    def repaired() -> Answer:
        """Divide each loss by the number of micro-batches."""
        w = torch.tensor(2.0, requires_grad=True)
        for batch in torch.tensor([1.0, 2.0, 3.0, 4.0]).chunk(4):
            (((w * batch) ** 2).mean() / 4).backward()
        return w.grad, torch.tensor(2 * 2 * (1 + 4 + 9 + 16) / 4)


@silent
class ClippedBeforeUnscaling:
    """Clipping a scaled gradient clips it at the bound divided by the scale."""

    def broken() -> object:
        """Clip the gradient 3, scaled by 1024, to norm 1; then unscale."""
        w = torch.tensor(1.0, requires_grad=True)
        (1024 * 3 * w).backward()
        nn.utils.clip_grad_norm_([w], 1.0)
        return w.grad / 1024, torch.tensor(1.0)

    def tempting() -> Answer:
        """Clip after the step; the step was taken with the gradient unclipped."""
        w = torch.tensor(1.0, requires_grad=True)
        (1024 * 3 * w).backward()
        w.grad /= 1024
        step = w.grad.clone()
        nn.utils.clip_grad_norm_([w], 1.0)
        return step, torch.tensor(1.0)

    def repaired() -> Answer:
        """Unscale, then clip: scaler.unscale_(optimizer) comes first."""
        w = torch.tensor(1.0, requires_grad=True)
        (1024 * 3 * w).backward()
        w.grad /= 1024
        nn.utils.clip_grad_norm_([w], 1.0)
        return w.grad, torch.tensor(1.0)
