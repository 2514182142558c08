"""Derivatives: exact ones by torch, and numeric ones that carry their own error bar.

Functions in, functions out: ``grad(fn)`` is the function whose value is the gradient of
`fn`. The results may be differentiated again, or vectorised with `torch.vmap`.
"""

from autodiff_guide.derivatives._exact import (
    grad,
    hessian,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from autodiff_guide.derivatives._numeric import (
    NumericDerivative,
    OneSided,
    numeric_derivative,
    one_sided_derivatives,
)

__all__ = [
    "NumericDerivative",
    "OneSided",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "numeric_derivative",
    "one_sided_derivatives",
    "value_and_grad",
    "vjp",
]
