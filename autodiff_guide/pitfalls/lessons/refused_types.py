"""Refused: dtypes, devices and shapes that do not fit together."""

from __future__ import annotations

import math
import warnings

import torch
from torch.nn import functional

from autodiff_guide.pitfalls.entry import Answer, refused, second_device


@refused("[Oo]nly Tensors of floating point")
class IntegerRequiresGrad:
    """A derivative asks what a small change does; integers have no small change."""

    def broken() -> object:
        """Mark the integer 2."""
        return torch.tensor(2, requires_grad=True)

    def tempting() -> Answer:
        """Mark a converted copy; the copy gets the gradient, the original none."""
        x = torch.tensor(2)
        (x.float().requires_grad_() ** 2).backward()
        return x.grad, torch.tensor(4.0)

    def repaired() -> Answer:
        """Write 2.0, or name the dtype, when the tensor is made."""
        x = torch.tensor(2, dtype=torch.float32, requires_grad=True)
        (x**2).backward()
        return x.grad, torch.tensor(4.0)


@refused("Expected all tensors to be on the same device")
class DeviceMismatch:
    """One tensor is in the accelerator's memory, another in the CPU's."""

    def broken() -> object:
        """Multiply a parameter on the accelerator by data on the CPU."""
        w = torch.ones(2, device=second_device(), requires_grad=True)
        return (w * torch.tensor([3.0, 4.0])).sum().backward()

    def tempting() -> Answer:
        """Move the parameter in the loop; the moved one is no leaf, it gets None."""
        device = second_device()
        w = torch.ones(2, requires_grad=True).to(device)
        (w * torch.tensor([3.0, 4.0], device=device)).sum().backward()
        return w.grad, torch.tensor([3.0, 4.0])

    def repaired() -> Answer:
        """Move the data to the parameter: data.to(w.device)."""
        w = torch.ones(2, device=second_device(), requires_grad=True)
        data = torch.tensor([3.0, 4.0])
        (w * data.to(w.device)).sum().backward()
        return w.grad, data.to(w.device)


@refused("(mat1 and mat2|m1 and m2|self and mat2) .*same dtype")
class DtypeMismatch:
    """NumPy's numbers are float64, a layer's weights float32; a product needs one."""

    def broken() -> object:
        """Feed float64 data to float32 weights."""
        weight = torch.ones(1, 2, requires_grad=True)
        data = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
        return functional.linear(data, weight).sum().backward()

    def tempting() -> Answer:
        """Convert weight.data on the way; the gradient has no way back then."""
        weight = torch.ones(1, 2, requires_grad=True)
        data = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
        functional.linear(data, weight.data.double()).sum().backward()
        return weight.grad, torch.tensor([[3.0, 4.0]])

    def repaired() -> Answer:
        """Convert the data once: data.to(weight.dtype)."""
        weight = torch.ones(1, 2, requires_grad=True)
        data = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
        functional.linear(data.to(weight.dtype), weight).sum().backward()
        return weight.grad, torch.tensor([[3.0, 4.0]])


@refused(r"Found dtype \w+ but expected \w+")
class LossDtype:
    """The target is float64; the forward pass accepts it, the backward does not."""

    def broken() -> object:
        """Compare float32 probabilities with a float64 target."""
        score = torch.tensor([0.0], requires_grad=True)
        target = torch.ones(1, dtype=torch.float64)
        return functional.binary_cross_entropy(score.sigmoid(), target).backward()

    def tempting() -> Answer:
        """Convert the loss; the mixture is one step before it."""
        score = torch.tensor([0.0], requires_grad=True)
        target = torch.ones(1, dtype=torch.float64)
        loss = functional.binary_cross_entropy(score.sigmoid(), target)
        loss.float().backward()
        return score.grad, torch.tensor([-0.5])

    def repaired() -> Answer:
        """Convert the target to the dtype of the prediction."""
        score = torch.tensor([0.0], requires_grad=True)
        target = torch.ones(1, dtype=torch.float64)
        probability = score.sigmoid()
        functional.binary_cross_entropy(
            probability, target.to(probability.dtype)
        ).backward()
        return score.grad, torch.tensor([-0.5])


@refused("expected (target dtype to be|scalar type) Long")
class ClassesAreNotIntegers:
    """Class targets are indices, so they are integers: int64."""

    def broken() -> object:
        """Give the classes 0 and 1 as floats."""
        scores = torch.zeros(2, 3, requires_grad=True)
        return functional.cross_entropy(scores, torch.tensor([0.0, 1.0]))

    def tempting() -> Answer:
        """Expand the floats to the scores' shape; they are read as probabilities."""
        scores = torch.zeros(2, 3, requires_grad=True)
        target = torch.tensor([0.0, 1.0])
        loss = functional.cross_entropy(scores, target[:, None].expand(2, 3))
        return loss.detach(), torch.tensor(math.log(3))

    def repaired() -> Answer:
        """Convert the classes with target.long()."""
        scores = torch.zeros(2, 3, requires_grad=True)
        target = torch.tensor([0.0, 1.0])
        loss = functional.cross_entropy(scores, target.long())
        return loss.detach(), torch.tensor(math.log(3))


@refused("Using a target size .* that is different to the input size")
class TargetBroadcast:
    """(3, 1) against (3,) broadcasts to (3, 3): each is compared with all targets."""

    def broken() -> object:
        """Compare a column of predictions with a row of targets."""
        prediction = torch.tensor([[1.0], [2.0], [3.0]])
        return functional.mse_loss(prediction, torch.tensor([1.0, 2.0, 3.0]))

    def tempting() -> Answer:
        """Silence the warning; perfect predictions keep a loss above 0."""
        prediction = torch.tensor([[1.0], [2.0], [3.0]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = functional.mse_loss(prediction, torch.tensor([1.0, 2.0, 3.0]))
        return loss, torch.tensor(0.0)

    def repaired() -> Answer:
        """Give both the same shape: prediction.squeeze(1)."""
        prediction = torch.tensor([[1.0], [2.0], [3.0]])
        target = torch.tensor([1.0, 2.0, 3.0])
        return functional.mse_loss(prediction.squeeze(1), target), torch.tensor(0.0)


@refused("all elements of input should be between 0 and 1")
class ScoresAreNotProbabilities:
    """Binary cross-entropy takes logarithms of probabilities, not of raw scores."""

    def broken() -> object:
        """Give it the score 2."""
        score = torch.tensor([2.0], requires_grad=True)
        return functional.binary_cross_entropy(score, torch.zeros(1))

    def tempting() -> Answer:
        """Clamp the score to [0, 1]; the clamp has slope 0, so nothing is learned."""
        score = torch.tensor([2.0], requires_grad=True)
        clamped = score.clamp(0, 1)
        functional.binary_cross_entropy(clamped, torch.zeros(1)).backward()
        return score.grad, torch.tensor([2.0]).sigmoid()

    def repaired() -> Answer:
        """Use binary_cross_entropy_with_logits, which takes scores."""
        score = torch.tensor([2.0], requires_grad=True)
        functional.binary_cross_entropy_with_logits(score, torch.zeros(1)).backward()
        return score.grad, torch.tensor([2.0]).sigmoid()


@refused("grad can be implicitly created only for real scalar outputs")
class ComplexLoss:
    """A loss must be ordered, and complex numbers are not."""

    def broken() -> object:
        """Square a complex number."""
        z = torch.tensor(3.0 + 4.0j, requires_grad=True)
        return (z**2).backward()

    def tempting() -> Answer:
        """Take the real part of the square; that is not the squared length."""
        z = torch.tensor(3.0 + 4.0j, requires_grad=True)
        (z**2).real.backward()
        return z.grad, torch.tensor(6.0 + 8.0j)

    def repaired() -> Answer:
        """Multiply by the conjugate: the squared length is real."""
        z = torch.tensor(3.0 + 4.0j, requires_grad=True)
        (z * z.conj()).real.backward()
        return z.grad, torch.tensor(6.0 + 8.0j)


@refused("derivative for .* is not implemented")
class DerivativeNotImplemented:
    """torch has no derivative for this operation: // is one of them."""

    def broken() -> object:
        """Write a remainder as x - 2 * (x // 2)."""
        x = torch.tensor(7.0, requires_grad=True)
        return (x - 2 * (x // 2)).backward()

    def tempting() -> Answer:
        """Divide by / instead of //; that is another function."""
        x = torch.tensor(7.0, requires_grad=True)
        (x - 2 * (x / 2)).backward()
        return x.grad, torch.tensor(1.0)

    def repaired() -> Answer:
        """Use torch.div(x, 2, rounding_mode="floor"); its slope is 0, as it should."""
        x = torch.tensor(7.0, requires_grad=True)
        (x - 2 * torch.div(x, 2, rounding_mode="floor")).backward()
        return x.grad, torch.tensor(1.0)
