"""Silent: memory shared behind the graph's back, and paths that carry no slope."""

from __future__ import annotations

import torch

from autodiff_guide.pitfalls.entry import Answer, silent


@silent
class ForgottenZeroing:
    """backward() adds to .grad, so old slopes stay in the sum; descent swings."""

    def broken() -> object:
        """Descend w² for 100 steps and never zero the gradient."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(100):
            (w**2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        return w.detach(), torch.tensor(0.0)

    def tempting() -> Answer:
        """Lower the learning rate; the swing is slower, and still no descent."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(100):
            (w**2).backward()
            with torch.no_grad():
                w -= 0.001 * w.grad
        return w.detach(), torch.tensor(0.0)

    def repaired() -> Answer:
        """Zero the gradient in every step."""
        w = torch.tensor(2.0, requires_grad=True)
        for _ in range(100):
            w.grad = None
            (w**2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        return w.detach(), torch.tensor(0.0)


@silent
class EditedThroughData:
    """torch does not see edits of .data; backward uses the edited value as saved."""

    def broken() -> object:
        """Change w.data between the loss and its backward()."""
        w = torch.tensor(2.0, requires_grad=True)
        loss = w**2
        w.data *= 10
        loss.backward()
        return w.grad, torch.tensor(4.0)

    def tempting() -> Answer:
        """Edit under no_grad() instead; now torch notices, and refuses."""
        w = torch.tensor(2.0, requires_grad=True)
        loss = w**2
        with torch.no_grad():
            w *= 10
        loss.backward()
        return w.grad, torch.tensor(4.0)

    def repaired() -> Answer:
        """Edit after backward(), under torch.no_grad()."""
        w = torch.tensor(2.0, requires_grad=True)
        (w**2).backward()
        with torch.no_grad():
            w *= 10
        return w.grad, torch.tensor(4.0)


@silent
class DetachSharesStorage:
    """detach() drops the history, not the memory: both tensors are one storage."""

    def broken() -> object:
        """Keep the best weights with detach(), then take a step."""
        w = torch.tensor([2.0], requires_grad=True)
        best = w.detach()
        with torch.no_grad():
            w -= 1
        return best, torch.tensor([2.0])

    def tempting() -> Answer:
        """Convert to NumPy; the array is the same memory as well."""
        w = torch.tensor([2.0], requires_grad=True)
        best = w.detach().numpy()
        with torch.no_grad():
            w -= 1
        return torch.from_numpy(best), torch.tensor([2.0])

    def repaired() -> Answer:
        """Copy: w.detach().clone()."""
        w = torch.tensor([2.0], requires_grad=True)
        best = w.detach().clone()
        with torch.no_grad():
            w -= 1
        return best, torch.tensor([2.0])


@silent
class NanFromUntakenBranch:
    """where() sends 0 into the branch not taken; 0 times its infinite slope is NaN."""

    def broken() -> object:
        """Guard sqrt at 0 with torch.where."""
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        torch.where(x > 0, x.sqrt(), 0.0).sum().backward()
        return x.grad, torch.tensor([0.0, 0.25])

    def tempting() -> Answer:
        """Multiply by a mask instead; 0 times infinity is NaN here, too."""
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        (x.sqrt() * (x > 0)).sum().backward()
        return x.grad, torch.tensor([0.0, 0.25])

    def repaired() -> Answer:
        """Choose twice: a harmless input first, then the output."""
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        harmless = torch.where(x > 0, x, 1.0)
        torch.where(x > 0, harmless.sqrt(), 0.0).sum().backward()
        return x.grad, torch.tensor([0.0, 0.25])


@silent
class ReluDifferenceAtZero:
    """relu has slope 0 at 0 by convention, so relu(x) - relu(-x) gets 0, not 1."""

    def broken() -> object:
        """Write x as relu(x) - relu(-x), and differentiate at 0."""
        x = torch.tensor(0.0, requires_grad=True)
        (x.relu() - (-x).relu()).backward()
        return x.grad, torch.tensor(1.0)

    def tempting() -> Answer:
        """Use leaky_relu; its convention at 0 is the small slope."""
        x = torch.tensor(0.0, requires_grad=True)
        leaky = torch.nn.functional.leaky_relu
        ((leaky(x) - leaky(-x)) / 1.01).backward()
        return x.grad, torch.tensor(1.0)

    def repaired() -> Answer:
        """Simplify until the kinks that cancel are gone."""
        x = torch.tensor(0.0, requires_grad=True)
        x.clone().backward()
        return x.grad, torch.tensor(1.0)


@silent
class RoundingInThePath:
    """round is flat between its jumps: its slope is 0, and descent stands still."""

    def broken() -> object:
        """Descend (round(w) - 3)² from 1.4."""
        w = torch.tensor(1.4, requires_grad=True)
        for _ in range(100):
            w.grad = None
            ((w.round() - 3) ** 2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        return w.detach(), torch.tensor(3.0)

    def tempting() -> Answer:
        """Raise the learning rate; any rate times 0 is 0."""
        w = torch.tensor(1.4, requires_grad=True)
        for _ in range(100):
            w.grad = None
            ((w.round() - 3) ** 2).backward()
            with torch.no_grad():
                w -= 1000 * w.grad
        return w.detach(), torch.tensor(3.0)

    def repaired() -> Answer:
        """Descend without rounding, and round the result."""
        w = torch.tensor(1.4, requires_grad=True)
        for _ in range(100):
            w.grad = None
            ((w - 3) ** 2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
        return w.detach().round(), torch.tensor(3.0)


@silent
class ArgmaxInThePath:
    """An index has no slope: what chose it gets no gradient at all."""

    def broken() -> object:
        """Learn scores through the value that argmax picks."""
        scores = torch.tensor([0.0, 1.0], requires_grad=True)
        values = torch.tensor([2.0, 6.0], requires_grad=True)
        values[scores.argmax()].backward()
        p = scores.detach().softmax(0)
        return scores.grad, p * (values.detach() - p @ values.detach())

    def tempting() -> Answer:
        """Use max() on the scores; that is differentiable, but of another function."""
        scores = torch.tensor([0.0, 1.0], requires_grad=True)
        values = torch.tensor([2.0, 6.0], requires_grad=True)
        (scores.max() * values[scores.argmax()]).backward()
        p = scores.detach().softmax(0)
        return scores.grad, p * (values.detach() - p @ values.detach())

    def repaired() -> Answer:
        """Weigh the values by softmax while training; pick with argmax afterwards."""
        scores = torch.tensor([0.0, 1.0], requires_grad=True)
        values = torch.tensor([2.0, 6.0], requires_grad=True)
        (scores.softmax(0) @ values).backward()
        p = scores.detach().softmax(0)
        return scores.grad, p * (values.detach() - p @ values.detach())


@silent
class IntegerDivision:
    """// between counts gives 0, and a loss weighed by 0 has gradient 0."""

    def broken() -> object:
        """Weigh a loss by 1 // 4."""
        x = torch.tensor(2.0, requires_grad=True)
        weight = torch.tensor(1) // torch.tensor(4)
        (weight * x**2).backward()
        return x.grad, torch.tensor(1.0)

    def tempting() -> Answer:
        """Convert the result to float; it is 0 already."""
        x = torch.tensor(2.0, requires_grad=True)
        weight = (torch.tensor(1) // torch.tensor(4)).float()
        (weight * x**2).backward()
        return x.grad, torch.tensor(1.0)

    def repaired() -> Answer:
        """Divide with /."""
        x = torch.tensor(2.0, requires_grad=True)
        weight = torch.tensor(1) / torch.tensor(4)
        (weight * x**2).backward()
        return x.grad, torch.tensor(1.0)
