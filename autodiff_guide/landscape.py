"""Slices through the loss of a network, seen as a function of all its parameters."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from autodiff_guide._checkpoint import Checkpoint
from autodiff_guide._curvature import hessian_directions
from autodiff_guide._directions import (
    direction_to,
    pca_directions,
    project,
    random_directions,
)
from autodiff_guide._printed import Printed, Table
from autodiff_guide._slices import (
    CENTRE,
    Job,
    LossFunction,
    Row,
    as_batches,
    random_state,
    require_mode,
    require_module,
)
from autodiff_guide._validate import require_floating

__all__ = [
    "Landscape",
    "direction_to",
    "hessian_directions",
    "pca_directions",
    "project",
    "random_directions",
    "slice_loss",
]


@dataclass(frozen=True, eq=False)
class Landscape(Printed):
    """The loss on a line, or on a plane, through the parameters of a module.

    Attributes
    ----------
    values : Tensor
        Of shape ``(points,)`` or ``(points, points)``; entry ``(i, j)`` is the loss at
        ``axis[i]`` along the first direction and ``axis[j]`` along the second.
    axis : Tensor
        Of shape ``(points,)``: the steps along each direction.
    centre : Tensor
        Of shape ``()``: the loss at the module's own parameters.
    norms : Tensor
        Of shape ``(1,)`` or ``(2,)``: the length of each direction.
    """

    values: Tensor
    axis: Tensor
    centre: Tensor
    norms: Tensor

    @property
    def minima(self) -> int:
        """How many points inside are lower than all their 2 or 8 neighbours."""
        inner, *others = _stencil(self.values).values()
        return int((inner < torch.stack(others)).all(0).sum())

    @property
    def nonconvex(self) -> float:
        """At which share of the points inside the surface bends downwards somewhere.

        There, the smaller eigenvalue of the matrix of second differences is negative:
        by more than rounding, and by more than 0.1 % of the larger one.
        """
        at = _stencil(self.values.double())
        if self.values.dim() == 1:
            lower, upper = at[-1] - 2 * at[0] + at[1], torch.zeros_like(at[0])
        else:
            xx = at[-1, 0] - 2 * at[0, 0] + at[1, 0]
            yy = at[0, -1] - 2 * at[0, 0] + at[0, 1]
            xy = (at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / 4
            mean, half = (xx + yy) / 2, torch.hypot((xx - yy) / 2, xy)
            lower, upper = mean - half, mean + half
        largest = torch.stack([*at.values()]).abs().amax(0)
        rounding = 8 * torch.finfo(self.values.dtype).eps * largest
        return float((lower < -1e-3 * upper.abs() - rounding).double().mean())

    def _table(self) -> Table:
        low, high = self.values.aminmax()
        norms = ", ".join(f"{norm:.4g}" for norm in self.norms.tolist())
        return Table(
            f"Loss at {' × '.join(map(str, self.values.shape))} points, steps from "
            f"{float(self.axis[0]):g} to {float(self.axis[-1]):g}",
            [
                ("at the centre", f"{float(self.centre):.6g}"),
                ("lowest", f"{float(low):.6g}"),
                ("highest", f"{float(high):.6g}"),
                ("minima inside", str(self.minima)),
                ("bends downwards at", f"{self.nonconvex:.1%} of the points inside"),
                ("length of a step of 1", norms),
            ],
        )


def slice_loss(
    module: nn.Module,
    loss: LossFunction,
    data: object,
    directions: Tensor,
    *,
    span: float | tuple[float, float] = 1.0,
    points: int = 51,
    mode: str = "eval",
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Landscape:
    r"""Evaluate the loss on a line or a plane through the module's parameters.

    .. math:: L(a, b) = \frac{1}{N} \sum_n
              \ell\big(f(x_n;\ \theta + a\, d_1 + b\, d_2),\ y_n\big)

    The module is left as it was, bit for bit, even if the run is interrupted:
    parameters, buffers, modes, and the random state. Each point sees the same buffers
    and the same random state.

    Parameters
    ----------
    module : Module
        With P parameters :math:`\theta`, of one dtype on one device. It runs in
        ``torch.inference_mode``, or in ``torch.no_grad`` where that gives another
        value: a module or a loss may take derivatives, by ``torch.func`` or under
        ``torch.enable_grad()``.
    loss : callable
        ``loss(output, targets)`` is a tensor of shape ``()``, the mean over a batch.
    data : tuple or iterable of tuple
        One batch ``(inputs, targets)``, or batches; these are read once, and kept.
    directions : Tensor
        Of shape ``(1, P)`` for a line or ``(2, P)`` for a plane, in the order of
        ``module.parameters()``.
    span : float or tuple of float
        The largest step to both sides, or the lowest and the highest step.
    points : int
        How many steps along each direction; an odd number includes the centre of a
        symmetric span.
    mode : {"eval", "train"}
        The module's mode meanwhile. In "train", BatchNorm takes its statistics from
        each batch.
    executor : Executor, optional
        What computes the rows: any with the protocol of `concurrent.futures`, such as
        ``ProcessPoolExecutor`` or Dask's ``Client.get_executor()``. None is this
        process. On the same kind of processor and with as many threads, the values
        are the same. Start processes by "spawn": a copy made by "fork" can hang in
        torch's threads. Threads share one random state: for a module that draws
        numbers, use processes.
    checkpoint : str or path, optional
        An ``.npz`` file that holds the rows done. If it is there, the run resumes.

    Returns
    -------
    Landscape
        Values on the module's device, with what they say about roughness.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the checkpoint is damaged or of another
        slice.

    References
    ----------
    .. [1] H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the loss
       landscape of neural nets", NeurIPS 2018, arXiv:1712.09913.

    Examples
    --------
    >>> import torch
    >>> line = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.ones_(line.weight)
    >>> data = torch.ones(1, 1), torch.zeros(1, 1)
    >>> slice_loss(line, torch.nn.MSELoss(), data, torch.ones(1, 1), points=5).values
    tensor([0.0000, 0.2500, 1.0000, 2.2500, 4.0000])
    """
    require_module("module", module)
    require_mode(mode)
    first = next(module.parameters())
    size = sum(part.numel() for part in module.parameters())
    _require_directions(directions, first, size)
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(
            f"executor: expected a concurrent.futures.Executor, got "
            f"{type(executor).__name__}; it must have the method submit"
        )
    batches = as_batches(data)
    job = Job(
        module,
        loss,
        batches,
        directions.detach(),
        _coordinates(span, points),
        mode,
        random_state(first.device),
    )

    def run(places: list[int], keep: Callable[[int, Row], None]) -> None:
        if executor is None:
            job.run(places, keep)
        else:
            job.run_by(executor, places, keep)

    rows: dict[int, Row] = {}
    places = list(range(points))
    if checkpoint is None:
        run([CENTRE, *places], rows.__setitem__)
    else:
        run([CENTRE], rows.__setitem__)
        file = Checkpoint(checkpoint, job, float(rows[CENTRE][0]))
        if missing := [place for place in places if place not in file.rows]:
            run(missing, file.save)
        rows |= file.rows
    values = np.stack([rows[place] for place in places])
    if len(directions) == 1:
        values = values[:, 0]

    def tensor(numbers: Row | list[float]) -> Tensor:
        dtype = torch.promote_types(first.dtype, torch.float32)
        return torch.as_tensor(numbers, dtype=dtype, device=first.device)

    return Landscape(
        tensor(values),
        tensor(job.coordinates),
        tensor(rows[CENTRE])[0],
        directions.detach().norm(dim=1),
    )


def _stencil(values: Tensor) -> dict[object, Tensor]:
    """Return each inner point and its neighbours, by their offset; itself first."""
    length = len(values) - 2

    def shifted(offset: int) -> slice:
        return slice(1 + offset, 1 + offset + length)

    if values.dim() == 1:
        return {offset: values[shifted(offset)] for offset in (0, -1, 1)}
    return {
        (down, right): values[shifted(down), shifted(right)]
        for down in (0, -1, 1)
        for right in (0, -1, 1)
    }


def _coordinates(span: float | tuple[float, float], points: int) -> list[float]:
    low, high = span if isinstance(span, tuple) else (-span, span)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"span: expected a positive number, or a lower and a higher one, got {span}"
        )
    if points < 3:
        raise ValueError(f"points: expected at least 3, got {points}")
    # Weighted so that the middle of a symmetric span is zero and not almost zero.
    last = points - 1
    return [(low * (last - i) + high * i) / last for i in range(points)]


def _require_directions(directions: Tensor, first: Tensor, size: int) -> None:
    require_floating("directions", directions)
    if directions.dim() != 2 or directions.shape not in ((1, size), (2, size)):
        raise ValueError(
            f"directions: expected shape (1, {size}) or (2, {size}), as the module has "
            f"{size} parameters, got {tuple(directions.shape)}"
        )
    kind, wanted = (directions.dtype, directions.device), (first.dtype, first.device)
    if kind != wanted:
        raise ValueError(
            f"directions: expected {wanted[0]} on {wanted[1]}, as the module, got "
            f"{kind[0]} on {kind[1]}; convert them, directions.to(parameter)"
        )
