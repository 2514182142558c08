"""Silent: numbers that overflow, underflow, broadcast or are not differentiable."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from autodiff_guide.pitfalls.entry import Answer, silent


@silent
class BroadcastInLoss:
    """(5, 1) - (5,) is (5, 5): every prediction is compared with every target."""

    def broken() -> object:
        """Subtract a row of targets from a column of perfect predictions."""
        prediction, target = torch.arange(5.0)[:, None], torch.arange(5.0)
        return ((prediction - target) ** 2).mean(), torch.tensor(0.0)

    def tempting() -> Answer:
        """Divide by the number of samples yourself; the sum is wrong already."""
        prediction, target = torch.arange(5.0)[:, None], torch.arange(5.0)
        return ((prediction - target) ** 2).sum() / 5, torch.tensor(0.0)

    def repaired() -> Answer:
        """Give both the same shape before subtracting."""
        prediction, target = torch.arange(5.0)[:, None], torch.arange(5.0)
        return ((prediction.squeeze(1) - target) ** 2).mean(), torch.tensor(0.0)


@silent
class SoftmaxTwice:
    """cross_entropy applies softmax itself; shares put through it again lose range."""

    def broken() -> object:
        """Give cross_entropy the output of softmax."""
        scores = torch.tensor([[8.0, 0.0]], requires_grad=True)
        loss = functional.cross_entropy(scores.softmax(1), torch.tensor([0]))
        return loss.detach(), torch.tensor(math.log1p(math.exp(-8)))

    def tempting() -> Answer:
        """Sharpen the scores; shares of 1 and 0 still give a loss of 0.31."""
        scores = torch.tensor([[8.0, 0.0]], requires_grad=True)
        shares = (100 * scores).softmax(1)
        loss = functional.cross_entropy(shares, torch.tensor([0]))
        return loss.detach(), torch.tensor(math.log1p(math.exp(-8)))

    def repaired() -> Answer:
        """Give it the scores."""
        scores = torch.tensor([[8.0, 0.0]], requires_grad=True)
        loss = functional.cross_entropy(scores, torch.tensor([0]))
        return loss.detach(), torch.tensor(math.log1p(math.exp(-8)))


@silent
class LogOfSoftmax:
    """A share below the smallest float is 0, and the logarithm of 0 is -inf."""

    def broken() -> object:
        """Take the logarithm of a softmax."""
        scores = torch.tensor([0.0, 200.0])
        return scores.softmax(0).log()[0], torch.tensor(-200.0)

    def tempting() -> Answer:
        """Add 1e-9 inside the logarithm; finite, and far from the truth."""
        scores = torch.tensor([0.0, 200.0])
        return (scores.softmax(0) + 1e-9).log()[0], torch.tensor(-200.0)

    def repaired() -> Answer:
        """Use log_softmax, which subtracts before it takes exponentials."""
        scores = torch.tensor([0.0, 200.0])
        return scores.log_softmax(0)[0], torch.tensor(-200.0)


@silent
class SumInsteadOfMean:
    """The gradient of a sum grows with the batch; a rate tuned for a mean explodes."""

    def broken() -> object:
        """Take one step of lr 0.1 on a loss summed over 100 samples."""
        w = torch.tensor(2.0, requires_grad=True)
        ((w * torch.ones(100)) ** 2).sum().backward()
        return w.detach() - 0.1 * w.grad, torch.tensor(1.6)

    def tempting() -> Answer:
        """Clip the gradient to norm 1; the length of the step is then arbitrary."""
        w = torch.tensor(2.0, requires_grad=True)
        ((w * torch.ones(100)) ** 2).sum().backward()
        torch.nn.utils.clip_grad_norm_([w], 1.0)
        return w.detach() - 0.1 * w.grad, torch.tensor(1.6)

    def repaired() -> Answer:
        """Take the mean, or divide the rate by the number of samples."""
        w = torch.tensor(2.0, requires_grad=True)
        ((w * torch.ones(100)) ** 2).mean().backward()
        return w.detach() - 0.1 * w.grad, torch.tensor(1.6)


@silent
class FloatGradientCheck:
    """In float32 a difference of close values is mostly rounding."""

    def broken() -> object:
        """Differentiate x³ at 1 numerically in float32, with a step of 1e-6."""
        x, h = torch.tensor(1.0), 1e-6
        return ((x + h) ** 3 - (x - h) ** 3) / (2 * h), torch.tensor(3.0)

    def tempting() -> Answer:
        """Make the step smaller; 1 and 1 + 1e-8 are the same float32."""
        x, h = torch.tensor(1.0), 1e-8
        return ((x + h) ** 3 - (x - h) ** 3) / (2 * h), torch.tensor(3.0)

    def repaired() -> Answer:
        """Check in float64."""
        x, h = torch.tensor(1.0, dtype=torch.float64), 1e-6
        return ((x + h) ** 3 - (x - h) ** 3) / (2 * h), 3 * x


@silent
class SqrtAtZero:
    """The slope of sqrt at 0 is infinite; times the inner slope 0 it is NaN."""

    def broken() -> object:
        """Differentiate the distance of two points that coincide."""
        a = torch.zeros(2, requires_grad=True)
        (a**2).sum().sqrt().backward()
        return a.grad, torch.zeros(2)

    def tempting() -> Answer:
        """Add a small number to the root; its slope is as infinite as before."""
        a = torch.zeros(2, requires_grad=True)
        ((a**2).sum().sqrt() + 1e-8).backward()
        return a.grad, torch.zeros(2)

    def repaired() -> Answer:
        """Use torch.linalg.vector_norm, which takes 0 at the kink."""
        a = torch.zeros(2, requires_grad=True)
        torch.linalg.vector_norm(a).backward()
        return a.grad, torch.zeros(2)


def _ackley(x: Tensor, root_mean_square: Tensor) -> Tensor:
    bowl = -20 * torch.exp(-0.2 * root_mean_square)
    return bowl - torch.exp(torch.cos(2 * torch.pi * x).mean()) + 20 + math.e


@silent
class AckleyAtItsMinimum:
    """Ackley's function has a root of squares: its gradient is NaN at the minimum."""

    def broken() -> object:
        """Differentiate Ackley's function at its minimum, 0."""
        x = torch.zeros(2, requires_grad=True)
        _ackley(x, (x**2).mean().sqrt()).backward()
        return x.grad, torch.zeros(2)

    def tempting() -> Answer:
        """Clean the value with nan_to_num; the value was never NaN."""
        x = torch.zeros(2, requires_grad=True)
        _ackley(x, (x**2).mean().sqrt()).nan_to_num().backward()
        return x.grad, torch.zeros(2)

    def repaired() -> Answer:
        """Write the root as a norm, torch.linalg.vector_norm(x) / sqrt(n)."""
        x = torch.zeros(2, requires_grad=True)
        _ackley(x, torch.linalg.vector_norm(x) / math.sqrt(2)).backward()
        return x.grad, torch.zeros(2)


@silent
class UnderflowUnderAutocast:
    """float16 has no number below 6e-8: a smaller gradient becomes 0 on its way."""

    def broken() -> object:
        """Send a gradient of 2⁻²⁷ through a float16 layer; the share that arrives."""
        w = torch.ones(1, 1, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.float16):
            output = functional.linear(torch.ones(1, 1), w)
        (2**-27 * output.float()).sum().backward()
        return w.grad / 2**-27, torch.ones(1, 1)

    def tempting() -> Answer:
        """Scale the gradient afterwards; 0 stays 0."""
        w = torch.ones(1, 1, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.float16):
            output = functional.linear(torch.ones(1, 1), w)
        (2**-27 * output.float()).sum().backward()
        return 2**16 * w.grad / 2**-11, torch.ones(1, 1)

    def repaired() -> Answer:
        """Scale the loss before backward(), unscale after: torch.amp.GradScaler."""
        w = torch.ones(1, 1, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.float16):
            output = functional.linear(torch.ones(1, 1), w)
        (2**16 * 2**-27 * output.float()).sum().backward()
        return w.grad / 2**16 / 2**-27, torch.ones(1, 1)
