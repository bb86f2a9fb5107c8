"""Training rows: a prompt, a completion, and an explicit label for every token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xinstr_core.engines.encoding import encode, encode_prompt, padded_length, positions
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
    tokenizer: Any, examples: Sequence[Example], maximum_tokens: int
) -> tuple[list[TrainingRow], list[RejectedRow]]:
    """Rows with response-only labels, the end token included, so that the model learns to stop.

    An example without a trainable token, or longer than `maximum_tokens`, is rejected, never cut.
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
        else:
            completion_ids = [*completion_ids, tokenizer.eos_token_id]
            rows.append(
                TrainingRow(example.key, prompt_ids + completion_ids, [IGNORED] * len(prompt_ids) + completion_ids)
            )
    return rows, rejected


def collate(pad_token: int, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Left-padded tensors (rows, padded length) of ids, mask and positions, and labels of the last `logits_to_keep` columns.

    Left, so that all completions end in the last column: the logits of the prompts, most of a batch, are never made.
    """
    import torch

    longest = padded_length(max(len(row["input_ids"]) for row in rows))
    labels = [[IGNORED, *row["labels"][1:]] for row in rows]  # nothing stands before the first token to predict it
    learned = max(sum(label != IGNORED for label in row) for row in labels)
    kept = min(longest, padded_length(learned + 1))  # a column's logits predict the next one

    def padded(values: Sequence[Sequence[int]], filler: int) -> Any:
        return torch.tensor([[filler] * (longest - len(row)) + list(row) for row in values])

    mask = padded([[1] * len(row["input_ids"]) for row in rows], 0)
    return {
        "input_ids": padded([row["input_ids"] for row in rows], pad_token),
        "attention_mask": mask,
        "position_ids": positions(mask),
        "labels": padded(labels, IGNORED)[:, -kept:],
        "logits_to_keep": kept,
    }
