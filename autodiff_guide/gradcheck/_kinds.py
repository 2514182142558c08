"""What a check can find: to add a kind, give it a keyword and a definition here."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "agree": "Autograd and central differences agree within the error bars.",
    "sign": "The gradient is -1 times the numeric one (reversed deliberately?).",
    "factor": "The gradient is a constant times the numeric one, such as 2 or 1/2.",
    "reduction": "The constant is a size: a mean for a sum, or a sum for a mean.",
    "transposed": "The gradient is the transpose of the right one.",
    "shift": "The gradient belongs to another index, such as the neighbouring one.",
    "swapped": "The gradients of two inputs stand in each other's place.",
    "mask": "The gradient is zero just where it should not be: an inverted mask.",
    "zero": "The gradient is zero, the slope is not (.detach()? None returned?).",
    "detached": "The gradient misses a value cut off by .detach(), .data or .item().",
    "chain": "A factor or a term of the chain rule is missing, or is there twice.",
    "broadcast": "The sum over a broadcast dimension is missing.",
    "diagonal": "Only the diagonal is right: cross terms are missing (or it alone is).",
    "offset": "The gradient is off by one constant.",
    "conjugate": "The gradient is conjugate to the right one: use derivative.conj().",
    "localized": "The gradient is wrong at some elements only; they are named.",
    "mismatch": "The gradient is wrong, in no pattern that we know.",
    "nonfinite": "The gradient, or the function, is NaN or infinite.",
    "kink": "The slopes on the left and on the right differ at this point.",
    "nondeterministic": "Two evaluations at one point return two values.",
    "backward-nondeterministic": "Two backward passes return two gradients.",
    "low-precision": "Values or gradients are less precise than double.",
    "step": "The gradient is not zero where the function is flat.",
    "flip": "The gradient is reversed along a dimension.",
    "inplace": "The function or its backward overwrites what it still needs.",
    "not-linear": "The backward is not linear in the incoming gradient, or forgets it.",
    "no-dependence": "The output does not change with an input; its gradient is zero.",
    "vacuous": "Every derivative is zero, or there is none: nothing was tested.",
}
