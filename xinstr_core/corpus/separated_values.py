"""Rows of files with separated values: comma, semicolon or tab, whatever saved them."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

SEPARATORS = ",;\t"
# Characters of a cell, many lines among them; and so much is read ahead for the end of a quote that never closes.
LONGEST_CELL = 16 * 2**20
Lost = TypeVar("Lost")


def separated_rows(lines: Iterator[tuple[str, str | Lost]]) -> Iterator[tuple[str, list[str] | csv.Error | Lost]]:
    """(place, cells) of every row that is not blank, from (place, line); what tells of a lost line is handed on.

    The first row tells the separator. Where quotes do not close, the row's first line is an error, and reading goes on
    with the next line.
    """
    given_back: deque[tuple[str, str | Lost]] = deque()
    separator = ""

    def next_line() -> tuple[str, str | Lost] | None:
        return given_back.popleft() if given_back else next(lines, None)

    while found := next_line():
        place, line = found
        if not isinstance(line, str):
            yield place, line
        elif line.strip():
            separator = separator or max(SEPARATORS, key=line.count)
            row = _Row(line, next_line)
            limit_of_others = csv.field_size_limit(LONGEST_CELL)  # one for all readers of the process
            try:
                cells: list[str] | csv.Error = next(csv.reader(row, delimiter=separator, strict=True))
            except csv.Error as error:
                given_back.extendleft(reversed(row.taken))
                cells = error
            finally:
                csv.field_size_limit(limit_of_others)
            if isinstance(cells, csv.Error) or any(cell.strip() for cell in cells):
                yield place, cells


class _Row(Iterator[str], Generic[Lost]):
    """The lines of one row: more than one where line ends stand in quotes. Nothing is joined across a lost line."""

    def __init__(self, first: str, next_line: Callable[[], tuple[str, str | Lost] | None]) -> None:
        self._first = first
        self._next_line = next_line
        self.taken: list[tuple[str, str | Lost]] = []

    def __next__(self) -> str:
        if self._first:
            line, self._first = self._first, ""
            return line
        if not (found := self._next_line()):
            raise StopIteration
        self.taken.append(found)
        if not isinstance(found[1], str):
            raise StopIteration
        return found[1]
