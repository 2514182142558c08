"""Refused: what one may not do to a leaf, a parameter or a tracked tensor."""

from __future__ import annotations

import copy

import torch
from torch import nn

from autodiff_guide.pitfalls.entry import Answer, refused
from autodiff_guide.pitfalls.lessons._messages import NONE_AS_NUMBER


@refused("(?<!view of )a leaf Variable that requires grad is being used in an in-place")
class InPlaceOnLeaf:
    """The update of a parameter is no part of the loss, and must not be recorded."""

    def broken() -> object:
        """Update a parameter in place while torch records."""
        w = torch.tensor(2.0, requires_grad=True)
        (w**2).backward()
        w -= 0.1 * w.grad
        return w

    def tempting() -> Answer:
        """Write w = w - …; gradients still go to the first w, and add up there."""
        first = w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            (w**2).backward()
            w = w - 0.1 * first.grad
        return first.grad, torch.tensor(2 * 1.6)

    def repaired() -> Answer:
        """Update in place under torch.no_grad()."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            w.grad = None
            (w**2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        return w.grad, torch.tensor(2 * 1.6)


@refused("a view of a leaf Variable that requires grad is being used in an in-place")
class InPlaceOnViewOfLeaf:
    """An entry of a leaf is a view of it; to write there changes the leaf."""

    def broken() -> object:
        """Set one entry of a parameter to zero."""
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        w[0] = 0.0
        return w

    def tempting() -> Answer:
        """Write to w.data; the entry is 0 now, but it still receives a gradient."""
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        w.data[0] = 0.0
        (w**2 + w).sum().backward()
        return w.grad, torch.tensor([0.0, 5.0])

    def repaired() -> Answer:
        """Clone first: writing to the clone is recorded."""
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        edited = w.clone()
        edited[0] = 0.0
        (edited**2 + edited).sum().backward()
        return w.grad, torch.tensor([0.0, 5.0])


@refused(
    r"The \.grad attribute of a Tensor that is not a leaf Tensor is being accessed"
)
class GradOfNonLeaf:
    """backward() fills .grad of leaves only; an intermediate result keeps none."""

    def broken() -> object:
        """Read .grad of an intermediate result."""
        x = torch.tensor(2.0, requires_grad=True)
        y = 2 * x
        (y**2).backward()
        return y.grad

    def tempting() -> Answer:
        """Mark the intermediate as requiring a gradient; it already does."""
        x = torch.tensor(2.0, requires_grad=True)
        y = (2 * x).requires_grad_()
        (y**2).backward()
        return y.grad, torch.tensor(8.0)

    def repaired() -> Answer:
        """Call y.retain_grad() before backward(), or autograd.grad(loss, y)."""
        x = torch.tensor(2.0, requires_grad=True)
        y = 2 * x
        y.retain_grad()
        (y**2).backward()
        return y.grad, torch.tensor(8.0)


@refused(NONE_AS_NUMBER)
class ReboundParameter:
    """w = w - … makes a new tensor that is not a leaf: its .grad stays None."""

    def broken() -> object:
        """Rebind the parameter in a loop of two steps."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            (w**2).backward()
            w = w - 0.1 * w.grad
        return w

    def tempting() -> Answer:
        """Skip the step where there is no gradient; descent stops after one."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            (w**2).backward()
            if w.grad is not None:
                w = w - 0.1 * w.grad
        return w.detach(), torch.tensor(1.28)

    def repaired() -> Answer:
        """Keep the tensor and change its value, under torch.no_grad()."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            w.grad = None
            (w**2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        return w.detach(), torch.tensor(1.28)


@refused("'NoneType' object has no attribute 'zero_'")
class ZeroBeforeBackward:
    """Before the first backward(), and after zero_grad(), .grad is None."""

    def broken() -> object:
        """Zero the gradient at the top of the loop."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            w.grad.zero_()
            (w**2).backward()
        return w.grad

    def tempting() -> Answer:
        """Put zeros into .grad once, before the loop; the second step adds."""
        w = torch.tensor(2.0, requires_grad=True)
        w.grad = torch.zeros_like(w)
        for _ in range(2):
            (w**2).backward()
        return w.grad, torch.tensor(4.0)

    def repaired() -> Answer:
        """Set w.grad = None in each step, as optimizer.zero_grad() does."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            w.grad = None
            (w**2).backward()
        return w.grad, torch.tensor(4.0)


@refused(r"Can't call numpy\(\) on Tensor that requires grad")
class NumpyOfTracked:
    """NumPy cannot record what it does to the numbers, so the history would end."""

    def broken() -> object:
        """Turn a parameter into an array."""
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        return w.numpy()

    def tempting() -> Answer:
        """Take w.data.numpy(); array and parameter are then the same memory."""
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        array = w.data.numpy()
        array *= 10
        return w.detach(), torch.tensor([1.0, 2.0])

    def repaired() -> Answer:
        """Detach, move to the CPU, and copy what you will change."""
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        array = w.detach().cpu().numpy().copy()
        array *= 10
        return w.detach(), torch.tensor([1.0, 2.0])


@refused("To copy construct from a tensor, it is recommended to use")
class TensorOfTensor:
    """torch.tensor(x) copies the numbers of x and leaves its history behind."""

    def broken() -> object:
        """Copy a result with torch.tensor."""
        x = torch.tensor(2.0, requires_grad=True)
        return torch.tensor(x**2)

    def tempting() -> Answer:
        """Detach, clone and mark, as torch suggests; the history is still gone."""
        x = torch.tensor(2.0, requires_grad=True)
        y = (x**2).detach().clone().requires_grad_(True)
        y.backward()
        return x.grad, torch.tensor(4.0)

    def repaired() -> Answer:
        """Use the result as it is, or clone() it: a clone keeps the history."""
        x = torch.tensor(2.0, requires_grad=True)
        y = (x**2).clone()
        y.backward()
        return x.grad, torch.tensor(4.0)


@refused("can't optimize a non-leaf Tensor")
class OptimizerOfNonLeaf:
    """The tensor was computed from another; an optimizer can only move leaves."""

    def broken() -> object:
        """Scale a parameter after marking it, and hand over the result."""
        w = 2 * torch.ones(2, requires_grad=True)
        return torch.optim.SGD([w], lr=0.1)

    def tempting() -> Answer:
        """Hand over w.detach(); it gets no gradient, so nothing moves."""
        w = 2 * torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([w.detach()], lr=0.1)
        (w**2).sum().backward()
        optimizer.step()
        return w.detach(), torch.tensor([1.6, 1.6])

    def repaired() -> Answer:
        """Compute the start first, and mark it last."""
        w = (2 * torch.ones(2)).requires_grad_()
        optimizer = torch.optim.SGD([w], lr=0.1)
        (w**2).sum().backward()
        optimizer.step()
        return w.detach(), torch.tensor([1.6, 1.6])


@refused("optimizer got an empty parameter list")
class EmptyOptimizer:
    """A module finds parameters in its attributes, not inside a plain list."""

    def broken() -> object:
        """Keep the parameters of a module in a list."""
        module = nn.Module()
        module.weights = [nn.Parameter(torch.tensor(2.0))]
        return torch.optim.SGD(module.parameters(), lr=0.1)

    def tempting() -> Answer:
        """Add one parameter that is found; the ones in the list still stand still."""
        module = nn.Module()
        weight = nn.Parameter(torch.tensor(2.0))
        module.weights, module.bias = [weight], nn.Parameter(torch.tensor(0.0))
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        (weight**2 + module.bias).backward()
        optimizer.step()
        return weight.detach(), torch.tensor(1.6)

    def repaired() -> Answer:
        """Use nn.ParameterList, or nn.ModuleList for layers."""
        module = nn.Module()
        weight = nn.Parameter(torch.tensor(2.0))
        module.weights = nn.ParameterList([weight])
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        (weight**2).backward()
        optimizer.step()
        return weight.detach(), torch.tensor(1.6)


@refused("you can only change requires_grad flags of leaf variables")
class RequiresGradOfNonLeaf:
    """A computed tensor requires a gradient because its inputs do."""

    def broken() -> object:
        """Switch requires_grad off to treat a result as a constant."""
        x = torch.tensor(2.0, requires_grad=True)
        y = 3 * x
        y.requires_grad = False
        return y

    def tempting() -> Answer:
        """Compute under no_grad(); that cuts off the other factor as well."""
        x = torch.tensor(2.0, requires_grad=True)
        with torch.no_grad():
            product = (3 * x) * x
        product.backward()
        return x.grad, torch.tensor(6.0)

    def repaired() -> Answer:
        """Call detach() on the one tensor that is meant as a constant."""
        x = torch.tensor(2.0, requires_grad=True)
        product = (3 * x).detach() * x
        product.backward()
        return x.grad, torch.tensor(6.0)


@refused("Only Tensors created explicitly by the user .*support the deepcopy")
class DeepcopyOfNonLeaf:
    """A deep copy of a computed tensor would have to copy its graph."""

    def broken() -> object:
        """Keep a result with copy.deepcopy."""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        return copy.deepcopy(2 * x)

    def tempting() -> Answer:
        """Keep y.detach(); it is the same memory and follows later changes."""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = 2 * x
        kept = y.detach()
        y += 10
        return kept, torch.tensor([2.0, 4.0])

    def repaired() -> Answer:
        """Keep y.detach().clone()."""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = 2 * x
        kept = y.detach().clone()
        y += 10
        return kept, torch.tensor([2.0, 4.0])


@refused("Inference tensors cannot be saved for backward")
class InferenceTensorSaved:
    """What inference_mode made can never take part in a recorded computation."""

    def broken() -> object:
        """Multiply a parameter by features computed in inference mode."""
        w = torch.tensor([1.0, 1.0], requires_grad=True)
        with torch.inference_mode():
            features = torch.tensor([3.0, 4.0])
        return (w * features).sum().backward()

    def tempting() -> Answer:
        """Detach the features; they remain an inference tensor."""
        w = torch.tensor([1.0, 1.0], requires_grad=True)
        with torch.inference_mode():
            features = torch.tensor([3.0, 4.0])
        (w * features.detach()).sum().backward()
        return w.grad, torch.tensor([3.0, 4.0])

    def repaired() -> Answer:
        """Clone them outside, or compute them under torch.no_grad()."""
        w = torch.tensor([1.0, 1.0], requires_grad=True)
        with torch.inference_mode():
            features = torch.tensor([3.0, 4.0])
        (w * features.clone()).sum().backward()
        return w.grad, torch.tensor([3.0, 4.0])
