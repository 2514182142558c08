"""Sentences of a report that need no diagnosis."""

from __future__ import annotations

from autodiff_guide.gradcheck._columns import Evidence
from autodiff_guide.gradcheck._map import Map

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
WIDENED = "parts in lower precision were computed in double"
OWN_PRECISION = (
    "the function cannot be computed in double and was checked in its own precision, "
    "of {:.1e}"
)


def allowed_kink(problem: Map, evidence: Evidence, names: tuple[str, ...]) -> str:
    """Return the sentence on kinks where yours lies between the slopes."""
    kinks = int((evidence.status == 1).sum())
    if evidence.kink is None:
        return f"{kinks} elements have one slope only, on the edge of the domain"
    column, output, left, right = evidence.kink
    k, index = problem.locate(int(evidence.columns[column]))
    at = f"{names[k]}{list(index)}"
    sit = f"{kinks} elements sit on a kink, such as {at}"
    if kinks == 1:
        sit = f"{at} sits on a kink"
    return (
        f"{sit}: the slope is {left:.6g} on the left, {right:.6g} on the right, and "
        f"yours, {float(evidence.yours[column, output]):.6g}, is allowed"
    )
