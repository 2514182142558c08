"""Sentences of a report that need no diagnosis."""

from __future__ import annotations

from autodiff_guide.gradcheck._localise import Evidence
from autodiff_guide.gradcheck._map import Map

NOTHING = "nothing was tested"
NOT_LINEAR = (
    "the backward is not linear in grad_output, as a vector-Jacobian product must be: "
    "is grad_output multiplied in? is it clipped?"
)
DETACHED = (
    "{} output elements move with the inputs but carry no gradient (.detach(), .data, "
    ".item(), no_grad); they were not checked"
)
NO_DEPENDENCE = (
    "no output changes with {}, and the gradient is zero: unused, or a flat region"
)
LOW = (
    "the function is noisy by {:.1e} of its value, far above {:.0e}: it computes in "
    "lower precision inside{}, or is very ill-conditioned"
)
COARSE = (
    "the function computes in lower precision inside ({}), in stairs too wide for any "
    "slope to be measured: check it with inputs of that precision"
)
STAIRCASE = (
    "the function is a staircase (quantised, or of low precision) at {} of the places "
    "measured: the slope of a tread is 0"
)
EDGE = "{} on the edge of the domain: only a one-sided slope exists, and yours is it"
MEAN_OF_SIDES = (
    "the point is on a kink: the slopes on both sides differ, and yours is their mean"
)


def allowed_kink(
    problem: Map,
    evidence: Evidence,
    names: tuple[str, ...],
    kinks: int,
    clearest: tuple[int, int, float, float],
) -> str:
    """Return the sentence on kinks where yours lies between the slopes."""
    column, output, left, right = clearest
    k, index = problem.locate(int(evidence.columns[column]))
    at = f"{names[k]}{list(index)}"
    sit = f"{kinks} elements sit on a kink, such as {at}"
    if kinks == 1:
        sit = f"{at} sits on a kink"
    return (
        f"{sit}: the slope is {left:.6g} on the left, {right:.6g} on the right, and "
        f"yours, {float(evidence.yours[column, output]):.6g}, is allowed"
    )
