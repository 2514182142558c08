"""What a tensor is, how shapes broadcast, what a low rank keeps, where to compute."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide._broadcasting import Broadcast, Shape, explain_broadcast
from autodiff_guide._devices import preferred_device
from autodiff_guide._tables import Table
from autodiff_guide._validate import require_tensor

__all__ = [
    "Broadcast",
    "Description",
    "LowRank",
    "describe",
    "explain_broadcast",
    "low_rank",
    "preferred_device",
]

RANK_NAMES = ("scalar", "vector", "matrix")
MATRIX_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


@dataclass(frozen=True)
class Description:
    """The facts about one tensor, as :func:`autodiff_guide.describe` found them.

    Attributes
    ----------
    rank : int
        Number of axes.
    shape : tuple of int
        Size of each axis.
    stride : tuple of int or None
        Steps in storage from one entry to the next along each axis; None for a
        sparse layout, which has none.
    dtype, device, layout, requires_grad, is_leaf
        As the tensor itself says.
    grad_fn : str or None
        Name of the operation that autograd recorded for it.
    view_of : tuple of int or None
        Shape of the tensor that autograd knows this one to be a view of. A detached
        tensor shares memory without being known as a view.
    bytes : int
        Size of its entries (of indices and values, for a sparse layout).
    storage_bytes : int or None
        Size of the memory it looks into: more than `bytes` for a slice, less for an
        expanded tensor; None for a sparse layout.
    minimum, maximum : int or float or bool or None
        Range of the finite values, of the moduli if they are complex, of the stored
        values if the layout is sparse. None where there is no finite value.
    nan_count, inf_count : int or None
        Entries that are NaN and infinite; None on the meta device, which has no data.
    """

    rank: int
    shape: Shape
    stride: Shape | None
    dtype: torch.dtype
    device: torch.device
    layout: torch.layout
    requires_grad: bool
    is_leaf: bool
    grad_fn: str | None
    view_of: Shape | None
    bytes: int
    storage_bytes: int | None
    minimum: float | None
    maximum: float | None
    nan_count: int | None
    inf_count: int | None

    def _table(self) -> Table:
        name = RANK_NAMES[self.rank] if self.rank < len(RANK_NAMES) else "tensor"
        shared = self.storage_bytes not in (None, self.bytes)
        where = f", in a storage of {self.storage_bytes}" if shared else ""
        values = "moduli" if self.dtype.is_complex else "values"
        if self.layout is not torch.strided:
            values = f"stored {values}"
        rows = {
            "rank": str(self.rank),
            "shape": str(self.shape),
            "strides": "none" if self.stride is None else str(self.stride),
            "dtype": str(self.dtype),
            "device": str(self.device),
            "requires_grad": str(self.requires_grad),
            "is_leaf": str(self.is_leaf),
            "grad_fn": str(self.grad_fn),
            "view of": "none" if self.view_of is None else str(self.view_of),
            "bytes": f"{self.bytes}{where}",
            values: "unknown, no data" if self.nan_count is None else self._range(),
            "NaN": "unknown" if self.nan_count is None else str(self.nan_count),
            "Inf": "unknown" if self.inf_count is None else str(self.inf_count),
        }
        return Table(f"{name} of shape {self.shape}", tuple(rows.items()))

    def _range(self) -> str:
        if self.minimum is None or self.maximum is None:
            return "none finite" if self.nan_count or self.inf_count else "none"
        low, high = (
            f"{bound:.6g}" if isinstance(bound, float) else str(bound)
            for bound in (self.minimum, self.maximum)
        )
        return f"{low} to {high}"

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


def describe(t: Tensor) -> Description:
    """Say what a tensor is: its form, its memory, its place in the graph, its values.

    Nothing is changed and nothing is recorded. Entries that an expanded tensor
    repeats are read once.

    Parameters
    ----------
    t : Tensor of shape (*)
        Any dtype and device; dense or sparse. On the meta device the values stay
        unknown.

    Returns
    -------
    Description
        Prints as a table, in a terminal and in a notebook.

    Raises
    ------
    TypeError
        If `t` is not a tensor, or neither dense nor sparse.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> print(describe(x[1]))
    vector of shape (2,)
    rank           1
    shape          (2,)
    strides        (1,)
    dtype          torch.float32
    device         cpu
    requires_grad  True
    is_leaf        False
    grad_fn        SelectBackward0
    view of        (2, 2)
    bytes          8, in a storage of 16
    values         3 to 4
    NaN            0
    Inf            0
    """
    require_tensor("t", t)
    parts = _stored_parts(t.detach())
    dense = t.layout is torch.strided
    minimum, maximum, nan_count, inf_count = _value_facts(parts[-1])
    return Description(
        rank=t.ndim,
        shape=tuple(t.shape),
        stride=t.stride() if dense else None,
        dtype=t.dtype,
        device=t.device,
        layout=t.layout,
        requires_grad=t.requires_grad,
        is_leaf=t.is_leaf,
        grad_fn=None if t.grad_fn is None else t.grad_fn.name(),
        view_of=None if t._base is None else tuple(t._base.shape),
        bytes=sum(part.numel() * part.element_size() for part in parts),
        storage_bytes=t.untyped_storage().nbytes() if dense else None,
        minimum=minimum,
        maximum=maximum,
        nan_count=nan_count,
        inf_count=inf_count,
    )


def _stored_parts(t: Tensor) -> tuple[Tensor, ...]:
    """Return the dense tensors that hold `t`, the values last."""
    if t.layout is torch.strided and not t.is_nested:
        return (t,)
    if t.layout is torch.sparse_coo:
        t = t.coalesce()
        return t.indices(), t.values()
    if t.layout in (torch.sparse_csr, torch.sparse_bsr):
        return t.crow_indices(), t.col_indices(), t.values()
    if t.layout in (torch.sparse_csc, torch.sparse_bsc):
        return t.ccol_indices(), t.row_indices(), t.values()
    raise TypeError(
        "t: expected a dense or sparse tensor, got "
        f"{'a nested one' if t.is_nested else t.layout}; describe its dense parts, "
        f"for example {'t.unbind()[0]' if t.is_nested else 't.to_dense()'}"
    )


def _value_facts(
    values: Tensor,
) -> tuple[float | None, float | None, int | None, int | None]:
    """Return minimum and maximum of the finite values, and count NaN and Inf."""
    if values.is_meta:
        return None, None, None, None
    if values.numel() == 0:
        return None, None, 0, 0
    once = values[tuple(slice(1 if step == 0 else None) for step in values.stride())]
    repeats = values.numel() // once.numel()
    entries = _widened(once)
    sizes = entries.abs() if entries.is_complex() else entries
    low, high = (bound.item() for bound in sizes.aminmax())
    if abs(low) < torch.inf and abs(high) < torch.inf:
        return low, high, 0, 0
    nan_count = int(entries.isnan().sum()) * repeats
    inf_count = int(entries.isinf().sum()) * repeats
    finite = sizes[entries.isfinite()]
    if finite.numel() == 0:
        return None, None, nan_count, inf_count
    low, high = (bound.item() for bound in finite.aminmax())
    return low, high, nan_count, inf_count


def _widened(values: Tensor) -> Tensor:
    """Return `values` in a dtype that torch can order, or take the modulus of."""
    if values.is_quantized:
        return values.dequantize()
    if values.is_complex():
        return values.to(torch.promote_types(values.dtype, torch.complex64))
    narrow_floats = values.is_floating_point() and values.element_size() == 1
    if narrow_floats or values.dtype in (torch.uint16, torch.uint32, torch.uint64):
        return values.double()
    return values


@dataclass(frozen=True, eq=False)
class LowRank:
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

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


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
        If `matrix` is not a tensor of such a dtype, or `rank` is not an integer.
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
    if not isinstance(rank, int):
        raise TypeError(
            f"rank: expected an int, got {type(rank).__name__}; "
            "say how many singular values to keep, for example 10"
        )
    if not 1 <= rank <= min(A.shape):
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
    if tensor.layout is not torch.strided or tensor.is_meta:
        raise ValueError(
            f"matrix: expected a dense matrix with data, got {tensor.layout} on "
            f"{tensor.device}; try matrix.to_dense(), on a device that holds data"
        )
    if tensor.ndim != 2 or tensor.numel() == 0:
        raise ValueError(
            "matrix: expected a shape (m, n) without zeros, got "
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
