"""Values of a JSON file one at a time: items of an array, or values that follow each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import regex

_SEPARATORS = regex.compile(r"[\s,]*")
_NOT_UTF8 = regex.compile("[\udc80-\udcff]")  # what errors="surrogateescape" makes of a byte
_DECODER = json.JSONDecoder()


class Fault(NamedTuple):
    """A part of a file that gives no value, and why. Where it `ends` the file, the rest cannot be read."""

    reason: str
    excerpt: str
    value: str
    ends: bool = False


def json_values(pieces: Iterator[str], longest: int) -> Iterator[Any | Fault]:
    """The values of a text that comes in pieces, decoded with errors="surrogateescape".

    An array gives its items, anything else the values that follow each other, mostly a line each. What is no JSON, or no
    end of it within `longest` characters, costs its line, and in an array the rest of the file.
    """
    text = _Text(pieces)
    is_array = text.next_character() == "["
    if is_array:
        text.at += 1
    while first := text.next_character():
        if is_array and first == "]":
            return
        try:
            value = text.value(longest)
        except (ValueError, RecursionError) as error:  # ValueError: numbers of thousands of digits, too
            value = Fault("not_json", text.skip_line(), str(error)[:100], ends=is_array)
        yield value
        if isinstance(value, Fault) and value.ends:
            return
    if is_array:
        yield Fault("not_json", "", "the array has no end", ends=True)


class _Text:
    """What was read and not yet taken: never more than the longest value and a piece."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._is_whole = False
        self.at = 0

    def next_character(self) -> str:
        """The one that begins the next value; nothing at the end."""
        while True:
            if found := _SEPARATORS.match(self._text, self.at):
                self.at = found.end()
            if self.at < len(self._text) or self._is_whole:
                return self._text[self.at : self.at + 1]
            self._read()

    def value(self, longest: int) -> Any | Fault:
        """Take the next value. ValueError or RecursionError where there is none: nothing is taken then."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self.at)
            except (ValueError, RecursionError):
                if self._is_whole or len(self._text) - self.at > longest:
                    raise
            else:
                if end < len(self._text) or self._is_whole:  # at the end of a piece, a number may go on in the next
                    begins, self.at = self.at, end
                    return Fault("not_utf8", "", "invalid byte") if self._is_damaged(begins) else value
            self._read()

    def skip_line(self) -> str:
        """Leave the rest of a line out, and give its beginning."""
        begins, end = self.at, self._text.find("\n", self.at)
        self.at = len(self._text) if end < 0 else end
        return self._text[begins : min(self.at, begins + 200)].encode("utf-8", "replace").decode("utf-8")

    def _is_damaged(self, begins: int) -> bool:
        return bool(_NOT_UTF8.search(self._text, begins, self.at))

    def _read(self) -> None:
        piece = next(self._pieces, None)
        self._is_whole = piece is None
        self._text, self.at = self._text[self.at :] + (piece or ""), 0
