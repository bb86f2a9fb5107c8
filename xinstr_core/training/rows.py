"""Training rows: a prompt, a completion, and an explicit label for every token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.text import is_storable

IGNORED = -100  # the label that torch's cross entropy leaves out of the loss


@dataclass(frozen=True)
class Example:
    """What a model learns: to write `completion` after `prompt`."""

    key: str
    prompt: str
    completion: str


@dataclass(frozen=True)
class TrainingRow:
    """Token ids and labels of one example. Labels are IGNORED on the prompt and the ids themselves after it."""

    key: str
    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class RejectedRow:
    """An example that cannot be trained on, and why."""

    key: str
    reason: str
    tokens: int


def build_rows(
    tokenizer: Any, examples: Sequence[Example], maximum_tokens: int, embedded: int | None = None
) -> tuple[list[TrainingRow], list[RejectedRow]]:
    """Rows with response-only labels, the end token included, so that the model learns to stop.

    An example without a trainable token, longer than `maximum_tokens`, or with a token that is not among the `embedded`
    ones of the weights is rejected, never cut.
    """
    rows: list[TrainingRow] = []
    rejected: list[RejectedRow] = []
    for example in examples:
        if not is_storable(example.prompt + example.completion):
            rejected.append(RejectedRow(example.key, "not_text", 0))
            continue
        prompt_ids = encode_prompt(tokenizer, example.prompt)
        completion_ids = encode(tokenizer, example.completion)
        total = len(prompt_ids) + len(completion_ids) + 1
        if not completion_ids:
            rejected.append(RejectedRow(example.key, "no_trainable_token", total))
        elif total > maximum_tokens:
            rejected.append(RejectedRow(example.key, "too_many_tokens", total))
        elif embedded is not None and max(*prompt_ids, *completion_ids) >= embedded:
            rejected.append(RejectedRow(example.key, "token_without_embedding", total))
        else:
            completion_ids = [*completion_ids, tokenizer.eos_token_id]
            rows.append(
                TrainingRow(example.key, prompt_ids + completion_ids, [IGNORED] * len(prompt_ids) + completion_ids)
            )
    return rows, rejected
