"""The engine protocol: keyed requests in, keyed results out, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Request:
    """A prompt with the key its result will carry."""

    key: str
    prompt: str


@dataclass(frozen=True)
class Decoding:
    """How to decode. `temperature` 0 is greedy. `seed` makes sampling repeatable batch by batch."""

    maximum_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Completion:
    """What a model wrote. `finished` is False when it ran into the token limit."""

    key: str
    text: str
    prompt_tokens: int
    completion_tokens: int
    finished: bool


@dataclass(frozen=True)
class LabelScores:
    """Log-probabilities of the labels, normalised over the labels, in their order."""

    key: str
    log_probabilities: tuple[float, ...]


class Engine(Protocol):
    """A loaded model. `fingerprint` tells weights and adapter apart from all others."""

    fingerprint: str

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """One batch of completions."""

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        """One batch of label scores from one forward pass. Labels must differ in their first token."""


def length_sorted_batches(requests: Sequence[Request], rows: int) -> list[list[Request]]:
    """Batches of requests of similar length: little padding. Ties go by key, so they are the same every time."""
    ordered = sorted(requests, key=lambda request: (len(request.prompt), request.key))
    return [ordered[start : start + rows] for start in range(0, len(ordered), rows)]
