"""Spans: a long document is cut at paragraph borders into contiguous pieces; every piece stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BREAK = re.compile(r"\s*\n\s*\n\s*")
_LINE_BREAK = re.compile(r"\s*\n\s*")


def cut_spans(text: str, maximum: int) -> Iterator[tuple[int, int]]:
    """(start, end) offsets of spans of at most `maximum` characters; surrounding white space is left out.

    Borders are blank lines, or line ends where a text has no blank line. Paragraphs are joined while they fit. A
    paragraph longer than `maximum` comes out alone, over-long, so that the caller can reject it with its length.
    """
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if end - start <= maximum:
        yield start, end
        return
    breaks = _BREAK if _BREAK.search(text, start, end) else _LINE_BREAK
    paragraphs = []
    for border in breaks.finditer(text, start, end):
        paragraphs.append((start, border.start()))
        start = border.end()
    paragraphs.append((start, end))
    spans = [paragraphs[0]]
    for paragraph in paragraphs[1:]:
        if paragraph[1] - spans[-1][0] <= maximum:
            spans[-1] = (spans[-1][0], paragraph[1])
        else:
            spans.append(paragraph)
    yield from spans
