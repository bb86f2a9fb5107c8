"""What engines have in common that run the base model elsewhere and are asked by token ids.

What is asked are the ids that training and the engine in this process take, too, so nothing that a text writes can be
taken for a control token, and nobody else renders a chat template.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xinstr_core.engines.adapters import changes_nothing, check_fits_base
from xinstr_core.engines.base import Capability, Completion, Decoding, LabelScores, Request, TokenScores, Usage
from xinstr_core.engines.models import ModelReference, load_prompt_format, load_tokenizer
from xinstr_core.engines.reading import Row, first_tokens, row_of
from xinstr_core.errors import InputError, SettingsError

Ids = tuple[int, ...]
PROBE = "Which river flows here? Mto, नदी, แม่น้ำ, نہر"
# Nothing that was trained on text leaves a score of forty tokens where it was to so many digits.
_SAME = 1e-6


@dataclass(frozen=True)
class Written:
    """What was written after a row: its ids or, where nobody tells these, its text; both without the stop token."""

    ids: Ids | None
    text: str
    tokens: int
    finished: bool


class AskedByTokenIds(ABC):
    """A causal language model elsewhere: the base as it is, or what train_adapter() left in `adapter`."""

    capabilities = frozenset(
        {Capability.GENERATE, Capability.SCORE_COMPLETIONS, Capability.SCORE_LABELS, Capability.ADAPTERS}
    )
    usage: Usage
    rows_at_once: int

    def __init__(self, base: ModelReference) -> None:
        self._base = base
        self._format = load_prompt_format(base, load_tokenizer(base))

    def batches_at_once(self, batch_rows: int) -> int:
        return -(-2 * self.rows_at_once // batch_rows)

    @abstractmethod
    def give_up(self) -> None:
        """As of TakesMany."""

    @abstractmethod
    def _told(self, message: str) -> str:
        """A message, with where this engine is."""

    @abstractmethod
    def _written(
        self, rows: Sequence[Ids], seeds: Sequence[int], decoding: Decoding, stops: Sequence[int]
    ) -> list[Written]:
        """What follows the rows, up to one of the `stops`; what is sampled depends on a row's seed alone."""

    @abstractmethod
    def _scored(self, rows: Sequence[Ids]) -> list[list[float]]:
        """Natural log-probabilities of every token of each row, the first one's 0: nothing stands before it."""

    @abstractmethod
    def _scored_next(self, rows: Sequence[Ids], tokens: Sequence[Ids]) -> list[list[float]]:
        """Natural log-probabilities with which each row's own tokens follow it, each by itself."""

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """What is sampled is drawn elsewhere, from a seed of the row's key. SettingsError for what cannot be decoded so."""
        if decoding.guidance or decoding.repetition_penalty != 1:
            raise SettingsError(self._told("it decodes without guidance and without a repetition penalty"))
        rows = [row_of(self._format, request.prompt, request.completion) for request in requests]
        seeds = [_seed(request.key, decoding) for request in requests]
        written = self._written(list(map(_whole, rows)), seeds, decoding, self._format.stops)
        return [self._completion(*one) for one in zip(requests, rows, written, strict=True)]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        rows = [row_of(self._format, request.prompt, request.completion) for request in requests]
        found = self._scored([(*_whole(row), row.end) for row in rows])
        scores = [values[len(row.prompt) :] for row, values in zip(rows, found, strict=True)]
        return [
            TokenScores(request.key, tuple(values[:-1]), values[-1])
            for request, values in zip(requests, scores, strict=True)
        ]

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        """Raises ValueError for labels that begin with the same token."""
        rows, asked_for = list[Ids](), list[Ids]()
        for request in requests:
            shared, first = first_tokens([row_of(self._format, request.prompt, label) for label in labels], labels)
            rows.append(_whole(shared))
            asked_for.append(tuple(first))
        found = self._scored_next(rows, asked_for)
        return [LabelScores(request.key, tuple(values)) for request, values in zip(requests, found, strict=True)]

    def embed(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError("it has no such capability")

    def probe(self, adapter: Path | None = None, unadapted: AskedByTokenIds | None = None) -> None:
        """InputError where scores, stop tokens or the adapter do not bind: better now than wrong numbers for a night.

        `unadapted` is the same engine without the adapter.
        """
        if adapter is not None:
            check_fits_base(self._base, adapter)
        row = _whole(row_of(self._format, PROBE))
        asked = [row, row[:-1], row[:-2]]  # some fail on several at once alone
        scores = self._scored(asked) if Capability.SCORE_COMPLETIONS in self.capabilities else []
        if scores and (scored := len(scores[0])) != len(row):
            raise InputError(
                self._told(f"of {len(row)} token ids it scored {scored}: it has to take prompts as token ids")
            )
        first = self._written([row], [0], Decoding(1), ())[0]
        if first.ids and not self._written([row], [0], Decoding(4), first.ids)[0].finished:
            raise InputError(
                self._told("it goes on after a token that is to stop it: its stop_token_ids have no effect")
            )
        if adapter is None or unadapted is None or changes_nothing(adapter):
            return
        without = unadapted._scored(asked)
        if all(abs(one - other) < _SAME for one, other in zip(scores[0], without[0], strict=True)):
            raise InputError(
                self._told(f"with the adapter in {adapter} it scores as without it: the adapter has no effect")
            )

    def _completion(self, request: Request, row: Row, written: Written) -> Completion:
        if written.ids is None:
            text = request.completion + written.text
        else:
            text = self._format.text([*row.following, *written.ids])
        return Completion(request.key, text, len(row.prompt), written.tokens, written.finished)


def _whole(row: Row) -> Ids:
    return (*row.prompt, *row.following)


def _seed(key: str, decoding: Decoding) -> int:
    """What is sampled for a row depends on seed and key: 31 bits, which all take."""
    return int.from_bytes(hashlib.sha256(f"{decoding.seed}|{key}".encode()).digest()[:4], "big") >> 1
