"""What every room asks of a text."""

from __future__ import annotations

import os
from pathlib import Path

import regex

_SENTENCE_BORDER = regex.compile(r"(?<=[.!?।۔])\s+|\n+")
_NOT_STORABLE = regex.compile("[\x00\ud800-\udfff]")
_PATH = regex.compile(r"(?<![\w.:/~-])/(?:[^\s/,;\"']+/)*([^\s/,;\"']+)")  # in a text; one with spaces only by itself
_JOINERS = "\u200c\u200d"
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# The words that English instructions can hardly do without: they tell more of a short one than letters do.
ENGLISH_FUNCTION_WORDS = frozenset((
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "can", "describe", "do", "does", "explain", "for",
    "from", "give", "has", "have", "how", "i", "in", "is", "it", "me", "my", "of", "or", "should", "tell", "that",
    "the", "their", "they", "this", "to", "use", "was", "were", "what", "when", "where", "which", "who", "why",
    "will", "with", "write", "you", "your",
))  # fmt: skip
LONGEST_WORD = 30  # characters; longer ones are runs of a script without spaces


def is_storable(text: str) -> bool:
    """Whether a text can be written as UTF-8 and read by everything: no lone surrogate, no NUL."""
    return not _NOT_STORABLE.search(text)


def as_utf8(name: str) -> str:
    """The name of a file as it can be shown and stored; where it is not UTF-8, with a mark for what cannot be read."""
    return os.fsencode(name).decode("utf-8", "replace")


def without_folders(text: str) -> str:
    """A text as it may leave this machine: of every absolute path the last part, since where it lies says nothing to others."""
    return Path(text).name if Path(text).is_absolute() else _PATH.sub(r"\1", text)


def printable(text: str) -> str:
    """A text without control characters and without the marks that turn the direction of what follows.

    The joiners stay: Persian, Urdu, Bengali and Hindi spell with them.
    """
    return "".join(c for c in text if (c.isprintable() and c not in _DIRECTION_MARKS) or c in _JOINERS)


def whole_sentences(text: str) -> list[str]:
    """Sentences by end marks and line ends; a text without any of these is one."""
    return [part for part in _SENTENCE_BORDER.split(text) if part]


def sentences(text: str) -> list[str]:
    """Sentences by end marks and line ends; where there is only one, its words; where there is only one, its letters."""
    for parts in (whole_sentences(text), text.split()):
        if len(parts) > 1:
            return parts
    letters: list[str] = regex.findall(r"\X", text)
    return letters


def join_like(text: str, parts: list[str]) -> str:
    """Parts of a text joined as its script joins them."""
    return (" " if " " in text else "").join(parts)


def words(text: str) -> list[str]:
    """Words by white space; in scripts without spaces, runs of up to seven letters with their marks."""
    found = text.split()
    return regex.findall(r"\X{1,7}", text) if max(map(len, found), default=0) > LONGEST_WORD else found
