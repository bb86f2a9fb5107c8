"""Spans: a long document is cut at paragraph borders into contiguous pieces; every piece stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_LINE_END = re.compile(r"\n")


def cut_spans(text: str, minimum: int, maximum: int) -> Iterator[tuple[int, int]]:
    """(start, end) offsets of spans of at most `maximum` characters; surrounding white space is left out.

    Borders are blank lines, and line ends in a text or paragraph that would be too long without. Paragraphs are joined
    while they fit; a remainder under `minimum` takes paragraphs from the span before it while that one can spare them. A
    line longer than `maximum` comes out alone, over-long, so that the caller can reject it with its length.
    """
    start, end = _trimmed(text, 0, len(text))
    if end - start <= maximum:
        yield start, end
        return
    borders = _BLANK_LINE if _BLANK_LINE.search(text, start, end) else _LINE_END
    spans: list[list[tuple[int, int]]] = []
    for paragraph in _fitting(text, _paragraphs(text, start, end, borders), maximum):
        if spans and paragraph[1] - spans[-1][0][0] <= maximum:
            spans[-1].append(paragraph)
            continue
        if len(spans) > 1:
            _lengthen(spans[-1], spans[-2], minimum, maximum)
        spans.append([paragraph])
    if len(spans) > 1:
        _lengthen(spans[-1], spans[-2], minimum, maximum)
    yield from ((span[0][0], span[-1][1]) for span in spans)


def _lengthen(span: list[tuple[int, int]], before: list[tuple[int, int]], minimum: int, maximum: int) -> None:
    """Give a short span the last paragraphs of the one before, while both stay within bounds."""
    while (
        span[-1][1] - span[0][0] < minimum
        and len(before) > 1
        and before[-2][1] - before[0][0] >= minimum
        and span[-1][1] - before[-1][0] <= maximum
    ):
        span.insert(0, before.pop())


def _fitting(text: str, paragraphs: Iterator[tuple[int, int]], maximum: int) -> Iterator[tuple[int, int]]:
    """Paragraphs, of the over-long ones their lines."""
    for start, end in paragraphs:
        yield from _paragraphs(text, start, end, _LINE_END) if end - start > maximum else [(start, end)]


def _paragraphs(text: str, start: int, end: int, borders: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for border in borders.finditer(text, start, end):
        paragraph = _trimmed(text, start, border.start())
        if paragraph[0] < paragraph[1]:
            yield paragraph
        start = border.end()
    yield _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
