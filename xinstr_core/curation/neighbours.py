"""Is what is asked of a text what is asked of texts like it?

A reverse model and an adapter that learned from the same seeds make the same mistakes, so one cannot catch the other at
them. The seeds whose texts are most alike can: in the untouched base model's own space, which no seed has bent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
import polars as pl

from xinstr_core.curation.grounding import RareWords, unheld_words
from xinstr_core.identity import normalised
from xinstr_core.schemas.evaluator import NEIGHBOURS
from xinstr_core.text import join_like, sentences

RUN = 4  # characters: the stem of a word in most languages (McNamee and Mayfield 2004)
NEAREST = 8  # seeds: enough for several wordings of one request among a few hundred


@dataclass(frozen=True)
class Neighbours:
    """Seed pairs with the vectors of their texts. `table`: NEIGHBOURS, sorted by pair_id."""

    table: pl.DataFrame

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str, str]], vectors: Any) -> Neighbours:
        """From (pair_id, instruction, response) and the vectors (rows, dimensions) of the responses."""
        table = [(*row, vector.tolist()) for row, vector in zip(rows, vectors, strict=True)]
        return cls(pl.DataFrame(table, schema=NEIGHBOURS.schema, orient="row").sort("pair_id"))

    def nearest(self, vectors: Any) -> list[list[str]]:
        """Keys of the NEAREST seeds by cosine around the seeds' centre, for vectors (rows, dimensions); ties by key."""
        alike = _unit(vectors - self._centre) @ _unit(self._vectors - self._centre).T
        keys = self.table["pair_id"].to_list()
        return [[keys[index] for index in order] for order in numpy.argsort(-alike, axis=1, kind="stable")[:, :NEAREST]]

    def alike(self, first: Any, second: Any) -> list[float]:
        """Cosine around the seeds' centre of each row of `first` with the same row of `second`; 0 for what is no number."""
        cosines = (_unit(first - self._centre) * _unit(second - self._centre)).sum(axis=1)
        return [float(value) for value in numpy.nan_to_num(cosines)]

    def shared_request(self, instruction: str, response: str, nearest: Sequence[str], rare: RareWords) -> float:
        """Share of the request that the nearest seeds' instructions share, each word weighed by its rarity; 1 for no words.

        The request is what the instruction says beyond the words of its text.
        """
        known = {word for key in nearest for word in self._requests[key]}
        weights = {word: rare.rarity(word) for word in unheld_words(instruction, response)}
        whole = sum(weights.values())
        return sum(weight for word, weight in weights.items() if word in known) / whole if whole > 0 else 1.0

    @cached_property
    def _vectors(self) -> Any:
        return numpy.array(self.table["vector"].to_list(), dtype=numpy.float32)

    @cached_property
    def _centre(self) -> Any:
        return self._vectors.mean(axis=0)

    @cached_property
    def _requests(self) -> dict[str, list[str]]:
        rows = self.table.select("pair_id", "instruction", "response").iter_rows()
        return {key: unheld_words(instruction, response) for key, instruction, response in rows}


def halves(text: str) -> tuple[str, str]:
    """The first and the second half of a text's sentences, of a single one of its words, of a single word of its letters."""
    parts = sentences(text)
    middle = len(parts) // 2
    return join_like(text, parts[:middle]) or text, join_like(text, parts[middle:]) or text


def shared_runs(first: str, second: str) -> float:
    """Share of the distinct runs of RUN characters of the text that has fewer which stand in the other, too; 0 without any.

    Runs and not words, since words bend, and some scripts do not part them.
    """
    fewer, more = sorted((_runs(first), _runs(second)), key=len)
    return len(fewer & more) / len(fewer) if fewer else 0.0


def _runs(text: str) -> set[str]:
    form = normalised(text)
    return {form[start : start + RUN] for start in range(len(form) - RUN + 1)}


def _unit(vectors: Any) -> Any:
    return vectors / numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
