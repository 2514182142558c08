"""What autograd refuses, and what it silently gets wrong: each with code that runs."""

from autodiff_guide.pitfalls.catalogue import CATALOGUE
from autodiff_guide.pitfalls.diagnosis import Diagnosis, Finding, Symptom, diagnose
from autodiff_guide.pitfalls.entry import DidNotRunError, Pitfall
from autodiff_guide.pitfalls.explanation import Explanation, explain

__all__ = [
    "CATALOGUE",
    "Diagnosis",
    "DidNotRunError",
    "Explanation",
    "Finding",
    "Pitfall",
    "Symptom",
    "diagnose",
    "explain",
]
