"""What a benchmark found, as text for the terminal and as Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading.

    :param columns: headings; the first column is text, the others are numbers
    :param rows: cells, already formatted
    :param notes: how it was measured, one sentence each
    :param missed: goals that were not reached, in words; any makes the run fail
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    missed: Sequence[str] = ()

    def text(self) -> str:
        """Return aligned columns."""
        lines = [list(self.columns), *map(list, self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        aligned = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
        ]
        return "\n".join([*aligned, "", *self.notes])

    def markdown(self) -> str:
        """Return a Markdown table, and the notes below it."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        rows = ["| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([*rows, "", *self.notes])
