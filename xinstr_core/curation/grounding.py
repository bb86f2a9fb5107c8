"""Do the rare words of an instruction, names and numbers above all, stand in the text that it is to fit?

An instruction about another subject than its text is the commonest mistake of a reverse model, and the cheapest to see:
names cross from the text into the English instruction as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import polars as pl
import regex

from xinstr_core.identity import normalised
from xinstr_core.schemas.evaluator import RARE_WORDS

# Letters with their marks and joiners, and digits.
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+")
_ALL = ""  # the row that holds the number of instructions


@dataclass(frozen=True)
class RareWords:
    """In how many of the seeds' instructions each word stands. `table`: RARE_WORDS."""

    table: pl.DataFrame

    @classmethod
    def count(cls, instructions: Iterable[str]) -> RareWords:
        texts = list(instructions)
        counts = Counter(word for text in texts for word in set(_words(text)))
        rows = sorted({**counts, _ALL: len(texts)}.items())
        return cls(pl.DataFrame(rows, schema=RARE_WORDS.schema, orient="row"))

    def rarity(self, word: str) -> float:
        """Inverse document frequency over seeds' instructions (Sparck Jones 1972), over its maximum: 1 for a new word."""
        most = math.log(self._counts.get(_ALL, 0) + 2)
        return 1 - math.log(self._counts.get(word, 0) + 1) / most

    def missing(self, instruction: str, response: str) -> float:
        """Rarity of the rarest word of the instruction that the response does not hold; 0 for none."""
        return max(map(self.rarity, unheld_words(instruction, response)), default=0.0)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return dict(self.table.iter_rows())


def unheld_words(instruction: str, response: str) -> list[str]:
    """The distinct words of an instruction with which no word of the response begins: many languages inflect at the end."""
    text = normalised(response)
    return [word for word in dict.fromkeys(_words(instruction)) if not _holds(text, word)]


def _words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(normalised(text))
    return found


def _holds(text: str, word: str) -> bool:
    start = text.find(word)
    while start > 0 and _WORD.match(text[start - 1]) and not _is_unspaced(word):
        start = text.find(word, start + 1)
    return start >= 0


def _is_unspaced(word: str) -> bool:
    """Scripts that set no spaces between words: a word begins anywhere."""
    return bool(regex.search(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Han}\p{Hiragana}\p{Katakana}]", word))
