"""What is said about a tensor: its form, memory, place in the graph and values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_tensor

RANK_NAMES = ("scalar", "vector", "matrix")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Description(Printed):
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
        rows = [(fact, str(value)) for fact, value in vars(self).items()]
        return Table(f"{name} of shape {self.shape}", rows)


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
    stride         (1,)
    dtype          torch.float32
    device         cpu
    layout         torch.strided
    requires_grad  True
    is_leaf        False
    grad_fn        SelectBackward0
    view_of        (2, 2)
    bytes          8
    storage_bytes  16
    minimum        3.0
    maximum        4.0
    nan_count      0
    inf_count      0
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
    low, high = sizes.aminmax()
    if low.isfinite() and high.isfinite():
        return low.item(), high.item(), 0, 0
    nan_count = int(entries.isnan().sum()) * repeats
    inf_count = int(entries.isinf().sum()) * repeats
    finite = sizes[entries.isfinite()]
    if finite.numel() == 0:
        return None, None, nan_count, inf_count
    low, high = finite.aminmax()
    return low.item(), high.item(), nan_count, inf_count


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
