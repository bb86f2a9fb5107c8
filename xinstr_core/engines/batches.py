"""Rows that go through a model together: of similar length, and beside those that begin with the same prompt."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from xinstr_core.engines.base import Request

Row = TypeVar("Row")


def length_sorted_batches(requests: Sequence[Request], rows: int) -> list[list[Request]]:
    """Batches of at most `rows` requests: little padding, and those with the same prompt in as few batches as can be.

    They depend on what is in them alone: ties go by key.
    """
    return packed(
        requests,
        shares=lambda request: request.prompt,
        length=lambda request: len(request.prompt) + len(request.completion),
        name=lambda request: request.key,
        fits=lambda count, longest: count <= rows,
    )


def packed(
    rows: Sequence[Row],
    *,
    shares: Callable[[Row], Hashable],
    length: Callable[[Row], int],
    name: Callable[[Row], Any],
    fits: Callable[[int, int], bool],
) -> list[list[Row]]:
    """Batches of rows that `fits(rows, greatest length)`; a row that fits nowhere is alone.

    Rows that share something stay together, in as few batches as it takes where one does not hold them.
    """
    groups: dict[Hashable, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (length(row), name(row))):
        groups.setdefault(shares(row), []).append(row)
    batches: list[list[Row]] = []
    for group in sorted(groups.values(), key=lambda group: (length(group[-1]), name(group[-1]))):
        if not batches or not fits(len(batches[-1]) + len(group), length(group[-1])):
            batches.append([])
        for row in group:
            if batches[-1] and not fits(len(batches[-1]) + 1, length(row)):
                batches.append([])
            batches[-1].append(row)
    return batches
