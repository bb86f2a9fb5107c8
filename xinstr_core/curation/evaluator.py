"""The evaluator: a model that rates (instruction, response) pairs, and the proof that it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import polars as pl

from xinstr_core.curation.rating_set import LEVELS, Pair, RatedPair
from xinstr_core.engines.base import Request, length_sorted_batches
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.resume import run_batches
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas import frame
from xinstr_core.settings import AdapterSettings
from xinstr_core.store import ShardLog
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example

RATING_BATCH_ROWS = 64
SCORE_SCHEMA = pl.Schema(
    {"pair_id": pl.String, "p_level_1": pl.Float64, "p_level_2": pl.Float64, "p_level_3": pl.Float64}
)
PROBABILITIES = ("p_level_1", "p_level_2", "p_level_3")


@dataclass(frozen=True)
class Validation:
    """How well an evaluator does on rows that it did not learn from."""

    rows: int
    accuracy: float
    calibration_error: float
    area_under_curve: float
    confusion: list[list[int]]

    def figures(self) -> dict[str, Any]:
        return {
            "held-out rows": self.rows,
            "accuracy": round(self.accuracy, 4),
            "expected calibration error": round(self.calibration_error, 4),
            "AUC of level 3": round(self.area_under_curve, 4),
            "confusion (true level by predicted level)": self.confusion,
        }


def split_pairs(pairs: Sequence[Pair], held_out_share: float) -> tuple[list[Pair], list[Pair]]:
    """(for training, held out) by key: a pair stays on its side whatever else is added.

    By other digits than those that sort keys: seeds are chosen by the lowest keys, and would be held out too often.
    """
    held = {pair.key for pair in pairs if int(pair.key[8:16], 16) / 0x1_0000_0000 < held_out_share}
    return [pair for pair in pairs if pair.key not in held], [pair for pair in pairs if pair.key in held]


def train_evaluator(
    base: ModelReference,
    rated: Sequence[RatedPair],
    settings: AdapterSettings,
    folder: Path,
    *,
    start_from: Path | None = None,
    progress: Progress = silent,
) -> TrainedAdapter:
    """Teach a model to write the level after the rating prompt: the loss is on that one token and the end."""
    examples = [Example(row.key, rating_prompt(row.instruction, row.response), row.level) for row in rated]
    return train_adapter(base, examples, settings, folder, start_from=start_from, progress=progress)


def rating_prompt(instruction: str, response: str) -> str:
    return prompt("rating").render(instruction=instruction, response=response)


def rate(
    base: ModelReference, adapter: Path, requests: Sequence[Request], shards: ShardLog, progress: Progress = silent
) -> pl.DataFrame:
    """Level probabilities of every request (prompts from `rating_prompt`): one forward pass, so no row can fail to parse."""

    def score(engine: TransformersEngine, batch: list[Request]) -> pl.DataFrame:
        rows = [(scores.key, *numpy.exp(scores.log_probabilities)) for scores in engine.score_labels(batch, LEVELS)]
        return frame([dict(zip(SCORE_SCHEMA.names(), row, strict=True)) for row in rows], SCORE_SCHEMA)

    frames = run_batches(
        lambda: TransformersEngine(base, adapter),
        length_sorted_batches(requests, RATING_BATCH_ROWS),
        shards,
        score,
        progress,
    )
    return pl.concat([SCORE_SCHEMA.to_frame(), *frames]).sort("pair_id")


def rate_rated(base: ModelReference, adapter: Path, rated: Sequence[RatedPair], shards: ShardLog) -> pl.DataFrame:
    """The rated rows with the evaluator's probabilities beside their true level."""
    truth = pl.DataFrame(
        [{"pair_id": row.key, "level": row.level, "construction": row.construction} for row in rated],
        schema={"pair_id": pl.String, "level": pl.String, "construction": pl.String},
    )
    requests = [Request(row.key, rating_prompt(row.instruction, row.response)) for row in rated]
    return truth.join(rate(base, adapter, requests, shards), on="pair_id", how="left", maintain_order="left")


def validate(rows: pl.DataFrame, bins: int = 10) -> Validation:
    """Accuracy, expected calibration error (Guo et al. 2017, equal-width bins) and AUC of p(level 3).

    `rows` has `level` and the three probabilities. No rows, or one level only, give an accuracy of 0: not valid.
    """
    if rows["level"].n_unique() < 2:
        return Validation(len(rows), 0.0, 1.0, 0.5, [[0] * 3 for _ in LEVELS])
    probabilities = rows.select(PROBABILITIES).to_numpy()
    truth = numpy.array([LEVELS.index(level) for level in rows["level"]])
    predicted = probabilities.argmax(axis=1)
    confidence, right = probabilities.max(axis=1), predicted == truth
    bin_of = numpy.minimum((confidence * bins).astype(int), bins - 1)
    error = sum(
        abs(float(right[bin_of == b].mean()) - float(confidence[bin_of == b].mean())) * float((bin_of == b).mean())
        for b in range(bins)
        if (bin_of == b).any()
    )
    confusion = [[int(((truth == t) & (predicted == p)).sum()) for p in range(3)] for t in range(3)]
    return Validation(
        len(rows), float(right.mean()), error, _area_under_curve(probabilities[:, 2], truth == 2), confusion
    )


def _area_under_curve(scores: Any, positive: Any) -> float:
    """The chance that a positive scores above a negative, ties counted half (Mann-Whitney U); 0.5 without both."""
    if positive.all() or not positive.any():
        return 0.5
    ranks = pl.Series(scores).rank("average").to_numpy()
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
