"""What a slice says of a loss, how it is shown, and how a file keeps it."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autodiff_guide._printed import Printed, Table

_UNREADABLE = (ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False, repr=False)
class Landscape(Printed):
    """The loss on a line, or on a plane, through the parameters of a module.

    A row whose values are all NaN is missing: `slice_loss` computes it when it gets
    the landscape as `resume`.

    Attributes
    ----------
    values : Tensor
        Of shape ``(points,)`` or ``(points, points)``; entry ``(i, j)`` is the loss at
        ``axis[i]`` along the first direction and ``axis[j]`` along the second.
    axis : Tensor
        Of shape ``(points,)``: the steps along each direction.
    center : Tensor
        Of shape ``()``: the loss at the module's own parameters.
    directions : Tensor or None
        Of shape ``(1, P)`` or ``(2, P)``, as given to `slice_loss` or drawn by it.

    Raises
    ------
    ValueError
        If the values are not as many as the axis has steps.

    Examples
    --------
    >>> axis = torch.linspace(-1, 1, 5)
    >>> Landscape(axis**2, axis, torch.tensor(0.0))
    Landscape(5 points, losses from 0 to 1)
    """

    values: Tensor
    axis: Tensor
    center: Tensor
    directions: Tensor | None = None

    def __post_init__(self) -> None:
        points = self.axis.numel()
        if self.values.shape not in ((points,), (points, points)):
            raise ValueError(
                f"values: expected shape ({points},) or ({points}, {points}), as the "
                f"axis has {points} steps, got {tuple(self.values.shape)}"
            )

    @property
    def missing(self) -> Tensor:
        """Which rows are not computed yet: booleans of shape ``(points,)``."""
        return self.values.reshape(len(self.axis), -1).isnan().all(1)

    @property
    def minima(self) -> int:
        """How many points inside are lower than all their 2 or 8 neighbors."""
        around = _neighborhoods(self.values).flatten(self.values.dim())
        count = around.shape[-1]
        higher = around > around[..., count // 2, None]
        return int((higher.sum(-1) == count - 1).sum())

    @property
    def nonconvex(self) -> float:
        """At which share of the points inside the surface bends downwards somewhere.

        There, the smaller eigenvalue of the matrix of second differences is negative:
        by more than rounding, and by more than 0.1 % of the larger one. Points next to
        a missing or infinite loss are left out.
        """
        values = self.values.double()
        if values.dim() == 1:  # as a plane on which the second direction does nothing
            values = values[:, None].expand(-1, 3)
        at = _neighborhoods(values)
        xx = at[..., 2, 1] - 2 * at[..., 1, 1] + at[..., 0, 1]
        yy = at[..., 1, 2] - 2 * at[..., 1, 1] + at[..., 1, 0]
        xy = (at[..., 2, 2] - at[..., 2, 0] - at[..., 0, 2] + at[..., 0, 0]) / 4
        mean, half = (xx + yy) / 2, torch.hypot((xx - yy) / 2, xy)
        largest = at.abs().amax((-2, -1))
        rounding = 8 * torch.finfo(self.values.dtype).eps * largest
        bent = mean - half < -1e-3 * (mean + half).abs() - rounding
        return float(bent[largest.isfinite()].double().mean())

    def numpy(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Return what was measured as arrays, by name; half precision as float32."""
        parts = {name: part for name, part in vars(self).items() if part is not None}
        return {
            name: part.to(torch.promote_types(part.dtype, torch.float32)).cpu().numpy()
            for name, part in parts.items()
        }

    def to_pandas(self) -> Any:
        """Return the values as a ``pandas.DataFrame``, labeled by the steps.

        Rows are steps along the first direction, columns along the second.
        """
        pandas = import_module("pandas")
        axis, values = self.axis.tolist(), self.numpy()["values"]
        plane = values.ndim == 2
        return pandas.DataFrame(
            values if plane else values[:, None],
            index=pandas.Index(axis, name="direction 1"),
            columns=pandas.Index(axis, name="direction 2") if plane else ["loss"],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the landscape to an ``.npz`` file, which is complete at every moment.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> axis = torch.linspace(-1, 1, 5)
        >>> with TemporaryDirectory() as folder:
        ...     Landscape(axis**2, axis, torch.tensor(0.0)).save(f"{folder}/line.npz")
        ...     Landscape.load(f"{folder}/line.npz")
        Landscape(5 points, losses from 0 to 1)
        """
        path, arrays = Path(path), dict[str, Any](self.numpy())
        unfinished = path.with_name(f"{path.name}.part")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, **arrays)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Landscape:
        """Read what `save` wrote, onto the CPU; nothing in the file is executed.

        Raises
        ------
        ValueError
            If the file is damaged, or not one of a landscape.
        """
        try:
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return cls(**{name: torch.from_numpy(file[name]) for name in file})
        except _UNREADABLE as error:
            raise ValueError(
                f"path: expected a file written by Landscape.save, got a damaged or "
                f"foreign one, {path} ({error})"
            ) from error

    def __repr__(self) -> str:
        low, high = self._extremes()
        missing = int(self.missing.sum())
        note = f", {missing} rows missing" if missing else ""
        return f"Landscape({self._size()}, losses from {low:.4g} to {high:.4g}{note})"

    def _table(self) -> Table:
        low, high = self._extremes()
        rows = [
            ("at the center", f"{float(self.center):.6g}"),
            ("lowest", f"{low:.6g}"),
            ("highest", f"{high:.6g}"),
            ("minima inside", str(self.minima)),
            ("bends downwards at", f"{self.nonconvex:.1%} of the points inside"),
        ]
        if self.directions is not None:
            lengths = self.directions.norm(dim=1).tolist()
            text = ", ".join(f"{length:.4g}" for length in lengths)
            rows.append(("length of a step of 1", text))
        if missing := int(self.missing.sum()):
            rows.append(("rows missing", f"{missing} of {len(self.axis)}"))
        first, last = self.axis[[0, -1]].tolist()
        caption = f"Loss at {self._size()}, steps from {first:g} to {last:g}"
        return Table(caption, rows)

    def _size(self) -> str:
        return f"{' × '.join(map(str, self.values.shape))} points"

    def _extremes(self) -> tuple[float, float]:
        known = self.values[~self.values.isnan()]
        if not len(known):
            return math.nan, math.nan
        return float(known.min()), float(known.max())


def _neighborhoods(values: Tensor) -> Tensor:
    """Return each inner point among its neighbors: ``(…, 3)`` or ``(…, 3, 3)``."""
    for dimension in range(values.dim()):
        values = values.unfold(dimension, 3, 1)
    return values
