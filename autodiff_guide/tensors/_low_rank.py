"""What a matrix of low rank keeps of a matrix, and what it saves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_tensor

MATRIX_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


@dataclass(frozen=True, eq=False)
class LowRank(Printed):
    """A matrix of low rank, kept as its factors.

    Attributes
    ----------
    U : Tensor of shape (m, rank)
        Left singular vectors, one per column.
    S : Tensor of shape (rank,)
        Singular values, the largest first.
    Vh : Tensor of shape (rank, n)
        Right singular vectors, one per row, conjugated.
    error : float
        Relative error in the Frobenius norm, measured on the approximation.
    bytes_saved : int
        Bytes of the matrix less bytes of the three factors; negative when the
        factors take more.
    """

    U: Tensor
    S: Tensor
    Vh: Tensor
    error: float
    bytes_saved: int

    @property
    def rank(self) -> int:
        """Number of singular values kept."""
        return self.S.numel()

    @property
    def approximation(self) -> Tensor:
        """The factors multiplied out, of shape (m, n)."""
        return self.U * self.S @ self.Vh

    def _table(self) -> Table:
        rows = (
            ("shape", str((self.U.shape[0], self.Vh.shape[1]))),
            ("rank", str(self.rank)),
            ("relative error", f"{self.error:.3g}"),
            ("bytes", str(sum(factor.nbytes for factor in (self.U, self.S, self.Vh)))),
            ("bytes saved", str(self.bytes_saved)),
        )
        return Table("low-rank approximation", rows)


def low_rank(matrix: Tensor, rank: int) -> LowRank:
    r"""Return the matrix of at most a given rank that is nearest to a matrix.

    .. math:: A_r = \sum_{i=1}^{r} \sigma_i\, u_i v_i^{*}, \qquad
        \frac{\lVert A - A_r \rVert_F}{\lVert A \rVert_F}
        = \sqrt{\frac{\sum_{i>r} \sigma_i^2}{\sum_i \sigma_i^2}}

    Parameters
    ----------
    matrix : Tensor of shape (m, n)
        float32, float64, complex64 or complex128. Its gradient is not followed.
    rank : int
        Singular values to keep, :math:`1 \le r \le \min(m, n)`.

    Returns
    -------
    LowRank
        The factors, the error, and the bytes saved.

    Raises
    ------
    TypeError
        If `matrix` is not a tensor of such a dtype.
    ValueError
        If `matrix` is not a dense matrix of finite entries, or `rank` is out of range.

    References
    ----------
    .. [1] C. Eckart, G. Young, "The approximation of one matrix by another of lower
       rank", Psychometrika 1, 1936, doi:10.1007/BF02288367.

    Examples
    --------
    >>> compressed = low_rank(torch.ones(30, 20), rank=1)
    >>> compressed.bytes_saved
    2196
    >>> compressed.approximation.shape
    torch.Size([30, 20])
    """
    A = _require_matrix(matrix).detach()
    if not isinstance(rank, int) or not 1 <= rank <= min(A.shape):
        raise ValueError(
            f"rank: expected an int from 1 to {min(A.shape)}, got {rank}; "
            f"a matrix of shape {tuple(A.shape)} has no other rank to keep"
        )
    U, S, Vh = torch.linalg.svd(A, full_matrices=False)
    # Clones, because a slice would keep the whole of its storage alive.
    U, S, Vh = U[:, :rank].clone(), S[:rank].clone(), Vh[:rank].clone()
    saved = A.nbytes - U.nbytes - S.nbytes - Vh.nbytes
    return LowRank(U, S, Vh, _relative_error(A, U * S @ Vh), saved)


def _require_matrix(matrix: object) -> Tensor:
    tensor = require_tensor("matrix", matrix)
    if tensor.dtype not in MATRIX_DTYPES:
        raise TypeError(
            "matrix: expected float32, float64, complex64 or complex128, got "
            f"{tensor.dtype}; convert it, for example matrix.float()"
        )
    dense = tensor.layout is torch.strided and not tensor.is_meta
    if not dense or tensor.ndim != 2 or not tensor.numel():
        raise ValueError(
            "matrix: expected a dense matrix (m, n) with data, without zeros in its "
            f"shape, got {tensor.layout} on {tensor.device} of shape "
            f"{tuple(tensor.shape)}; pass one matrix, for example image[:, :, 0]"
        )
    if not tensor.isfinite().all():
        raise ValueError(
            "matrix: expected finite entries, got NaN or Inf; "
            "replace them, for example matrix.nan_to_num()"
        )
    return tensor


def _relative_error(exact: Tensor, approximation: Tensor) -> float:
    """Return the relative Frobenius error, scaled so that no square overflows."""
    scale = exact.abs().max()
    if scale == 0:
        return 0.0
    rest = torch.linalg.vector_norm((exact - approximation) / scale)
    return float(rest / torch.linalg.vector_norm(exact / scale))
