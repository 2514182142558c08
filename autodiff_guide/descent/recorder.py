"""The log of a running descent: what to keep, and who has stopped when."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, prod

import numpy as np
import torch
from torch import Tensor

from autodiff_guide.descent.problem import At
from autodiff_guide.descent.trajectory import STATUSES, Status, Trajectory

_CODE = {status: code for code, status in enumerate(STATUSES)}
_RUNNING = _CODE[Status.LIMIT]


@dataclass(frozen=True)
class Stops:
    """The user's stopping rules; None is off."""

    value_below: float | None = None
    step_below: float | None = None
    gradient_below: float | None = None

    def __post_init__(self) -> None:
        for name, threshold in vars(self).items():
            if threshold is None:
                continue
            if isinstance(threshold, bool) or not isinstance(threshold, int | float):
                raise TypeError(
                    f"{name}: expected a number or None, got "
                    f"{type(threshold).__name__}; try {name}=1e-6"
                )
            if isnan(threshold) or (name != "value_below" and threshold <= 0):
                raise ValueError(
                    f"{name}: expected a number > 0, got {threshold}; "
                    f"try {name}=1e-6, or None to switch it off"
                )


class Recorder:
    """Keeps rows of points, values and gradient norms, and finds where each start ends.

    Inside, one start is a batch of one: rows are ``(k, B, n)`` and ``(k, B)``.

    Parameters
    ----------
    start : At
        The first row, which decides shapes, dtypes and device.
    stops : Stops
        When to stop.
    steps : int
        Largest number of steps.
    record : bool
        Keep every row, or the last one of each start.
    """

    def __init__(self, start: At, stops: Stops, steps: int, *, record: bool) -> None:
        point = start.point
        self._shape = point.shape[:-1]
        self._stops = stops
        self._rows = 0
        size, n = start.value.numel(), point.shape[-1]
        kept = steps + 1 if record else 1
        self._record = record
        self._points = _room(point, kept, n, size).mT
        self._values = _room(start.value, kept, size)
        self._norms = _room(start.gradient, kept, size)
        self._last = torch.full_like(self._points[0], torch.inf)
        self._end = torch.zeros(size, dtype=torch.long, device=point.device)
        self._codes = torch.full_like(self._end, _RUNNING)
        self._stalled = False

    @property
    def running(self) -> Tensor:
        """Which starts have not stopped, shape ``(*B)``."""
        return (self._codes == _RUNNING).view(self._shape)

    def stall(self, stalled: Tensor) -> None:
        """Stop these running starts at the last row."""
        stalled = stalled.view(-1)
        if not bool(stalled.any()):
            return
        self._stalled = True
        self._end[stalled] = self._rows - 1
        self._codes[stalled] = _CODE[Status.STALLED]

    def add(self, points: Tensor, values: Tensor, gradients: Tensor) -> bool:
        """Append k rows, using them up; return whether every start has stopped."""
        k = len(points)
        size, n = self._points.shape[1:]
        norms = gradients.mul_(gradients).sum(-1).sqrt_().view(k, size)
        points, values = points.reshape(k, size, n), values.view(k, size)
        moves = None
        if self._stops.step_below is not None:
            before = torch.cat([self._last[None], points[:-1]])
            moves = (points - before).abs_().amax(-1)
        # One synchronisation with the device for k steps.
        stopped = bool((self._alarm(points, values, norms, moves) & self._open()).any())
        if stopped:
            kinds = self._kinds(points, values, norms, moves)
            hit = kinds != _RUNNING
            first = hit.to(torch.uint8).argmax(0)
            new = hit.any(0) & self._open()
            self._end = torch.where(new, self._rows + first, self._end)
            found = kinds.gather(0, first[None])[0]
            self._codes = torch.where(new, found, self._codes)
            if not self._record:
                every = torch.arange(size, device=points.device)
                self._keep(
                    new, points[first, every], values[first, every], norms[first, every]
                )
        if self._record:
            rows = slice(self._rows, self._rows + k)
            self._points[rows], self._values[rows] = points, values
            self._norms[rows] = norms
        else:
            self._keep(self._open(), points[-1], values[-1], norms[-1])
        self._last = points[-1]
        self._rows += k
        return (stopped or self._stalled) and not bool(self._open().any())

    def finish(self, rule: str, *, interrupted: bool) -> Trajectory:
        """Return the trajectory; starts that still run stop at the last row."""
        running = self._open()
        self._end = torch.where(running, self._rows - 1, self._end)
        if interrupted:
            self._codes[running] = _CODE[Status.INTERRUPTED]
        points, values, norms = self._points, self._values, self._norms
        if self._record:
            kept = slice(int(self._end.max()) + 1)
            points, values, norms = points[kept], values[kept], norms[kept]
            self._freeze(points, values, norms)
        *_, n = points.shape
        return Trajectory(
            points=points.reshape(-1, *self._shape, n),
            values=values.view(-1, *self._shape),
            gradient_norms=norms.view(-1, *self._shape),
            steps=self._end.view(self._shape),
            rule=rule,
            codes=self._codes.view(self._shape),
        )

    def _open(self) -> Tensor:
        return self._codes == _RUNNING

    def _alarm(
        self, points: Tensor, values: Tensor, norms: Tensor, moves: Tensor | None
    ) -> Tensor:
        """Return, cheaply, which starts may have stopped in these rows: ``(B,)``."""
        sums = values.sum(0) + norms.sum(0) + points.sum((0, 2))
        alarm = ~sums.isfinite()
        if self._stops.value_below is not None:
            alarm |= values.amin(0) < self._stops.value_below
        if self._stops.gradient_below is not None:
            alarm |= norms.amin(0) < self._stops.gradient_below
        if moves is not None and self._stops.step_below is not None:
            alarm |= moves.amin(0) < self._stops.step_below
        return alarm

    def _kinds(
        self, points: Tensor, values: Tensor, norms: Tensor, moves: Tensor | None
    ) -> Tensor:
        """Return the code of what stops each start at each row: ``(k, B)``."""
        kinds = torch.full_like(values, _RUNNING, dtype=torch.long)
        if self._stops.gradient_below is not None:
            kinds[norms < self._stops.gradient_below] = _CODE[Status.GRADIENT_BELOW]
        if moves is not None and self._stops.step_below is not None:
            kinds[moves < self._stops.step_below] = _CODE[Status.STEP_BELOW]
        if self._stops.value_below is not None:
            kinds[values < self._stops.value_below] = _CODE[Status.VALUE_BELOW]
        inside = points.isfinite().all(-1)
        kinds[~(inside & values.isfinite() & norms.isfinite())] = _CODE[Status.DIVERGED]
        kinds[inside & (values.isnan() | norms.isnan())] = _CODE[Status.NAN]
        return kinds

    def _keep(
        self, mask: Tensor, points: Tensor, values: Tensor, norms: Tensor
    ) -> None:
        self._points[0] = torch.where(mask[:, None], points, self._points[0])
        self._values[0] = torch.where(mask, values, self._values[0])
        self._norms[0] = torch.where(mask, norms, self._norms[0])

    def _freeze(self, points: Tensor, values: Tensor, norms: Tensor) -> None:
        """Repeat each start's last row after its end, in place."""
        if bool((self._end == len(points) - 1).all()):
            return
        every = torch.arange(len(self._end), device=points.device)
        rows = torch.arange(len(points), device=points.device)
        after = rows[:, None] > self._end
        for kept, mask in ((points, after[..., None]), (values, after), (norms, after)):
            torch.where(mask, kept[self._end, every], kept, out=kept)


def _room(like: Tensor, *shape: int) -> Tensor:
    """Return memory for rows, uninitialised.

    On a CPU it comes from NumPy, which asks for large pages where torch does not:
    writing to new memory in pages of 4 KiB took a third of the time of large batches.
    """
    if like.device.type != "cpu":
        return like.new_empty(shape)
    memory = np.empty(prod(shape) * like.element_size(), np.uint8)
    return torch.from_numpy(memory).view(like.dtype).view(shape)
