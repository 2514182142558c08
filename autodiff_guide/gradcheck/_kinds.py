"""What a check can find: a keyword and a definition each, and the fixed sentences."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "agree": "Autograd and central differences agree within the error bars.",
    "sign": "The gradient is -1 times the numeric one.",
    "factor": "The gradient is a constant times the numeric one, such as 2 or 1/2.",
    "reduction": "The constant is a size: a mean was taken for a sum, or a sum for a "
    "mean.",
    "transposed": "The gradient is the transpose of the right one.",
    "shift": "The gradient belongs to another index, such as the neighbouring one.",
    "swapped": "The gradients of two inputs stand in each other's place.",
    "mask": "The gradient is zero exactly where it should not be: an inverted mask.",
    "zero": "The gradient is zero, the slope is not.",
    "detached": "A value that depends on the input was cut off from the graph.",
    "chain": "A factor or a term of the chain rule is missing, or is there twice.",
    "broadcast": "The sum over a broadcast dimension is missing.",
    "diagonal": "Only the diagonal is right: cross terms are missing (or it alone is).",
    "offset": "The gradient is off by one constant.",
    "conjugate": "A complex gradient is the conjugate of the right one.",
    "localized": "The gradient is wrong at some elements only; they are named.",
    "mismatch": "The gradient is wrong, in no pattern that we know.",
    "nonfinite": "The gradient, or the function, is NaN or infinite.",
    "kink": "The slopes on the left and on the right differ at this point.",
    "staircase": "The function is flat between jumps: its slope is 0 or that of the "
    "stairs.",
    "nondeterministic": "Two evaluations at one point return two values.",
    "backward-nondeterministic": "Two backward passes return two gradients.",
    "low-precision": "Values or gradients are less precise than double.",
    "step": "The function is flat here, the gradient is not: a straight-through "
    "gradient.",
    "flip": "The gradient is reversed along a dimension.",
    "inplace": "The function or its backward overwrites what it still needs.",
    "not-linear": "The backward is not linear in the incoming gradient, or forgets it.",
    "no-dependence": "The output does not change with an input, and its gradient is "
    "zero.",
    "vacuous": "Every derivative is zero, or there is none: nothing was tested.",
}

NOTHING = "nothing was tested"
DETACHED = (
    "{} output elements move with the inputs but carry no gradient (.detach(), .data, "
    ".item(), no_grad); they were not checked"
)
NO_DEPENDENCE = (
    "no output changes with {}, and the gradient is zero: unused, or a flat region"
)
MEAN_OF_SIDES = (
    "the point is on a kink: the slopes on both sides differ, and yours is their mean"
)
WIDENED = "parts in {} were computed in double"
OWN_PRECISION = (
    "the function cannot be computed in double and was checked in its own precision, "
    "of {:.1e}"
)
ACCEPTED = "accepted: differences up to {:.2g} of the slope (rtol={:g}, atol={:g})"
