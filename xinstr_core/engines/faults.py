"""A row that an engine cannot take costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Row = TypeVar("Row")
Made = TypeVar("Made")

# What a row of text can do to an engine, memory that ran out included (torch's is a RuntimeError). Not in it: a full
# disk, a signal, an error that the user can mend.
ROW_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class Fault:
    """Why a row failed by itself."""

    reason: str


def isolated(
    work: Callable[[Sequence[Row]], Made], rows: Sequence[Row]
) -> Iterator[tuple[Sequence[Row], Made | Fault]]:
    """The rows in their order, in pieces, each with what `work` made of it: rows that fail together are halved.

    A Fault stands beside the piece of the one row that failed.
    """
    try:
        made: Made | Fault = work(rows)
    except ROW_FAULTS as error:
        made = Fault(f"{type(error).__name__}: {error}")
    # Not in the handler: the error holds on to the memory that the halves need.
    if isinstance(made, Fault) and len(rows) > 1:
        middle = len(rows) // 2
        yield from isolated(work, rows[:middle])
        yield from isolated(work, rows[middle:])
    else:
        yield rows, made
