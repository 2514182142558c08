"""How the loss is measured along directions: in this process or by an executor."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autodiff_guide._validate import require_floating
from autodiff_guide.landscape._directions import random_directions
from autodiff_guide.landscape._landscape import Landscape
from autodiff_guide.landscape._problem import (
    LossFunction,
    Problem,
    flat,
    kept_random,
    problem_of,
    split,
)

Row: TypeAlias = NDArray[np.floating[Any]]


def slice_loss(
    module: nn.Module,
    loss: LossFunction,
    data: object,
    directions: Tensor | None = None,
    *,
    span: float | tuple[float, float] = 1.0,
    points: int = 51,
    mode: str = "eval",
    executor: Executor | None = None,
    rows: int | None = None,
    resume: Landscape | None = None,
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
        With P parameters :math:`\theta`, of one dtype on one device. It runs without
        recording, but may take derivatives itself.
    loss : callable
        ``loss(output, target)`` is a tensor of shape ``()``, the mean over a batch.
    data : tuple or iterable of tuple
        One batch ``(inputs, targets)``, or batches; these are read once, and kept.
    directions : Tensor, optional
        Of shape ``(1, P)`` for a line or ``(2, P)`` for a plane, in the order of
        ``module.parameters()``, of any floating-point type. By default those of
        `resume`, or else two that `random_directions` draws.
    span : float or tuple of float
        The largest step to both sides, or the lowest and the highest step.
    points : int
        How many steps along each direction; an odd number includes the center of a
        symmetric span.
    mode : {"eval", "train"}
        The module's mode meanwhile. In "train", BatchNorm takes its statistics from
        each batch.
    executor : concurrent.futures.Executor, optional
        What computes the rows, such as ``ProcessPoolExecutor`` or Dask's
        ``Client.get_executor()``. None is this process. On the same kind of processor
        and with as many threads, the values are the same. Start processes by "spawn":
        a copy made by "fork" can hang in torch's threads. Threads share one random
        state: for a module that draws numbers, use processes.
    rows : int, optional
        How many of the missing rows to compute, the first ones; all by default. The
        others stay NaN.
    resume : Landscape, optional
        Of the same slice, with rows missing: those computed are taken from it.

    Returns
    -------
    Landscape
        Values on the module's device, with what they say about roughness.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or `resume` is of another slice: its steps,
        its directions or the loss at its center are others.

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

    A long run in portions, of which none is lost:

    >>> found = slice_loss(line, torch.nn.MSELoss(), data, points=5, rows=2)
    >>> while found.missing.any():
    ...     print(found.missing.sum().item(), "rows missing; found.save(...) keeps it")
    ...     found = slice_loss(
    ...         line, torch.nn.MSELoss(), data, points=5, rows=2, resume=found
    ...     )
    3 rows missing; found.save(...) keeps it
    1 rows missing; found.save(...) keeps it
    """
    problem = problem_of(module, loss, data, mode)
    steps = _steps(span, points)
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(
            f"executor: expected a concurrent.futures.Executor, got "
            f"{type(executor).__name__}; Dask's is client.get_executor()"
        )
    if resume is not None and not isinstance(resume, Landscape):
        raise TypeError(
            f"resume: expected a Landscape, got {type(resume).__name__}; "
            "Landscape.load(path) reads one"
        )
    if rows is not None and rows < 1:
        raise ValueError(f"rows: expected at least 1, got {rows}")
    if directions is None and resume is not None:
        directions = resume.directions
    if directions is None:
        directions = random_directions(module)
    first = next(module.parameters())
    directions = require_floating("directions", directions).detach().to(first)
    size = sum(part.numel() for part in module.parameters())
    if directions.shape not in ((1, size), (2, size)):
        raise ValueError(
            f"directions: expected shape (1, {size}) or (2, {size}), as the module has "
            f"{size} parameters, got {tuple(directions.shape)}"
        )
    dtype = torch.promote_types(first.dtype, torch.float32)
    axis = torch.tensor(steps, dtype=dtype, device=first.device)
    values = axis.new_full((points,) * len(directions), torch.nan)
    (center,) = Job(problem, directions[:1], [0.0]).rows([0])
    found = Landscape(values, axis, axis.new_tensor(center[0]), directions)
    if resume is not None:
        _require_same(resume, found)
        values.copy_(resume.values)
    job = Job(problem, directions, steps)
    places = found.missing.nonzero().flatten().tolist()[:rows]
    computed = job.rows(places) if executor is None else job.rows_by(executor, places)
    for place, row in zip(places, computed, strict=True):
        values[place] = values.new_tensor(row).view_as(values[place])
    return found


@dataclass(frozen=True, eq=False)
class Job:
    """What to measure: the loss at steps along one direction or two."""

    problem: Problem
    directions: Tensor
    steps: list[float]

    def rows(self, places: Iterable[int]) -> list[Row]:
        """Compute rows of the slice in this process; a row of a line is one point."""
        module = self.problem.module
        parameters = list(module.parameters())
        first, second = self.directions[0], self.directions[-1]
        across = self.steps if len(self.directions) == 2 else [0.0]
        rows = []
        with self.problem.kept() as restart, torch.no_grad():
            here = flat(parameters)
            center, start = here.clone(), here.clone()
            views = split(here, parameters)
            for parameter, view in zip(parameters, views, strict=True):
                parameter.data = view
            for place in places:
                torch.add(center, first, alpha=self.steps[place], out=start)
                row = []
                for step in across:
                    torch.add(start, second, alpha=step, out=here)
                    restart()
                    row.append(self.problem.mean_loss(module))
                rows.append(torch.stack(row).double().cpu().numpy())
        return rows

    def rows_by(self, executor: Executor, places: Iterable[int]) -> list[Row]:
        """Compute rows of the slice by an executor."""
        # Dask brings cloudpickle, which also carries what a notebook has defined.
        pickler = import_module("cloudpickle" if find_spec("cloudpickle") else "pickle")
        task = partial(_row, pickler.dumps(self))
        with kept_random(self.problem.device):  # which threads share
            return list(executor.map(task, places))


def _row(job: bytes, place: int) -> Row:
    """Compute one row of a pickled job: the task of an executor."""
    (row,) = pickle.loads(job).rows([place])
    return cast(Row, row)


def _steps(span: float | tuple[float, float], points: int) -> list[float]:
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


def _require_same(resume: Landscape, begun: Landscape) -> None:
    """Raise ``ValueError`` unless `resume` is of the slice that has begun."""
    for name in ("axis", "directions", "center"):
        mine, theirs = getattr(begun, name), getattr(resume, name)
        rounding = 1e-3 if name == "center" else 0  # by another machine
        if (
            theirs is None
            or theirs.shape != mine.shape
            or not torch.allclose(theirs.to(mine), mine, rounding, 0, equal_nan=True)
        ):
            raise ValueError(
                f"resume: expected a landscape of this slice, got one with another "
                f"{name}; give the same module, loss, data and settings as to begin"
            )
