"""What a check returns: a verdict, a sentence, and the numbers behind them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

from torch import Tensor

from autodiff_guide._printed import Table

# Columns of text.
WIDTH = 88


@dataclass(frozen=True)
class Worst:
    """The element where the two gradients differ most, in error bars.

    Attributes
    ----------
    input : str
        Name of the input.
    index : tuple of int
        Index in that input.
    output : tuple of int
        Index in the output; empty where random sums of very many outputs were compared.
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
        Largest difference relative to the largest numeric slope; NaN where none was
        measured.
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
        Where the two gradients differ most; None if only probes were compared.
    resolution : float
        The relative error of a typical slope that the check would have seen; NaN if
        there was no slope.
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
        head = textwrap.fill(self._headline(), WIDTH)
        notes = [textwrap.fill(n, WIDTH, subsequent_indent="  ") for n in self._notes()]
        return "\n".join([str(self._table(head)), *notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self._notes())
        return (
            f"<p>{escape(self._headline())}</p>"
            f"{self._table('What was checked')._repr_html_()}<ul>{notes}</ul>"
        )

    def _headline(self) -> str:
        return f"{self.verdict.upper()} ({', '.join(self.kinds)}): {self.sentence}"

    def _table(self, caption: str) -> Table:
        headers = ["input", "shape", "dtype", "found"]
        rows = [
            [row.name, str(row.shape), row.dtype, ", ".join(row.kinds)]
            for row in self.inputs
        ]
        if any(row.error == row.error for row in self.inputs):
            headers.append("relative error")
            for cells, row in zip(rows, self.inputs, strict=True):
                cells.append(f"{row.error:.1e}" if row.error == row.error else "")
        return Table(caption, rows, headers)

    def _notes(self) -> list[str]:
        notes = [f"worst: {self.worst}"] if self.worst else []
        notes += self.remarks
        if self.autograd:
            notes.append(f"autograd: {self.autograd.verdict}, {self.autograd.sentence}")
        seen = ""
        if self.resolution == self.resolution:
            seen = f"would have seen an error of {self.resolution:.1e} of the slope; "
        notes.append(
            f"{seen}{_count(self.probes, 'probe')}, seed {self.seed}, "
            f"{_count(self.evaluations, 'evaluation')}, "
            f"{_count(self.pullbacks, 'vector-Jacobian product')}"
        )
        return notes


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
