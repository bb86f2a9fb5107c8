"""Spans: a page is cut into contiguous pieces, for its length and around personal data; every piece stays as it was written.

Borders are tried from the coarsest on: blank lines, line ends, sentences' ends, and, in scripts that put no spaces between
words, the spaces between clauses and phrases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from xinstr_core.corpus.personal_data import personal_data
from xinstr_core.corpus.sentences import clause_borders, phrase_borders, sentence_borders

Span = tuple[int, int]  # start and end, in characters
Borders = Callable[[str, int, int], Iterator[Span]]

# Lines that say whose number it is stand right above or below it: a name, an office, an address. No more of them, or a
# poem with one number would go whole. Within a line they are as short as names; sentences of prose are seldom.
_CONTACT_LINE, _CONTACT_SENTENCE = 80, 40  # characters
_CONTACT_PIECES = 2


def cut_spans(text: str, minimum: int, maximum: int) -> Iterator[Span]:
    """(start, end) offsets of spans of at most `maximum` characters; surrounding white space is left out.

    Finer borders are used only in a paragraph, line or sentence that would be too long without. Pieces are joined while they
    fit; a remainder under `minimum` takes pieces from the span before it while that one can spare them. What is longer than
    `maximum` and has no border comes out alone, over-long, so that the caller can reject it with its length.
    """
    spans: list[list[Span]] = []
    for piece in _fitting(text, *_trimmed(text, 0, len(text)), maximum, (_blank_lines, *_FINER)):
        if spans and piece[1] - spans[-1][0][0] <= maximum:
            spans[-1].append(piece)
            continue
        if len(spans) > 1:
            _lengthen(spans[-1], spans[-2], minimum, maximum)
        spans.append([piece])
    if len(spans) > 1:
        _lengthen(spans[-1], spans[-2], minimum, maximum)
    yield from ((span[0][0], span[-1][1]) for span in spans)


@dataclass(frozen=True)
class AroundPersonalData:
    """The stretches of a text that stay, and the kind and place of every personal datum that it was cut around."""

    stretches: list[Span]
    found: list[tuple[str, Span]]


def cut_around(text: str) -> AroundPersonalData:
    """Cut a text around the lines that hold personal data; in a long line around the sentences that do.

    Up to two short lines, or sentences of that line, on either side go with it, unless a blank line is between.
    """
    goes = _barred(text, 0, len(text), _FINER)
    found = sorted(((kind, span) for kind, span in goes if kind), key=lambda one: one[1])
    return AroundPersonalData([*_between(text, (span for _, span in goes))], found)


def _barred(text: str, start: int, end: int, borders: Sequence[Borders]) -> list[tuple[str, Span]]:
    """(kind, span) of what goes of a piece of text for its personal data; the kind is "" where it only stands beside.

    A piece goes whole where it is short, or where a datum lies across its finer borders.
    """
    kind = personal_data(text[start:end])
    if not kind:
        return []
    pieces = [*_pieces(text, start, end, borders[0])] if borders and end - start > _CONTACT_LINE else []
    longest = _CONTACT_LINE if borders[:1] == _FINER[:1] else _CONTACT_SENTENCE
    within = {n: goes for n, piece in enumerate(pieces) if (goes := _barred(text, *piece, borders[1:]))}
    beside = [("", near) for number in within for near in _contact(text, pieces, number, longest)]
    goes = [*chain.from_iterable(within.values()), *beside]
    rests = _between(text, (span for _, span in goes), start, end)
    if not goes or any(personal_data(text[slice(*rest)]) for rest in rests):
        return [(kind, (start, end))]
    return goes


def _contact(text: str, pieces: Sequence[Span], number: int, longest: int) -> Iterator[Span]:
    """The short pieces around one, up to the next blank line."""
    for step in (1, -1):
        for away in range(number + step, number + step * (_CONTACT_PIECES + 1), step):
            if not 0 <= away < len(pieces) or pieces[away][1] - pieces[away][0] > longest:
                break
            nearer, farther = sorted((pieces[away - step], pieces[away]))
            if len([*_line_ends(text, nearer[1], farther[0] + 1)]) > 2:  # the two pieces' own lines and more between
                break
            yield pieces[away]


def _between(text: str, spans: Iterable[Span], start: int = 0, end: int | None = None) -> Iterator[Span]:
    """What of text[start:end] is outside of spans and more than space."""
    end = len(text) if end is None else end
    for barred in [*sorted(spans), (end, end)]:
        rest = _trimmed(text, start, max(start, barred[0]))
        if rest[0] < rest[1]:
            yield rest
        start = max(start, barred[1])


def _lengthen(span: list[Span], before: list[Span], minimum: int, maximum: int) -> None:
    """Give a short span the last pieces of the one before, while both stay within bounds."""
    while (
        span[-1][1] - span[0][0] < minimum
        and len(before) > 1
        and before[-2][1] - before[0][0] >= minimum
        and span[-1][1] - before[-1][0] <= maximum
    ):
        span.insert(0, before.pop())


def _fitting(text: str, start: int, end: int, maximum: int, borders: Sequence[Borders]) -> Iterator[Span]:
    """A piece that is not too long, or else those of its pieces."""
    if end - start <= maximum or not borders:
        yield start, end
        return
    for piece in _pieces(text, start, end, borders[0]):
        yield from _fitting(text, *piece, maximum, borders[1:])


def _pieces(text: str, start: int, end: int, borders: Borders) -> Iterator[Span]:
    """What lies between borders, without the space around it."""
    return _between(text, borders(text, start, end), start, end)


def _blank_lines(text: str, start: int, end: int) -> Iterator[Span]:
    for line in text[start:end].splitlines(keepends=True):  # which knows carriage returns and Unicode's line ends, too
        if line.isspace():
            yield start, start + len(line)
        start += len(line)


def _line_ends(text: str, start: int, end: int) -> Iterator[Span]:
    for line in text[start:end].splitlines(keepends=True):
        start += len(line)
        yield start, start


_FINER: tuple[Borders, ...] = (_line_ends, sentence_borders, clause_borders, phrase_borders)


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
