"""Training rows: a prompt, a completion, and an explicit label for every token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.text import is_storable

CHANGED_BY_TEMPLATE = "changed_by_chat_template"

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
    prompt_format: PlainFormat, examples: Sequence[Example], maximum_tokens: int, embedded: int | None = None
) -> tuple[list[TrainingRow], list[RejectedRow]]:
    """Rows with response-only labels, what ends a response included, so that the model learns to stop.

    An example without a trainable token, longer than `maximum_tokens`, with a token that is not among the `embedded`
    ones of the weights, or with a text that a chat template changes is rejected, never cut.
    """
    rows: list[TrainingRow] = []
    rejected: list[RejectedRow] = []
    for example in examples:
        if not is_storable(example.prompt + example.completion):
            rejected.append(RejectedRow(example.key, "not_text", 0))
            continue
        try:
            made = prompt_format.encoded(example.prompt, example.completion)
        except ValueError:
            rejected.append(RejectedRow(example.key, CHANGED_BY_TEMPLATE, 0))
            continue
        total = len(made.prompt) + len(made.completion) + len(made.end)
        if not made.completion:
            rejected.append(RejectedRow(example.key, "no_trainable_token", total))
        elif total > maximum_tokens:
            rejected.append(RejectedRow(example.key, "too_many_tokens", total))
        elif embedded is not None and max(*made.prompt, *made.completion, *made.end) >= embedded:
            rejected.append(RejectedRow(example.key, "token_without_embedding", total))
        else:
            learned = made.completion + made.end
            rows.append(TrainingRow(example.key, made.prompt + learned, [IGNORED] * len(made.prompt) + learned))
    return rows, rejected
