"""What a benchmark found, as text for the terminal and as Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading.

    :param columns: headings; the first column is text, the others are numbers
    :param rows: cells, already formatted
    :param notes: how it was measured, one sentence each
    :param goals: rows of what was compared: in words, found, wanted, and whether it was missed
    :param missed: goals that were not reached, in words; any makes the run fail
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    goals: Sequence[Sequence[str]] = ()
    missed: Sequence[str] = ()

    def text(self) -> str:
        """Return aligned columns."""
        return "\n".join([*self._blocks(_aligned), *self.notes])

    def markdown(self) -> str:
        """Return Markdown tables, and the notes below them."""
        return "\n".join([*self._blocks(_markdown), *self.notes])

    def _blocks(self, lines_of: Callable[[Sequence[Sequence[str]]], list[str]]) -> Iterator[str]:
        tables = [[self.columns, *self.rows], [("goal", "found", "wanted", ""), *self.goals]]
        for table in tables if self.goals else tables[:1]:
            yield from lines_of(table)
            yield ""


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]


def _markdown(lines: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(lines[0]) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (lines[0], rule, *lines[1:])]
