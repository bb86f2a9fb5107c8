"""Evaluation text in the corpus: a document that shares a long run of words with a registered evaluation set is refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import regex

from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES
from xinstr_core.corpus.quality import units
from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.errors import InputError

# Ten words: half an evaluation sentence in the languages measured, and longer than the set phrases of news and law. In
# scripts without spaces, as many characters as ten words have there.
_WORDS = 10
_CHARACTERS = 40
_NOT_LETTERS = regex.compile(r"[^\p{L}\p{M}]+")


class EvaluationIndex(Protocol):
    """Where else a text stands. Matching across languages (by embeddings) would be a second one of these."""

    def find(self, text: str) -> str | None:
        """The name of an evaluation set that the text shares content with, or None."""
        ...


@dataclass(frozen=True)
class RunIndex:
    """Runs of words of every text of the evaluation files; the evaluation text's own language only."""

    files: tuple[Path, ...]
    script: str

    def find(self, text: str) -> str | None:
        return next((name for run in _runs(text, self.script) if (name := self._known.get(run))), None)

    def check(self) -> None:
        """InputError when a file cannot be read whole or has no run: it would guard against nothing."""
        for path in self.files:
            if not any(True for text in _texts(path) for _ in _runs(text, self.script)):
                raise InputError(f"evaluation set {path} has no text of {_WORDS} words: correct corpus.evaluation_sets")

    @cached_property
    def _known(self) -> dict[int, str]:
        known: dict[int, str] = {}
        for path in self.files:
            for text in _texts(path):
                for run in _runs(text, self.script):
                    known.setdefault(run, path.stem)
        return known


def _texts(path: Path) -> Iterator[str]:
    for record in read_records(path):
        if isinstance(record, Reject):
            raise InputError(
                f"evaluation set {record.place}: {record.reason} {record.value}: it must be readable whole"
            )
        yield from _texts_in(record.values)


def _texts_in(value: Any) -> Iterator[str]:
    """Every text of a record, those of conversations too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(part)


def _runs(text: str, script: str) -> Iterator[int]:
    """Hashes of all runs, valid within this process. Case, punctuation, spacing and (de)composition do not count."""
    text = unicodedata.normalize("NFC", text)
    if script in SCRIPTS_WITHOUT_SPACES:
        letters = _NOT_LETTERS.sub("", text.casefold())
        yield from (hash(letters[i : i + _CHARACTERS]) for i in range(len(letters) - _CHARACTERS + 1))
    else:
        words = units(text, script)
        yield from (hash(" ".join(words[i : i + _WORDS])) for i in range(len(words) - _WORDS + 1))
