"""Derivatives measured from function values alone, each with its own error bar.

The step climbs by factors of four, from far too small to far too large. At small steps
rounding spoils the slope, at large ones the bending of the function. Extrapolation
removes the bending term by term, and the climb itself tells how well:

- the jump from one step to the next shows the bending left in the larger one;
- the largest jump so far, in units of the function, bounds the rounding;
- an estimate that contradicts the smaller steps ends the climb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]  # documented, not exported
from torch.nn.functional import pad

from autodiff_guide._printed import Printed, Table
from autodiff_guide._validate import require_floating

Function = Callable[[Tensor], Tensor]

RATIO = 4.0
LEVELS = 36
COLUMNS = 4
# Jumps count so many times in a bar.
SAFETY = 3.0
# Rounding of a slope's numerator that no jump need show, in units of eps·|f|.
ROUNDINGS = 2.5
# The rounding at a small step may show only this many steps later.
LOOK_AHEAD = 3
# A function still up to this share of its argument, and moving then, is a staircase.
STAIR = 2.0**-20
# Bytes of values and tables held at once, at least those of one input element.
MEMORY = 2**28
SHOWN = 12


@dataclass(frozen=True, eq=False)
class NumericDerivative(Printed):
    """A derivative found without differentiating, and how far to trust it.

    Attributes
    ----------
    value : Tensor
        The Jacobian, float64, of shape ``(*output, *input)``; NaN where undefined.
    error : Tensor
        Error bar: the derivative is expected in ``value ± error``; infinite at NaN.
    step : Tensor
        The largest step that the chosen estimate used.
    """

    value: Tensor
    error: Tensor
    step: Tensor

    def _table(self) -> Table:
        columns = (
            t.flatten()[:SHOWN].tolist() for t in (self.value, self.error, self.step)
        )
        total = self.value.numel()
        first = f", first {SHOWN} of {total} elements" if total > SHOWN else ""
        return Table(
            f"Numeric derivative of shape {tuple(self.value.shape)}{first}",
            [
                (str(place), f"{value:.12g}", f"{error:.1e}", f"{step:.1e}")
                for place, (value, error, step) in enumerate(zip(*columns, strict=True))
            ],
            headers=("element", "value", "error bar", "step"),
        )


@dataclass(frozen=True, eq=False)
class OneSided:
    """The slopes on the two sides of a point.

    Attributes
    ----------
    left, right : NumericDerivative
        Slopes from below and from above, each with its error bar.
    """

    left: NumericDerivative
    right: NumericDerivative

    @property
    def kink(self) -> Tensor:
        """Where the slopes differ by more than both error bars together."""
        gap = (self.right.value - self.left.value).abs()
        return gap > self.left.error + self.right.error


def numeric_derivative(fn: Function, x: Tensor) -> NumericDerivative:
    r"""Jacobian of `fn` from its values alone, with an error bar for each element.

    .. math::
        \frac{\partial f_i}{\partial x_j} \approx
        \frac{f_i(x + h e_j) - f_i(x - h e_j)}{2h}

    at 36 steps :math:`h` in float64, extrapolated to 0; the least bar decides.

    Parameters
    ----------
    fn : callable
        Maps a tensor to one floating-point tensor of shape ``(*output)``.
    x : Tensor
        Where to differentiate, of shape ``(*input)``; passed on as float64.

    Returns
    -------
    NumericDerivative
        ``value``, ``error`` and ``step``, each float64 of shape ``(*output, *input)``.

    Raises
    ------
    TypeError
        If the input or the result is not a floating-point tensor.
    RuntimeError
        What `fn` raises where it captures a tensor that is not float64, with a note.

    Notes
    -----
    The bar is an estimate, no proof. At a kink the value is the mean of both slopes,
    see `one_sided_derivatives`. An infinite slope has a bar as large as its value.
    `fn` is called far from the point too; where it is NaN or refuses, steps end.

    References
    ----------
    .. [1] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", 1982,
       doi:10.1016/S0141-1195(82)80057-0.
    .. [2] O. V. Lepskii, "On a problem of adaptive estimation in Gaussian white
       noise", 1991, doi:10.1137/1135065: climb until an estimate contradicts those
       of the smaller steps.

    Examples
    --------
    >>> import torch
    >>> slope = numeric_derivative(torch.exp, torch.tensor(1.0))
    >>> f"{slope.value:.12f}"
    '2.718281828459'
    >>> bool((slope.value - torch.e).abs() <= slope.error)
    True
    """
    return _climb(_Black(fn, x), (1, -1))


def one_sided_derivatives(fn: Function, x: Tensor) -> OneSided:
    r"""Slopes from the left and from the right, which tell a kink from a slope.

    .. math::
        \frac{f(x) - f(x - h e_j)}{h} \quad\text{and}\quad
        \frac{f(x + h e_j) - f(x)}{h}

    extrapolated to :math:`h = 0` as in `numeric_derivative`, which raises the same.

    Parameters
    ----------
    fn : callable
        Maps a tensor to one floating-point tensor of shape ``(*output)``.
    x : Tensor
        Where to differentiate, of shape ``(*input)``; passed on as float64.

    Returns
    -------
    OneSided
        ``left``, ``right``, ``kink``. At the edge of the domain one side is NaN.

    Examples
    --------
    >>> import torch
    >>> sides = one_sided_derivatives(torch.abs, torch.tensor([-1.0, 0.0]))
    >>> sides.left.value.diagonal()
    tensor([-1., -1.], dtype=torch.float64)
    >>> sides.right.value.diagonal()
    tensor([-1.,  1.], dtype=torch.float64)
    >>> sides.kink.diagonal()
    tensor([False,  True])
    """
    black = _Black(fn, x)
    return OneSided(left=_climb(black, (0, -1)), right=_climb(black, (1, 0)))


class _Black:
    """The function as a black box: float64 in, float64 out, one row for each point."""

    def __init__(self, fn: Function, x: Tensor) -> None:
        self.fn = fn
        self.x = require_floating("x", x).detach().to(torch.float64, copy=True)
        self.vectorised = True
        self.here = self._first_value()

    def _first_value(self) -> Tensor:
        try:
            value = self._at(self.x)
        except (RuntimeError, ValueError) as error:
            error.add_note(
                "fn was called with x in float64; what it captures must be so too, "
                "for example by .double()"
            )
            raise
        return require_floating("fn's result", value).detach().double()

    def _at(self, x: Tensor) -> Tensor:
        return self.fn(x.clone())

    def rows(self, points: Tensor) -> Tensor:
        """Map points of shape ``(rows, inputs)`` to values ``(rows, outputs)``."""
        points = points.reshape(-1, *self.x.shape)
        if self.vectorised:
            try:
                values = torch.vmap(self._at)(points)
                return values.detach().double().flatten(1)
            except Exception:  # vmap refuses in many ways; the loop asks fn itself
                self.vectorised = False
        return torch.stack([self._or_nan(point) for point in points])

    def _or_nan(self, point: Tensor) -> Tensor:
        try:
            return self._at(point).detach().double().flatten()
        except (ArithmeticError, ValueError, LinAlgError):  # outside the domain
            return torch.full_like(self.here, torch.nan).flatten()


def _climb(black: _Black, sides: tuple[int, int]) -> NumericDerivative:
    """Differentiate by all inputs, a bounded number of them at a time."""
    x, here = black.x, black.here
    shape = (*here.shape, *x.shape)
    if 0 in shape:
        return NumericDerivative(*x.new_empty(3, *shape))
    bytes_per_input = 8 * LEVELS * (2 * x.numel() + 8 * COLUMNS * here.numel())
    places = torch.arange(x.numel(), device=x.device)
    chunks = torch.split(places, max(1, MEMORY // bytes_per_input))
    parts = [_slopes(black, place, sides) for place in chunks]
    return NumericDerivative(
        *(torch.cat(part).T.reshape(shape) for part in zip(*parts, strict=True))
    )


def _ladder(at: Tensor) -> Tensor:
    """Return ascending steps of shape ``(LEVELS, *at)``: powers of two, exact in x ± h.

    They start low enough for a function of the input's scale and for one of scale 1.
    """
    size = torch.where(at == 0, 1, at.abs())
    small = (size * 2.0**-20).clamp(max=2.0**-44)
    lowest = torch.where(size < 1, small, size * 2.0**-44)
    level = torch.arange(LEVELS, dtype=at.dtype, device=at.device)
    steps = torch.exp2(lowest.log2().floor()) * RATIO ** level[:, None]
    # At 0 even 16 bits hold a power of two; one odd step shows what precision fn has.
    steps[0] = torch.where(at == 0, steps[0] * (1 + 2.0**-30), steps[0])
    return steps


def _slopes(
    black: _Black, place: Tensor, sides: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return value, error and step of shape ``(place, outputs)``."""
    x, here = black.x.flatten(), black.here.flatten()
    at = x[place]
    steps = _ladder(at)
    ends, values = [], []
    for side in sides:
        moved = at + side * steps
        ends.append(moved)
        if side:
            points = x.repeat(LEVELS, len(place), 1)
            points[:, torch.arange(len(place), device=x.device), place] = moved
            values.append(black.rows(points.flatten(0, 1)).reshape(*moved.shape, -1))
        else:
            values.append(here.expand(*moved.shape, -1))
    width, steps = (ends[0] - ends[1])[..., None], steps[..., None]
    above, below = values

    rise = above - below
    usable = _so_far(torch.isfinite(rise) & torch.isfinite(here))
    rise = torch.where(usable, rise, 0)
    still = rise == 0
    first_step = torch.where(still, torch.inf, steps).amin(0)
    stair = _so_far(still) & (
        first_step < STAIR * torch.where(at == 0, 1, at.abs())[:, None]
    )
    usable &= ~stair
    tread = torch.where(still, torch.inf, rise.abs()).amin(0)
    size = torch.where(usable, torch.maximum(above.abs(), below.abs()), 0)
    eps = _machine_epsilon(above, below, usable, still.all(0))
    rounding = ROUNDINGS * eps * size + torch.where(stair.any(0), tread, 0)

    return _extrapolate(
        rise / width, steps, rounding / width, usable, order=2 if all(sides) else 1
    )


def _so_far(holds: Tensor) -> Tensor:
    """Tell whether `holds` is true at this level and at all lower ones."""
    return holds.long().cummin(0).values.bool()


def _machine_epsilon(
    above: Tensor, below: Tensor, usable: Tensor, constant: Tensor
) -> Tensor:
    """Return the epsilon of the lowest precision that holds all values exactly."""
    eps = torch.full_like(above[0], torch.finfo(torch.float64).eps)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        held = (above.to(dtype) == above) & (below.to(dtype) == below)
        coarse = (held | ~usable).all(0) & ~constant
        eps = torch.where(coarse, torch.finfo(dtype).eps, eps)
    return eps


def _extrapolate(
    slope: Tensor, steps: Tensor, rounding: Tensor, usable: Tensor, order: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the entry of Richardson's table, built over the steps, with the least bar.

    All tensors are of shape ``(LEVELS, inputs, outputs)``, or broadcast to it.
    """
    eps = torch.finfo(slope.dtype).eps
    values, errors = [], []
    for column in range(COLUMNS):
        # Row k combines the steps from k to k + column, of which the last is largest.
        known = usable[column:] & usable[: LEVELS - column]
        known &= pad(known[:-1], (0, 0, 0, 0, 1, 0))
        height = steps[column:]
        jump = pad(torch.diff(slope, dim=0).abs(), (0, 0, 0, 0, 1, 0))
        noise = torch.where(known, jump * height, 0).cummax(0).values
        ahead = torch.cat([noise[LOOK_AHEAD:], noise[-1:].expand(LOOK_AHEAD, -1, -1)])

        least = rounding[: LEVELS - column] + 2 * eps * slope.abs()
        bar = torch.where(known, SAFETY * noise / height + least, torch.inf)
        wide = torch.where(known, SAFETY * ahead / height + least, torch.inf)
        agrees = (slope - wide).cummax(0).values <= (slope + wide).cummin(0).values
        bar = torch.where(agrees, bar, torch.inf)

        values.append(pad(slope, (0, 0, 0, 0, column, 0)))
        errors.append(pad(bar, (0, 0, 0, 0, column, 0), value=torch.inf))
        gain = RATIO ** (order * (column + 1)) - 1
        slope = slope[:-1] - torch.diff(slope, dim=0) / gain

    error, best = torch.cat(errors).min(0)
    value = torch.cat(values).gather(0, best[None])[0]
    value = torch.where(torch.isfinite(error), value, torch.nan)
    step = steps.expand_as(usable).gather(0, best[None] % LEVELS)[0]
    return value, error, step
