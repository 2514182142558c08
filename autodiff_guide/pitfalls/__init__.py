"""What autograd refuses, and what it silently gets wrong: explained, and found."""

from autodiff_guide.pitfalls._catalogue import CATALOGUE, Cause, Pitfall
from autodiff_guide.pitfalls._diagnose import Diagnosis, Finding, diagnose
from autodiff_guide.pitfalls._explain import Explanation, explain

__all__ = [
    "CATALOGUE",
    "Cause",
    "Diagnosis",
    "Explanation",
    "Finding",
    "Pitfall",
    "diagnose",
    "explain",
]
