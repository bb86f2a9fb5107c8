"""Which rows make a step, in which order, and which of them go through the model together."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from xinstr_core.engines.encoding import padded_length
from xinstr_core.identity import content_key
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.rows import IGNORED, TrainingRow

_GROUPED_BATCHES = 8  # batches whose rows are sorted by length together: little padding, and still a random order
PASS_TOKENS = 64  # what one more pass through the model costs, in tokens (pocket model and Gemma 3 270M on two cores)


def hold_out(rows: Sequence[TrainingRow], share: float) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """(rows to learn from, those of `share` of the different ones, at least one): the same ones for the same rows.

    Rows of the same tokens stay together, so that nothing held out is learned. All are learned from where none differ.
    """
    contents = [content_key("held out", *map(str, row.input_ids)) for row in rows]
    different = sorted(set(contents))
    chosen = set(different[: min(len(different) - 1, max(1, round(share * len(different))))])
    learned, held_out = (
        [row for row, content in zip(rows, contents, strict=True) if (content in chosen) is wanted]
        for wanted in (False, True)
    )
    return learned, held_out


def training_steps(rows: Sequence[TrainingRow], settings: TrainingSettings) -> list[list[TrainingRow]]:
    """The rows of every optimizer step, over all epochs: the same for the same seed, a restart included.

    Each epoch is shuffled, sorted by length within groups of batches, and its batches shuffled again. Grouping gave
    1.8 times the rows a second of random batches on CPU.
    """
    rng = random.Random(f"training order {settings.seed}")
    wanted = max(1, math.ceil(len(rows) * settings.epochs))
    ordered: list[TrainingRow] = []
    while len(ordered) < wanted:
        epoch = rng.sample(list(rows), len(rows))
        group = settings.batch_rows * _GROUPED_BATCHES
        batches = []
        for start in range(0, len(epoch), group):
            grouped = sorted(epoch[start : start + group], key=lambda row: len(row.input_ids))
            batches += [grouped[i : i + settings.batch_rows] for i in range(0, len(grouped), settings.batch_rows)]
        rng.shuffle(batches)
        ordered += [row for batch in batches for row in batch]
    return [ordered[i : min(i + settings.batch_rows, wanted)] for i in range(0, wanted, settings.batch_rows)]


def micro_batches(rows: Sequence[TrainingRow], tokens: int) -> list[list[TrainingRow]]:
    """Rows of one step in groups that go through the model at once: at most `tokens` with padding, or a single row.

    Of all such groups of rows of similar length those with the least padding and the fewest passes, each of which
    counts as PASS_TOKENS.
    """
    ordered = sorted(rows, key=lambda row: len(row.input_ids))
    best: list[tuple[int, list[list[TrainingRow]]]] = [(0, [])]  # the cost of the first rows, and their groups
    for end in range(1, len(ordered) + 1):
        longest = padded_length(len(ordered[end - 1].input_ids))
        most = max(1, tokens // longest)
        best.append(
            min(
                (
                    (best[start][0] + longest * (end - start) + PASS_TOKENS, [*best[start][1], ordered[start:end]])
                    for start in range(max(0, end - most), end)
                ),
                key=lambda found: found[0],
            )
        )
    return best[-1][1]


def packs(rows: Sequence[TrainingRow], tokens: int) -> list[list[TrainingRow]]:
    """Rows of one step in groups that go through the model as one sequence of at most `tokens`, or a single row.

    The longest first, each into the first group with room for it: within 11/9 of the fewest groups (Johnson 1973).
    """
    groups: list[list[TrainingRow]] = []
    for row in sorted(rows, key=lambda row: -len(row.input_ids)):
        fitting = (group for group in groups if packed_tokens([*group, row]) <= tokens)
        group = next(fitting, None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return groups


def padded_tokens(rows: Sequence[TrainingRow]) -> int:
    """What a group of rows takes with its padding."""
    return len(rows) * padded_length(max(len(row.input_ids) for row in rows))


def packed_tokens(rows: Sequence[TrainingRow]) -> int:
    """What a group of rows takes as one sequence."""
    return padded_length(sum(len(row.input_ids) for row in rows))


def collate(pad_token: int, rows: Sequence[TrainingRow], positions: int | None = None) -> dict[str, Any]:
    """Right-padded `input_ids` and `labels`, both (rows, padded length), for a model with so many positions.

    A causal model's row sees nothing of the padding behind it.
    """
    import torch

    longest = padded_length(max(len(row.input_ids) for row in rows), positions)

    def padded(values: list[int], filler: int) -> list[int]:
        return values + [filler] * (longest - len(values))

    return {
        "input_ids": torch.tensor([padded(row.input_ids, pad_token) for row in rows]),
        "labels": torch.tensor([padded(row.labels, IGNORED) for row in rows]),
    }


def pack(pad_token: int, rows: Sequence[TrainingRow]) -> dict[str, Any]:
    """One sequence of all rows and some padding: `input_ids`, `labels` and `position_ids`, each (1, packed_tokens()).

    Positions begin anew with every row, by which transformers knows where one ends; nothing predicts a row's first token.
    """
    import torch

    filler = packed_tokens(rows) - sum(len(row.input_ids) for row in rows)
    lengths = [*(len(row.input_ids) for row in rows), filler]
    return {
        "input_ids": torch.tensor([[*(token for row in rows for token in row.input_ids), *[pad_token] * filler]]),
        "labels": torch.tensor(
            [[*(label for row in rows for label in (IGNORED, *row.labels[1:])), *[IGNORED] * filler]]
        ),
        "position_ids": torch.tensor([[position for length in lengths for position in range(length)]]),
    }


def labels_of(rows: Sequence[TrainingRow]) -> int:
    """Trainable tokens: nothing stands before a row's first one to predict it."""
    return sum(label != IGNORED for row in rows for label in row.labels[1:])
