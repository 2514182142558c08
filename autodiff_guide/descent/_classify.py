"""Where a descent ended: at a minimum, at a saddle, or on a slope still.

Change here what counts as a slope, and as a curvature.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide.descent._problem import Function, Problem
from autodiff_guide.descent._trajectory import Verdict

_NEAR = 1e-4  # to a point without slope


class Kind(Verdict):
    """What a point is, by its first and second derivatives."""

    MINIMUM = "no slope, and every direction curves up"
    SADDLE = "no slope, some directions curve up and others down"
    MAXIMUM = "no slope, and every direction curves down"
    FLAT = "no slope, and second derivatives do not decide"
    SLOPE = "the gradient is not zero here"
    UNDEFINED = "a derivative is not finite here"


@dataclass(frozen=True, eq=False)
class Classification(Printed):
    """What each point is, and the curvatures that say so.

    Parameters
    ----------
    points : Tensor
        Shape ``(*B, n)``.
    eigenvalues : Tensor
        Of the Hessian, ascending: ``(*B, n)``.
    gradient_norms : Tensor
        Shape ``(*B)``.
    codes : Tensor
        The value of each point's `Kind`, shape ``(*B)``.
    """

    points: Tensor
    eigenvalues: Tensor
    gradient_norms: Tensor
    codes: Tensor = field(repr=False)

    @property
    def kind(self) -> Kind | list[Kind]:
        """What the point is; a list with one entry for each of many points."""
        return Kind.of(self.codes)

    def is_a(self, kind: Kind) -> Tensor:
        """Return which points are of this kind: booleans, shape ``(*B)``."""
        return self.codes.eq(kind.value)

    def _table(self) -> Table:
        rows = Kind.rows(self.codes)
        if self.codes.dim():
            return Table("Kinds of point", rows)
        ((_, kind),) = rows
        low, high = self.eigenvalues[0], self.eigenvalues[-1]
        curvatures = ("curvatures", f"{low:.3g} to {high:.3g}")
        return Table(
            kind, [("gradient norm", f"{self.gradient_norms:.3g}"), curvatures]
        )


def classify(fn: Function, points: Tensor, *, batched: bool = False) -> Classification:
    r"""Say what `fn` has at each point: a minimum, a saddle, a maximum, or a slope.

    A point counts as having no slope if

    .. math::
       \lVert \nabla f(x) \rVert \le 10^{-4}
       \max_i \lvert \lambda_i \rvert \cdot (1 + \lVert x \rVert),

    where :math:`\lambda_i` are the eigenvalues of the Hessian. A curvature counts as
    zero if it is at most :math:`\max(10^{-8}, 8 \epsilon)` times the largest, with the
    rounding :math:`\epsilon` of the dtype: :math:`10^{-6}` in float32.

    Parameters
    ----------
    fn : callable
        Maps a point, shape ``(n,)``, to its value, shape ``()``. With `batched`, maps
        points ``(B, n)`` to values ``(B,)``, each from its own row alone.
    points : Tensor
        Floating-point, shape ``(n,)`` or ``(B, n)``.
    batched : bool
        `fn` takes all points as they are, as in `minimize`.

    Returns
    -------
    Classification
        It rests on the whole Hessian, which takes n passes and memory for n² numbers
        at each point. For a network, `landscape.hessian_directions` finds the
        extreme curvatures alone.

    Raises
    ------
    TypeError, ValueError
        As `minimize` does.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import classify
    >>> print(classify(lambda x: x[0] ** 2 - x[1] ** 2, torch.zeros(2)))
    saddle: no slope, some directions curve up and others down
    gradient norm  0
    curvatures     -2 to 2
    """
    with torch.inference_mode(False), torch.enable_grad():
        problem = Problem(fn, points, batched=batched)
        start, _, gradient = problem.start
        hessian = problem.hessian(start)
    eigenvalues = torch.linalg.eigvalsh(hessian.nan_to_num())
    norms = torch.linalg.vector_norm(gradient, dim=-1)
    lowest, highest = eigenvalues[..., 0], eigenvalues[..., -1]
    largest = torch.maximum(-lowest, highest)
    size = 1 + torch.linalg.vector_norm(start, dim=-1)
    small = max(_NEAR**2, torch.finfo(start.dtype).eps * 8) * largest
    codes = torch.full_like(largest, Kind.FLAT.value, dtype=torch.long)
    codes[lowest > small] = Kind.MINIMUM.value
    codes[highest < -small] = Kind.MAXIMUM.value
    codes[(lowest < -small) & (highest > small)] = Kind.SADDLE.value
    codes[norms > _NEAR * largest * size] = Kind.SLOPE.value
    defined = hessian.isfinite().all((-2, -1)) & gradient.isfinite().all(-1)
    codes[~defined] = Kind.UNDEFINED.value
    return Classification(start, eigenvalues, norms, codes)
