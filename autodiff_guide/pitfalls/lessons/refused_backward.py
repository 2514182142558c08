"""Refused: what ``backward()`` and the graph will not do."""

from __future__ import annotations

import torch

from autodiff_guide.pitfalls.entry import Answer, refused
from autodiff_guide.pitfalls.lessons._messages import NO_HISTORY, NONE_AS_NUMBER


@refused("grad can be implicitly created only for scalar outputs")
class NonScalarBackward:
    """Several numbers came out, and backward() starts from one."""

    def broken() -> object:
        """Call backward() on three numbers."""
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        return (x**2).backward()

    def tempting() -> Answer:
        """Take one of the outputs; the other two then get no gradient."""
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (x**2)[0].backward()
        return x.grad, torch.tensor([2.0, 4.0, 6.0])

    def repaired() -> Answer:
        """Sum the outputs, or weigh them: backward(gradient=weights)."""
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (x**2).sum().backward()
        return x.grad, torch.tensor([2.0, 4.0, 6.0])


@refused("Trying to backward through the graph a second time")
class SecondBackward:
    """The first backward() freed what the graph had saved for it."""

    def broken() -> object:
        """Call backward() twice on the same loss."""
        x = torch.tensor(2.0, requires_grad=True)
        loss = x**2
        loss.backward()
        return loss.backward()

    def tempting() -> Answer:
        """Pass retain_graph=True; nothing is raised, and the gradient doubles."""
        x = torch.tensor(2.0, requires_grad=True)
        loss = x**2
        loss.backward(retain_graph=True)
        loss.backward()
        return x.grad, torch.tensor(4.0)

    def repaired() -> Answer:
        """Compute the loss anew for each backward(), with the gradient zeroed."""
        x = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            x.grad = None
            (x**2).backward()
        return x.grad, torch.tensor(4.0)


@refused(
    "modified by an inplace operation: "
    r".*which is output \d+ of (?!AsStrided|T,|TBackward)"
)
class SavedThenChanged:
    """Backward needs a value that was overwritten: exp saves its result, for one."""

    def broken() -> object:
        """Add to the result of exp in place."""
        x = torch.tensor(1.0, requires_grad=True)
        y = x.exp()
        y += 1
        return y.backward()

    def tempting() -> Answer:
        """Edit y.data, where torch does not look; backward uses the edited value."""
        x = torch.tensor(1.0, requires_grad=True)
        y = x.exp()
        y.data += 1
        y.backward()
        return x.grad, torch.tensor(1.0).exp()

    def repaired() -> Answer:
        """Write y = y + 1, which makes a new tensor."""
        x = torch.tensor(1.0, requires_grad=True)
        y = x.exp()
        y = y + 1
        y.backward()
        return x.grad, torch.tensor(1.0).exp()


@refused(
    "modified by an inplace operation: "
    r".*(\]\] is at version|which is output \d+ of (AsStrided|T,|TBackward))"
)
class StepBetweenBackwards:
    """A step overwrote the parameters that an older graph had saved."""

    def broken() -> object:
        """Step the optimizer between two backwards of one graph."""
        w = torch.tensor(2.0, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        loss = w**2
        loss.backward(retain_graph=True)
        optimizer.step()
        return loss.backward()

    def tempting() -> Answer:
        """Step through w.data; the old graph then mixes old and new values."""
        w = torch.tensor(2.0, requires_grad=True)
        loss = w**2
        (gradient,) = torch.autograd.grad(loss, w, retain_graph=True)
        w.data -= 0.1 * gradient
        loss.backward()
        return w.grad, torch.tensor(4.0)

    def repaired() -> Answer:
        """Compute the loss again after the step, from the new parameters."""
        w = torch.tensor(2.0, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        (w**2).backward()
        optimizer.step()
        optimizer.zero_grad()
        (w**2).backward()
        return w.grad, torch.tensor(2 * 1.6)


@refused(NO_HISTORY)
class CopiedByTensor:
    """torch.tensor([...]) copies numbers, and a copy of numbers has no history."""

    def broken() -> object:
        """Collect results with torch.tensor."""
        a = torch.tensor(1.0, requires_grad=True)
        return torch.tensor([a.cos()]).sum().backward()

    def tempting() -> Answer:
        """Mark the copy as requiring a gradient; the gradient stops at the copy."""
        a = torch.tensor(1.0, requires_grad=True)
        copied = torch.tensor([a.cos()]).requires_grad_()
        copied.sum().backward()
        return a.grad, -torch.tensor(1.0).sin()

    def repaired() -> Answer:
        """Collect results with torch.stack or torch.cat, which keep the history."""
        a = torch.tensor(1.0, requires_grad=True)
        torch.stack([a.cos()]).sum().backward()
        return a.grad, -torch.tensor(1.0).sin()


@refused(NO_HISTORY)
class ComparisonHasNoSlope:
    """A comparison or an argmax is a jump between flat pieces: it has no slope."""

    def broken() -> object:
        """Call backward() on an accuracy."""
        scores = torch.tensor([-1.0, 2.0], requires_grad=True)
        return (scores > 0).float().mean().backward()

    def tempting() -> Answer:
        """Mark the accuracy as requiring a gradient; none reaches the scores."""
        scores = torch.tensor([-1.0, 2.0], requires_grad=True)
        accuracy = (scores > 0).float().requires_grad_().mean()
        accuracy.backward()
        p = scores.detach().sigmoid()
        return scores.grad, p * (1 - p) / 2

    def repaired() -> Answer:
        """Train on a smooth stand-in such as sigmoid, and only report the accuracy."""
        scores = torch.tensor([-1.0, 2.0], requires_grad=True)
        scores.sigmoid().mean().backward()
        p = scores.detach().sigmoid()
        return scores.grad, p * (1 - p) / 2


@refused(NO_HISTORY)
class SecondDerivativeWithoutGraph:
    """A gradient is a plain number unless its own computation was recorded."""

    def broken() -> object:
        """Call backward() on a gradient."""
        x = torch.tensor(2.0, requires_grad=True)
        (slope,) = torch.autograd.grad(x**3, x)
        return slope.backward()

    def tempting() -> Answer:
        """Pass retain_graph=True; it keeps the old graph and records no new one."""
        x = torch.tensor(2.0, requires_grad=True)
        (slope,) = torch.autograd.grad(x**3, x, retain_graph=True)
        slope.backward()
        return x.grad, torch.tensor(12.0)

    def repaired() -> Answer:
        """Pass create_graph=True to the first derivative."""
        x = torch.tensor(2.0, requires_grad=True)
        (slope,) = torch.autograd.grad(x**3, x, create_graph=True)
        slope.backward()
        return x.grad, torch.tensor(12.0)


@refused("Mismatch in shape: grad_output")
class GradientOfWrongShape:
    """gradient= weighs the outputs, so it has the output's shape, not the input's."""

    def broken() -> object:
        """Pass one weight for each of three inputs; there are two outputs."""
        x = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
        matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
        return (matrix @ x).backward(gradient=torch.ones(3))

    def tempting() -> Answer:
        """Sum the output instead; that silently sets all weights to one."""
        x = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
        matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
        (matrix @ x).sum().backward()
        return x.grad, torch.tensor([1.0, 0.0, -6.0])

    def repaired() -> Answer:
        """Pass one weight for each output."""
        x = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
        matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
        (matrix @ x).backward(gradient=torch.tensor([1.0, -2.0]))
        return x.grad, torch.tensor([1.0, 0.0, -6.0])


@refused("appears? to not have been used in the graph")
class UnusedInput:
    """No path leads from the output to this input: it is unused, or was cut off."""

    def broken() -> object:
        """Ask for the gradient of a factor that was detached."""
        a = torch.tensor(3.0, requires_grad=True)
        b = torch.tensor(5.0, requires_grad=True)
        return torch.autograd.grad(a * b.detach(), (a, b))

    def tempting() -> Answer:
        """Pass allow_unused=True; the gradient is None, and the cut remains."""
        a = torch.tensor(3.0, requires_grad=True)
        b = torch.tensor(5.0, requires_grad=True)
        _, gradient = torch.autograd.grad(a * b.detach(), (a, b), allow_unused=True)
        return gradient, torch.tensor(3.0)

    def repaired() -> Answer:
        """Find the cut and remove it; ask only for inputs that are used."""
        a = torch.tensor(3.0, requires_grad=True)
        b = torch.tensor(5.0, requires_grad=True)
        _, gradient = torch.autograd.grad(a * b, (a, b))
        return gradient, torch.tensor(3.0)


@refused(NONE_AS_NUMBER)
class BackwardReturnsNone:
    """backward() returns None; the gradient is in .grad of the leaves."""

    def broken() -> object:
        """Use what backward() returns as the gradient."""
        w = torch.tensor(2.0, requires_grad=True)
        gradient = (w**2).backward()
        return w - 0.1 * gradient

    def tempting() -> Answer:
        """Replace None by 0; the step then goes nowhere."""
        w = torch.tensor(2.0, requires_grad=True)
        gradient = (w**2).backward()
        return w.detach() - 0.1 * (gradient or 0.0), torch.tensor(1.6)

    def repaired() -> Answer:
        """Read w.grad, or call torch.autograd.grad, which returns the gradient."""
        w = torch.tensor(2.0, requires_grad=True)
        (gradient,) = torch.autograd.grad(w**2, w)
        return w.detach() - 0.1 * gradient, torch.tensor(1.6)


@refused("returned nan values in its")
class AnomalyFound:
    """Anomaly mode stops where a NaN gradient is born: here log at 0, times 0."""

    def broken() -> object:
        """Take a logarithm in the branch that where() does not choose."""
        x = torch.tensor([0.0, 2.0], requires_grad=True)
        with torch.autograd.set_detect_anomaly(True):
            return torch.where(x > 0, x.log(), 0.0).sum().backward()

    def tempting() -> Answer:
        """Clean the output with nan_to_num; the NaN is born on the way back."""
        x = torch.tensor([0.0, 2.0], requires_grad=True)
        torch.where(x > 0, x.log(), 0.0).nan_to_num().sum().backward()
        return x.grad, torch.tensor([0.0, 0.5])

    def repaired() -> Answer:
        """Choose a harmless input before the logarithm, then choose the output."""
        x = torch.tensor([0.0, 2.0], requires_grad=True)
        harmless = torch.where(x > 0, x, 1.0)
        torch.where(x > 0, harmless.log(), 0.0).sum().backward()
        return x.grad, torch.tensor([0.0, 0.5])
