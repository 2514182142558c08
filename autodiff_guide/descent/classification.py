"""Where a descent ended: at a minimum, at a saddle, or on a slope still."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor

from autodiff_guide._printed import Table
from autodiff_guide.descent.problem import Function, Problem, require_start

_DENSE = 64  # components up to which the whole Hessian is formed
_KRYLOV = 64  # products with the Hessian beyond


class Kind(Enum):
    """What a point is, by its first and second derivatives."""

    MINIMUM = "minimum: no slope, and every direction curves up"
    SADDLE = "saddle: no slope, some directions curve up and others down"
    MAXIMUM = "maximum: no slope, and every direction curves down"
    FLAT = "flat: no slope, and second derivatives do not decide"
    SLOPE = "slope: the gradient is not zero here"
    UNDEFINED = "undefined: a derivative is not finite here"

    def __str__(self) -> str:
        return self.value


KINDS = tuple(Kind)


@dataclass(frozen=True, eq=False)
class Classification:
    """What each point is, and the curvatures that say so.

    Parameters
    ----------
    points : Tensor
        Shape ``(*B, n)``.
    eigenvalues : Tensor
        Of the Hessian, ascending: ``(*B, n)``; for n > 64, Lanczos' smallest and
        largest, ``(*B, 2)``.
    gradient_norms : Tensor
        Shape ``(*B)``.
    codes : Tensor
        Index of each point's `Kind`, shape ``(*B)``.
    """

    points: Tensor
    eigenvalues: Tensor
    gradient_norms: Tensor
    codes: Tensor = field(repr=False)

    @property
    def kind(self) -> Kind | list[Kind]:
        """What the point is; a list with one entry for each of many points."""
        if self.codes.dim() == 0:
            return KINDS[int(self.codes)]
        return [KINDS[code] for code in self.codes.tolist()]

    def is_a(self, kind: Kind) -> Tensor:
        """Return which points are of this kind: booleans, shape ``(*B)``."""
        return self.codes == KINDS.index(kind)

    def table(self) -> Table:
        """Return the table that is shown in the terminal and in notebooks."""
        if self.codes.dim() == 0:
            values = self.eigenvalues.tolist()
            return Table(
                str(self.kind),
                [
                    ("gradient norm", f"{self.gradient_norms:.3g}"),
                    ("curvatures", f"{values[0]:.3g} to {values[-1]:.3g}"),
                ],
            )
        counts = Counter(self.codes.tolist())
        rows = [
            (f"{count} of {len(self.codes)}", str(KINDS[code]))
            for code, count in counts.most_common()
        ]
        return Table("Kinds of point", rows)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def classify(
    fn: Function, points: Tensor, *, tolerance: float = 1e-4, batched: bool = False
) -> Classification:
    r"""Say what `fn` has at each point: a minimum, a saddle, a maximum, or a slope.

    A point counts as having no slope if

    .. math::
       \lVert \nabla f(x) \rVert \le \text{tolerance} \cdot
       \max_i \lvert \lambda_i \rvert \cdot (1 + \lVert x \rVert),

    where :math:`\lambda_i` are the eigenvalues of the Hessian. A curvature counts as
    zero if it is below `tolerance` squared times the largest.

    Parameters
    ----------
    fn : callable
        Maps a point, shape ``(n,)``, to its value, shape ``()``. With `batched`, maps
        points ``(B, n)`` to values ``(B,)``, each from its own row alone.
    points : Tensor
        Floating-point, shape ``(n,)`` or ``(B, n)``.
    tolerance : float
        How near to a point without slope is near enough.
    batched : bool
        `fn` takes all points as they are, as in `minimize`.

    Returns
    -------
    Classification
        Beyond 64 components it rests on the smallest and the largest curvature, which
        Lanczos' method finds from products with the Hessian.

    Raises
    ------
    TypeError, ValueError
        As `minimize` does.

    References
    ----------
    .. [1] C. Lanczos, "An iteration method for the solution of the eigenvalue problem
       of linear differential and integral operators", 1950, doi:10.6028/jres.045.026.

    Examples
    --------
    >>> import torch
    >>> from autodiff_guide.descent import classify
    >>> print(classify(lambda x: x[0] ** 2 - x[1] ** 2, torch.zeros(2)))
    saddle: no slope, some directions curve up and others down
    gradient norm  0
    curvatures     -2 to 2
    """
    start = require_start(points, batched=batched)
    with torch.inference_mode(False), torch.enable_grad():
        start = start.clone()
        problem = Problem(fn, start, batched=batched)
        gradient = problem.start.gradient
        if start.shape[-1] <= _DENSE:
            hessian = problem.hessian(start)
            defined = hessian.isfinite().all((-2, -1)) & gradient.isfinite().all(-1)
            eigenvalues = torch.linalg.eigvalsh(hessian.nan_to_num())
        else:
            eigenvalues = _extremes(problem, start)
            defined = eigenvalues.isfinite().all(-1) & gradient.isfinite().all(-1)
    norms = torch.linalg.vector_norm(gradient, dim=-1)
    largest = eigenvalues.abs().amax(-1)
    size = 1 + torch.linalg.vector_norm(start, dim=-1)
    small = max(tolerance**2, torch.finfo(start.dtype).eps * 8) * largest
    up, down = eigenvalues[..., -1] > small, eigenvalues[..., 0] < -small
    codes = torch.full_like(largest, KINDS.index(Kind.FLAT), dtype=torch.long)
    codes[eigenvalues[..., 0] > small] = KINDS.index(Kind.MINIMUM)
    codes[eigenvalues[..., -1] < -small] = KINDS.index(Kind.MAXIMUM)
    codes[up & down] = KINDS.index(Kind.SADDLE)
    codes[norms > tolerance * largest * size] = KINDS.index(Kind.SLOPE)
    codes[~defined] = KINDS.index(Kind.UNDEFINED)
    return Classification(start, eigenvalues, norms, codes)


def _extremes(problem: Problem, points: Tensor) -> Tensor:
    """Return the smallest and largest eigenvalue at each point, by Lanczos: (*B, 2).

    With few different eigenvalues the directions come to an end: what is left of the
    next is rounding. From there on the tridiagonal matrix repeats its first entry,
    which lies between the extremes.
    """
    n = points.shape[-1]
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    direction = direction.to(points)
    product = problem.hessian_product(points)
    basis: list[Tensor] = []
    diagonal: list[Tensor] = []
    beside = []
    rounding = torch.zeros_like(direction[..., 0])
    for _ in range(min(_KRYLOV, n)):
        length = torch.linalg.vector_norm(direction, dim=-1)
        ended = length <= rounding
        beside.append(length.masked_fill(ended, 0))
        direction = (direction / length[..., None]).masked_fill(ended[..., None], 0)
        image = product(direction)
        basis.append(direction)
        along = (direction * image).sum(-1)
        diagonal.append(torch.where(ended, diagonal[0], along) if diagonal else along)
        size = torch.linalg.vector_norm(image, dim=-1)
        rounding = torch.maximum(rounding, 100 * torch.finfo(points.dtype).eps * size)
        direction = image
        for _ in range(2):  # twice is enough to stay orthogonal
            for known in basis:
                direction = direction - (direction * known).sum(-1, True) * known
    off = torch.stack(beside[1:], -1)
    tridiagonal = torch.stack(diagonal, -1).diag_embed()
    tridiagonal = tridiagonal + off.diag_embed(1) + off.diag_embed(-1)
    defined = tridiagonal.isfinite().all(-1).all(-1, keepdim=True)
    values: Tensor = torch.linalg.eigvalsh(tridiagonal.nan_to_num())
    return torch.where(defined, values[..., [0, -1]], torch.nan)
