"""Refused: functions transformed by ``torch.func``, and functions of one's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from autodiff_guide.pitfalls.entry import Answer, refused


@refused(r"Expected f\(\*args\) to return a scalar")
class GradOfVectorFunction:
    """torch.func.grad differentiates functions that return one number."""

    def broken() -> object:
        """Differentiate a function of three numbers that returns three."""
        return torch.func.grad(lambda x: x**2)(torch.tensor([1.0, 2.0, 3.0]))

    def tempting() -> Answer:
        """Average the outputs; the slopes are then a third of what they were."""
        x = torch.tensor([1.0, 2.0, 3.0])
        return torch.func.grad(lambda x: (x**2).mean())(x), 2 * x

    def repaired() -> Answer:
        """Map the derivative of the scalar function: vmap(grad(f))."""
        x = torch.tensor([1.0, 2.0, 3.0])
        return torch.func.vmap(torch.func.grad(lambda x: x**2))(x), 2 * x


@refused(r"vmap: It looks like you're .*calling \.item\(\)")
class ItemUnderVmap:
    """Under vmap a tensor stands for many; it has no single number to hand out."""

    def broken() -> object:
        """Multiply by x.item()."""
        return torch.func.vmap(lambda x: x * x.item())(torch.tensor([1.0, 2.0]))

    def tempting() -> Answer:
        """Multiply by x.detach(); half of the slope is lost."""
        x = torch.tensor([1.0, 2.0])
        slope = torch.func.vmap(torch.func.grad(lambda x: x * x.detach()))
        return slope(x), 2 * x

    def repaired() -> Answer:
        """Stay with tensors: x * x."""
        x = torch.tensor([1.0, 2.0])
        slope = torch.func.vmap(torch.func.grad(lambda x: x * x))
        return slope(x), 2 * x


@refused("vmap: .*data-dependent control flow")
class BranchUnderVmap:
    """One if decides once, but the batch needs a decision for each entry."""

    def broken() -> object:
        """Write relu with an if."""
        return torch.func.vmap(lambda x: x if x > 0 else 0 * x)(torch.ones(2))

    def tempting() -> Answer:
        """Decide for the whole batch, by its sum."""
        x = torch.tensor([-1.0, 3.0])
        return x if x.sum() > 0 else 0 * x, torch.tensor([0.0, 3.0])

    def repaired() -> Answer:
        """Choose with torch.where."""
        x = torch.tensor([-1.0, 3.0])
        relu = torch.func.vmap(lambda x: torch.where(x > 0, x, 0.0))
        return relu(x), torch.tensor([0.0, 3.0])


@refused("vmap: called random operation while in randomness error mode")
class RandomnessUnderVmap:
    """vmap cannot know whether each entry wants its own random number."""

    def broken() -> object:
        """Add noise under vmap."""
        return torch.func.vmap(lambda x: x + torch.rand(()))(torch.zeros(4))

    def tempting() -> Answer:
        """Pass randomness="same"; every entry gets the same noise."""
        with torch.random.fork_rng(devices=[]):
            noisy = torch.func.vmap(lambda x: x + torch.rand(()), randomness="same")
            return torch.tensor(len(noisy(torch.zeros(4)).unique())), torch.tensor(4)

    def repaired() -> Answer:
        """Pass randomness="different"."""
        with torch.random.fork_rng(devices=[]):
            noisy = torch.func.vmap(
                lambda x: x + torch.rand(()), randomness="different"
            )
            return torch.tensor(len(noisy(torch.zeros(4)).unique())), torch.tensor(4)


@refused("returned an incorrect number of gradients")
class WrongNumberOfGradients:
    """backward of a Function returns one gradient for each input of forward."""

    def broken() -> object:
        """Return one gradient for two factors."""

        class Product(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
                ctx.save_for_backward(x, y)
                return x * y

            @staticmethod
            def backward(ctx: Any, grad: Tensor) -> Tensor:
                _, y = ctx.saved_tensors
                return grad * y

        x = torch.tensor(2.0, requires_grad=True)
        return Product.apply(x, torch.tensor(5.0)).backward()

    def tempting() -> Answer:
        """Return it twice; the count is right, the second gradient is not."""

        class Product(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
                ctx.save_for_backward(x, y)
                return x * y

            @staticmethod
            def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
                _, y = ctx.saved_tensors
                return grad * y, grad * y

        y = torch.tensor(5.0, requires_grad=True)
        Product.apply(torch.tensor(2.0), y).backward()
        return y.grad, torch.tensor(2.0)

    def repaired() -> Answer:
        """Return each factor's own gradient; None for an input that needs none."""

        class Product(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
                ctx.save_for_backward(x, y)
                return x * y

            @staticmethod
            def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
                x, y = ctx.saved_tensors
                return grad * y, grad * x

        y = torch.tensor(5.0, requires_grad=True)
        Product.apply(torch.tensor(2.0), y).backward()
        return y.grad, torch.tensor(2.0)


@refused("returned an invalid gradient at index .*compatible with")
class WrongShapeOfGradient:
    """A gradient has the shape of its input, and a sum has lost that shape."""

    def broken() -> object:
        """Return the gradient of a sum as one number."""

        class Sum(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                return x.sum()

            @staticmethod
            def backward(ctx: Any, grad: Tensor) -> Tensor:
                return grad

        return Sum.apply(torch.ones(3, requires_grad=True)).backward()

    def tempting() -> Answer:
        """Share the number out among the entries; each then gets a third."""

        class Sum(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                ctx.shape = x.shape
                return x.sum()

            @staticmethod
            def backward(ctx: Any, grad: Tensor) -> Tensor:
                return (grad / ctx.shape.numel()).expand(ctx.shape)

        x = torch.ones(3, requires_grad=True)
        Sum.apply(x).backward()
        return x.grad, torch.ones(3)

    def repaired() -> Answer:
        """Expand the number: each entry adds to the sum with slope one."""

        class Sum(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                ctx.shape = x.shape
                return x.sum()

            @staticmethod
            def backward(ctx: Any, grad: Tensor) -> Tensor:
                return grad.expand(ctx.shape)

        x = torch.ones(3, requires_grad=True)
        Sum.apply(x).backward()
        return x.grad, torch.ones(3)
