"""The engine protocol: keyed requests in, keyed results out, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

# Rows that are scored between two shards: what a kill can cost.
SCORED_ROWS = 8


@dataclass(frozen=True)
class Request:
    """A prompt with the key its result will carry, and the completion to score, or the words to go on from.

    `against` is the prompt that decoding with guidance leads away from.
    """

    key: str
    prompt: str
    completion: str = ""
    against: str = ""


@dataclass(frozen=True)
class Decoding:
    """How to decode. `temperature` 0 is greedy. What is sampled for a row depends on `seed` and its key alone.

    With `guidance` g a token's score is log p(token | prompt) + g (log p(token | prompt) - log p(token | against)), as in
    classifier-free guidance (Sanchez et al. 2023, arXiv 2306.17806, section 2.2), among tokens that are not much less
    likely than the likeliest.

    With a `repetition_penalty` p the score of a token that the row has written already is divided by p, or multiplied where
    it is negative (Keskar et al. 2019, arXiv 1909.05858, section 4.1), prompt and opening not counted.
    """

    maximum_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    guidance: float = 0.0
    # Keys of tried instructions hold a decoding as it is written out, and there is no penalty for them.
    repetition_penalty: float = field(default=1.0, repr=False)

    def identity(self) -> dict[str, float]:
        """What keys and fingerprints of what it writes hold: all of it, a penalty only where there is one."""
        named = asdict(self)
        if self.repetition_penalty == 1:
            del named["repetition_penalty"]
        return named


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
    """Natural log-probability with which the answer to a prompt begins as each label does, in the order of the labels."""

    key: str
    labels: tuple[float, ...]


@dataclass(frozen=True)
class TokenScores:
    """Natural log-probabilities of a completion's tokens, and of the end of text after them, given the prompt."""

    key: str
    tokens: tuple[float, ...]
    end: float


@dataclass
class Usage:
    """What an engine has done since it was loaded: rows, tokens, tries that came to nothing, busy seconds."""

    rows: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    retries: int = 0
    seconds: float = 0.0
    gpu_seconds: float = 0.0

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def __iadd__(self, other: Usage) -> Self:
        for name, more in asdict(other).items():
            setattr(self, name, getattr(self, name) + more)
        return self


class Capability(StrEnum):
    """What an engine may be able to do; ADAPTERS: to load what was trained on its base.

    GUIDANCE and REPETITION_PENALTY are of its decoding, as Decoding means them.
    """

    GENERATE = "generate"
    SCORE_COMPLETIONS = "score completions"
    SCORE_LABELS = "score labels"
    EMBED = "embed"
    ADAPTERS = "adapters"
    GUIDANCE = "guidance"
    REPETITION_PENALTY = "repetition penalty"


class Engine(Protocol):
    """A loaded model. `capabilities` are its class's, or those of them that it was seen to have; `usage` grows with what it does.

    Requests of one call whose `prompt` is equal share that beginning: the candidates of a text, the openings that are
    tried for it, the instructions that are scored after it. An engine may read it once. How many of them it reads at
    once is its own affair. A row that it cannot take is one of ROW_FAULTS (engines/faults.py), with the reason.
    """

    capabilities: frozenset[Capability]
    usage: Usage

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """Completions, each beginning with its request's own `completion`."""

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        """Given completions scored: nothing is sampled, so nothing can fail to parse."""

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        """Prompts, each asked for the same few labels."""

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit vectors (texts, dimensions) in float32, in the order of the texts."""


@runtime_checkable
class TakesMany(Protocol):
    """An engine that has use for several batches at once, given to it by as many threads."""

    def batches_at_once(self, batch_rows: int) -> int:
        """How many of so many rows: those that it works at, and as many that wait while the last rows of these are made."""

    def give_up(self) -> None:
        """Let what is under way come to nothing: calls that wait for it end with an error."""


@runtime_checkable
class TakesAdapters(Protocol):
    """An engine whose weights serve other adapters as well, without being loaded again."""

    def with_adapter(self, adapter: Path | None) -> Engine | None:
        """The same weights with another adapter, or none; nothing where this one has to be loaded by itself."""
