"""What a check returns: a verdict, a sentence, and the numbers behind them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from autodiff_guide._tables import Table


@dataclass(frozen=True)
class Worst:
    """The element, or the probe, where the two gradients differ most.

    Attributes
    ----------
    input : str
        Name of the input; ``"all inputs"`` for a probe, which moves every element.
    index : tuple of int
        Index in that input.
    output : tuple of int
        Index in the output.
    yours, numeric, bar : float
        The derivative you have, the one by differences, and its error bar.
    """

    input: str
    index: tuple[int, ...]
    output: tuple[int, ...]
    yours: float
    numeric: float
    bar: float

    def __str__(self) -> str:
        index = list(self.index) if self.index else ""
        at = f" by output {list(self.output)}" if self.output else ""
        return (
            f"{self.input}{index}{at}: yours {self.yours:.10g}, "
            f"numeric {self.numeric:.10g} ± {self.bar:.1g}"
        )


@dataclass(frozen=True)
class InputRow:
    """One input of the check.

    Attributes
    ----------
    name, dtype : str
    shape : tuple of int
    kinds : tuple of str
        What was found for this input.
    error : float
        Largest difference relative to the slope; NaN where none was measured.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kinds: tuple[str, ...]
    error: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """The two gradients, pair by pair, for drawing.

    Attributes
    ----------
    what : str
        ``"probe"`` for random directions, ``"element"`` for elements of the gradient.
    yours, numeric, bar : Tensor
        Flat, float64, on the CPU.
    where : dict
        For elements: name of the input to the error in units of the error bar, in the
        shape of the input; NaN where it was not measured.
    """

    what: str
    yours: Tensor
    numeric: Tensor
    bar: Tensor
    where: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class GradientReport:
    """The outcome of a gradient check; true if the gradient passed.

    Attributes
    ----------
    verdict : str
        ``"pass"``, ``"fail"``, ``"inconclusive"`` (the differences cannot tell) or
        ``"error"`` (there is no gradient to check).
    kinds : tuple of str
        What was found, the most specific first; keys of `KINDS`.
    sentence : str
        The same for a reader.
    worst : Worst or None
        Where the two gradients differ most, in error bars.
    resolution : float
        The smallest relative error that the check could have seen; NaN if it took no
        differences.
    remarks : tuple of str
        What a reader of a verdict should know besides.
    inputs : tuple of InputRow
        One row for each input checked.
    comparison : Comparison or None
        The numbers compared, as `plotting.gradient_report` draws them.
    seed, probes : int
        What makes the random directions again.
    steps : tuple of float
        Relative step sizes used.
    evaluations, pullbacks : int
        Calls of the function, and vector-Jacobian products.
    autograd : GradientReport or None
        With a gradient by hand: the report on autograd's own gradient.
    """

    verdict: str
    kinds: tuple[str, ...]
    sentence: str
    worst: Worst | None
    resolution: float
    remarks: tuple[str, ...]
    inputs: tuple[InputRow, ...]
    comparison: Comparison | None
    seed: int
    probes: int
    steps: tuple[float, ...]
    evaluations: int
    pullbacks: int
    autograd: GradientReport | None = None

    @property
    def kind(self) -> str:
        """The most specific kind."""
        return self.kinds[0]

    def __bool__(self) -> bool:
        return self.verdict == "pass"

    def __str__(self) -> str:
        return "\n".join(filter(None, [str(self._table()), *self._notes()]))

    def _repr_html_(self) -> str:
        notes = Table("Notes", [["", note] for note in self._notes() if note])
        return self._table()._repr_html_() + notes._repr_html_()

    def _table(self) -> Table:
        return Table(
            f"{self.verdict.upper()} ({', '.join(self.kinds)}): {self.sentence}",
            [
                [
                    row.name,
                    str(row.shape),
                    row.dtype,
                    ", ".join(row.kinds),
                    f"{row.error:.1e}" if row.error == row.error else "",
                ]
                for row in self.inputs
            ],
            ["input", "shape", "dtype", "found", "relative error"],
        )

    def _notes(self) -> list[str]:
        seen = f"resolved {self.resolution:.1e} of the slope; "
        known = self.resolution == self.resolution
        return [
            f"worst: {self.worst}" if self.worst else "",
            *self.remarks,
            f"autograd: {self.autograd.verdict}, {self.autograd.sentence}"
            if self.autograd
            else "",
            f"{seen if known else ''}{self.probes} probes, seed {self.seed}, "
            f"{self.evaluations} evaluations, "
            f"{self.pullbacks} vector-Jacobian products",
        ]
