"""How a result shows itself: a table and notes, in the terminal and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Table:
    """Rows of text under optional headers, with a caption above.

    The first column names its row, so HTML marks it as a row header.
    """

    caption: str
    rows: Sequence[Sequence[str]]
    headers: Sequence[str] = ()

    def __str__(self) -> str:
        lines = [self.headers, *self.rows] if self.headers else list(self.rows)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in lines
        ]
        if self.headers:
            padded.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.caption, *padded])

    def _repr_html_(self) -> str:
        head = "".join(_heading(cell, "col") for cell in self.headers)
        body = "".join(
            f"<tr>{_heading(first, 'row')}"
            + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in self.rows
        )
        thead = f"<thead><tr>{head}</tr></thead>" if head else ""
        return (
            f"<table><caption>{escape(self.caption)}</caption>"
            f"{thead}<tbody>{body}</tbody></table>"
        )


class Printed(ABC):
    """A result that shows itself as the table it defines, and notes below it."""

    @abstractmethod
    def _table(self) -> Table:
        """Return the table."""

    def _notes(self) -> Sequence[str]:
        return ()

    def __str__(self) -> str:
        return "\n".join([str(self._table()), *self._notes()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self._notes())
        return self._table()._repr_html_() + (f"<ul>{notes}</ul>" if notes else "")


def _heading(cell: str, scope: str) -> str:
    """Return a heading's HTML; a cell without words heads nothing."""
    return f'<th scope="{scope}">{escape(cell)}</th>' if cell else "<td></td>"
