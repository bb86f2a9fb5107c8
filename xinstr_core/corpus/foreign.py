"""Which parts of a page are in another language: its lines, long ones in pieces, so that no middle goes unread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import regex

from xinstr_core.corpus.identification import Identifier
from xinstr_core.corpus.voters import bare_letters, squeezed

_LINE = regex.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_LEAST_LETTERS = 40  # the first voter is right on nine of ten sentences of this length in its weakest language
_PIECE = 400  # characters of a line that are judged by their beginning, so that reading stays cheap
_READ = 120  # of these
_READ_AGAIN = 240  # of one that seems foreign by them: names at its beginning condemn no piece


@dataclass(frozen=True)
class _Part:
    """How many letters a piece has around a place of the page, and which other language they are in; empty for none."""

    middle: int
    letters: int
    language: str


@dataclass(frozen=True)
class ForeignParts:
    """Of one page, read once, when it is first asked for; whatever span of it is asked for then."""

    text: str
    identifier: Identifier

    def share(self, start: int, end: int) -> tuple[float, str]:
        """Share of letters of text [start:end] in other languages, and the commonest; 0 where there are not two parts to compare."""
        parts = [part for part in self._parts if start <= part.middle < end]
        found: Counter[str] = Counter()
        for part in parts:
            found[part.language] += part.letters
        foreign = {language: letters for language, letters in found.items() if language}
        if len(parts) < 2 or not foreign:
            return 0.0, ""
        return sum(foreign.values()) / sum(found.values()), max(foreign, key=foreign.__getitem__)

    @cached_property
    def _parts(self) -> list[_Part]:
        return [*self._read()]

    def _read(self) -> Iterator[_Part]:
        letters = bare_letters(self.text)
        for line in _LINE.finditer(self.text):
            first, length = line.start(), line.end() - line.start()
            if length < _LEAST_LETTERS:
                continue
            pieces = -(-length // _PIECE)
            for start, end in pairwise(first + length * number // pieces for number in range(pieces + 1)):
                read = min(_READ, end - start)
                found = squeezed(letters[start : start + read])
                if len(found) >= _LEAST_LETTERS:
                    of_piece = round(len(found) * (end - start) / read)
                    language = self.identifier.other_language(found)
                    if language and read < end - start:
                        again = letters[start : min(start + _READ_AGAIN, end)]
                        language = self.identifier.other_language(squeezed(again))
                    yield _Part((start + end) // 2, of_piece, language)
