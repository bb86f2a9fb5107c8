"""What a text is made of: how many of its characters are letters of the expected script, digits, symbols and so on."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import regex

from xinstr_core.corpus.runs import code_points
from xinstr_core.scripts import unicode_scripts

# Classes of the table. SHARED letters belong to several scripts: combining marks, the Arabic tatweel.
# FORMAT are those that nobody sees: joiners, direction marks, soft hyphens, variation selectors, as in ❤️.
_OWN, _SHARED, _FOREIGN, _DIGIT, _PUNCTUATION, _SYMBOL, _SPACE, _FORMAT, _CONTROL = range(9)
_CLASSES = 9
# By Unicode's properties as the regex module knows them: Python's own table is years older, and would take new letters for
# unassigned. What comes later wins.
_CLASS_OF_PROPERTIES = {
    r"\p{L}\p{M}": _FOREIGN, r"\p{N}": _DIGIT, r"\p{P}": _PUNCTUATION, r"\p{S}": _SYMBOL, r"\p{C}": _CONTROL,
    r"\uFFFC": _CONTROL, r"\s\p{Z}": _SPACE, r"\p{Cf}\p{Default_Ignorable_Code_Point}": _FORMAT,
}  # fmt: skip

SCRIPTS_WITHOUT_SPACES = frozenset({
    "Bali", "Batk", "Hanb", "Hani", "Hans", "Hant", "Hira", "Hrkt", "Java", "Jpan", "Kana", "Khmr", "Lana", "Laoo", "Mymr",
    "Tale", "Talu", "Thai", "Tibt",
})  # fmt: skip


@dataclass(frozen=True)
class Characters:
    """Counts for one text. Letters are letters and marks: in Thai and Indic scripts, marks are letters."""

    own_letters: int
    letters: int
    digits: int
    punctuation: int
    symbols: int
    controls: int  # private-use and unassigned characters, and what stands for a picture that is gone, too
    invisible: int

    @property
    def visible(self) -> int:
        """All but white space and format characters: Khmer and Persian set the latter between words."""
        return self.letters + self.digits + self.punctuation + self.symbols + self.controls

    @property
    def script_share(self) -> float:
        """Letters of the expected script among letters; 0 for a text without letters."""
        return self.own_letters / self.letters if self.letters else 0.0

    @property
    def symbol_share(self) -> float:
        """Visible characters that are no letters among visible ones; 1 for an empty text."""
        return 1 - self.letters / self.visible if self.visible else 1.0

    @property
    def digit_share(self) -> float:
        return self.digits / self.visible if self.visible else 0.0


def count_characters(text: str, script: str) -> Characters:
    """Count a text's characters; `script` is an ISO 15924 code."""
    counts = np.bincount(_table(script)[code_points(text)], minlength=_CLASSES).tolist()
    own = counts[_OWN] + counts[_SHARED]
    return Characters(
        own_letters=own,
        letters=own + counts[_FOREIGN],
        digits=counts[_DIGIT],
        punctuation=counts[_PUNCTUATION],
        symbols=counts[_SYMBOL],
        controls=counts[_CONTROL],
        invisible=counts[_FORMAT],
    )


def is_plain(text: str) -> bool:
    """Whether a text is letters, digits, marks, symbols and space alone; five times as fast as counting them."""
    return not _hidden()[code_points(text)].any()


def only_letters(text: str, format_characters: bool = True) -> str:
    """The text with everything but letters, marks and, if asked for, format characters turned into spaces."""
    codes = code_points(text)
    classes = _general()[codes]
    stays = (classes == _FOREIGN) | ((classes == _FORMAT) & format_characters)
    kept = np.where(stays, codes, np.uint32(ord(" ")))
    return kept.tobytes().decode("utf-32-le")


def has_letters_with(script: str, properties: str) -> bool:
    """Whether one of a script's own letters or marks has one of Unicode's properties, written as in a set of the regex module."""
    own = np.flatnonzero(_table(script) == _OWN)
    return regex.search(f"[{properties}]", "".join(map(chr, own))) is not None


@cache
def _general() -> Any:
    """Class of every code point, letters of any script alike."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    table = np.empty(sys.maxunicode + 1, dtype=np.uint8)
    for properties, of_class in _CLASS_OF_PROPERTIES.items():
        for run in regex.finditer(f"[{properties}]+", every):
            table[slice(*run.span())] = of_class
    return table


@cache
def _hidden() -> Any:
    return np.isin(_general(), (_FORMAT, _CONTROL))


@cache
def _table(script: str) -> Any:
    table = _general().copy()
    letters = "".join(map(chr, np.flatnonzero(table == _FOREIGN)))
    for names, found in (
        (("Common", "Inherited"), _SHARED),
        (unicode_scripts(script), _OWN),
    ):
        # Script extensions: a mark that several scripts use belongs to each of them.
        pattern = "".join(rf"\p{{scx={name}}}" for name in names)
        for run in regex.finditer(f"[{pattern}]+", letters):
            table[code_points(run.group())] = found
    return table
