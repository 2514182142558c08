"""The log of a running descent: what is kept of it, and who has stopped when.

Change here when a start stops.
"""

from __future__ import annotations

from math import prod
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from autodiff_guide._validate import require_number
from autodiff_guide.descent._problem import At, Layout, stacked
from autodiff_guide.descent._trajectory import Status, Trajectory

Limits: TypeAlias = dict[Status, float | Literal["auto"] | None]

_RUNNING = Status.LIMIT.value  # nothing has stopped it yet


class Log:
    """Keeps rows of points, values and gradient norms, and finds where each start ends.

    Inside, one start is a batch of one: rows are ``(k, B, n)`` and ``(k, B)``.

    Parameters
    ----------
    start : At
        The first row, which decides shapes, dtypes and device.
    steps : int
        Largest number of steps.
    limits : dict
        Below what a `Status` stops a start, "auto", or None for never; of two that do
        in one row the later counts.
    """

    def __init__(self, start: At, steps: int, limits: Limits) -> None:
        self.done = False
        self._shape = start.value.shape
        self._limits: dict[Status, float | Tensor] = {}
        for status, limit in limits.items():
            if limit == "auto":
                first = torch.linalg.vector_norm(start.gradient, dim=-1).view(-1)
                kind = torch.finfo(first.dtype)
                self._limits[status] = kind.eps**0.75 * first.clamp(kind.tiny, 1)
            elif limit is not None:
                require_number(status.name.lower(), limit)
                self._limits[status] = float(limit)
        size, n = start.value.numel(), start.point.shape[-1]
        self._kept = (
            _room(start.point, steps + 1, n, size).mT,
            _room(start.value, steps + 1, size),
            _room(start.value, steps + 1, size),
        )
        self._rows = 0
        self._last = torch.full_like(self._kept[0][0], torch.inf)
        self._end = torch.zeros(size, dtype=torch.long, device=start.value.device)
        self._codes = torch.full_like(self._end, _RUNNING)
        self.add([start])

    @property
    def running(self) -> Tensor:
        """Which starts have not stopped, shape ``(*B)``."""
        return self._codes.eq(_RUNNING).view(self._shape)

    def add(self, rows: list[At]) -> None:
        """Take rows, or blocks of rows, off the list, and find who stops in them."""
        if not rows:
            return
        points, values, gradients = stacked(rows)
        rows.clear()
        norms = gradients.mul_(gradients).sum(-1).sqrt_()
        room, size, n = self._kept[0].shape
        left = room - self._rows
        points = points.reshape(-1, size, n)[:left]
        values = values.reshape(-1, size)[:left]
        norms = norms.reshape(-1, size)[:left]
        kinds, running = self._kinds(points, values, norms), self._codes == _RUNNING
        if kinds is not None:
            hit = kinds != _RUNNING
            first = hit.to(torch.uint8).argmax(0)
            new = hit.any(0) & running
            found = kinds.gather(0, first[None])[0]
            self._codes = torch.where(new, found, self._codes)
            # The search that found nothing was no step.
            steps = self._rows + first - (found == Status.STALLED.value).long()
            self._end = torch.where(new, steps, self._end)
            self.done = bool((self._codes != _RUNNING).all())
        end = self._rows + len(points)
        for kept, part in zip(self._kept, (points, values, norms), strict=True):
            kept[self._rows : end] = part
        self._last, self._rows = points[-1], end

    def _kinds(self, points: Tensor, values: Tensor, norms: Tensor) -> Tensor | None:
        """Return the code of what stops each start at each row, ``(k, B)``.

        None is returned if nothing does: that is found cheaply, and waits for the
        device once in k steps.
        """
        watched = {Status.GRADIENT_BELOW: norms, Status.VALUE_BELOW: values}
        if self._limits.keys() & {Status.STEP_BELOW, Status.STALLED}:
            before = torch.cat([self._last[None], points[:-1]])
            moves = (points - before).abs_().amax(-1)
            watched |= {Status.STEP_BELOW: moves, Status.STALLED: moves}
        alarm = ~(values.sum(0) + norms.sum(0) + points.sum((0, 2))).isfinite()
        for kind, limit in self._limits.items():
            alarm |= watched[kind].amin(0) < limit
        if not bool((alarm & (self._codes == _RUNNING)).any()):
            return None
        kinds = torch.full_like(values, _RUNNING, dtype=torch.long)
        for kind, limit in self._limits.items():
            kinds[watched[kind] < limit] = kind.value
        inside = points.isfinite().all(-1)
        finite = inside & values.isfinite() & norms.isfinite()
        kinds[~finite] = Status.DIVERGED.value
        kinds[inside & (values.isnan() | norms.isnan())] = Status.NAN.value
        return kinds

    def finish(
        self, rule: str, layout: Layout | None, *, interrupted: bool
    ) -> Trajectory:
        """Return the trajectory; starts that still run stop at the last row."""
        running = self._codes == _RUNNING
        self._end = torch.where(running, self._rows - 1, self._end)
        if interrupted:
            self._codes[running] = Status.INTERRUPTED.value
        last = int(self._end.max())
        points, values, norms = (kept[: last + 1] for kept in self._kept)
        if bool((self._end < last).any()):  # repeat each start's last row after it
            every = torch.arange(len(self._end), device=self._end.device)
            after = torch.arange(last + 1, device=self._end.device)[:, None] > self._end
            for kept in (points, values, norms):
                mask = after if kept.dim() == 2 else after[..., None]
                torch.where(mask, kept[self._end, every], kept, out=kept)
        return Trajectory(
            points=points.reshape(-1, *self._shape, points.shape[-1]),
            values=values.view(-1, *self._shape),
            gradient_norms=norms.view(-1, *self._shape),
            steps=self._end.view(self._shape),
            rule=rule,
            codes=self._codes.view(self._shape),
            layout=layout,
        )


def _room(like: Tensor, *shape: int) -> Tensor:
    """Return memory for rows, uninitialised.

    On a CPU it comes from NumPy, which asks for large pages where torch does not:
    writing to new memory in pages of 4 KiB took a third of the time of large batches.
    """
    if like.device.type != "cpu":
        return like.new_empty(shape)
    memory = np.empty(prod(shape) * like.element_size(), np.uint8)
    return torch.from_numpy(memory).view(like.dtype).view(shape)
