"""The evaluator: what rates (instruction, response) pairs, and the proof that it can.

An adapter that learns to write the instruction of a text, and a head: a logistic regression from the signals of a pair
to its level. The head learns on the rating set of seeds that the adapter has not seen, so that surprise means there what
it will mean on candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy
import polars as pl

from xinstr_core.curation.rating_set import LEVELS, Pair, RatedPair, build_rating_set
from xinstr_core.curation.signals import SIGNALS, read_signals
from xinstr_core.engines.models import ModelReference
from xinstr_core.errors import StageError
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import EvaluatorSettings
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example

PROBABILITIES = ("p_level_1", "p_level_2", "p_level_3")
RATING_SCHEMA = pl.Schema({"pair_id": pl.String, **dict.fromkeys((*PROBABILITIES, *SIGNALS), pl.Float64)})
_INTERCEPT = "intercept"
_WEIGHTS = ("weight_1", "weight_2", "weight_3")
# Inverse strength of the penalty on weights of standardised signals. Ten times weaker than the library's default: with
# some 250 rating rows for 21 weights, 1 left the rarest construction (echo) unlearned.
_INVERSE_PENALTY = 10.0


@dataclass(frozen=True)
class Validation:
    """How well an evaluator does on rows that it did not learn from."""

    rows: int
    accuracy: float
    calibration_error: float
    area_under_curve: float
    confusion: list[list[int]]

    def may_gate(self, settings: EvaluatorSettings) -> bool:
        """Whether an evaluator that did so well, on so many rows, may decide what is kept."""
        return self.rows >= settings.minimum_held_out_rows and self.accuracy >= settings.minimum_accuracy

    def figures(self) -> dict[str, Any]:
        return {
            "held-out rows": self.rows,
            "accuracy": round(self.accuracy, 4),
            "expected calibration error": round(self.calibration_error, 4),
            "AUC of level 3": round(self.area_under_curve, 4),
            "confusion (true level by predicted level)": self.confusion,
        }


@dataclass(frozen=True)
class Head:
    """Multinomial logistic regression over standardised signals, as a table: one row a signal and one of intercepts.

    Columns: signal, mean, scale, and the weight of the standardised signal for each level.
    """

    table: pl.DataFrame

    @classmethod
    def fit(cls, signals: pl.DataFrame, levels: Sequence[str]) -> Self:
        """The head for `signals` (rows in the order of `levels`). Without rows of every level, one that knows nothing."""
        from sklearn.linear_model import LogisticRegression

        weights = numpy.zeros((len(SIGNALS) + 1, len(LEVELS)))
        means, scales = numpy.zeros(len(SIGNALS)), numpy.ones(len(SIGNALS))
        if set(levels) == set(LEVELS):
            values = signals.select(SIGNALS).to_numpy()
            means, scales = values.mean(axis=0), values.std(axis=0)
            scales[scales < 1e-6] = 1.0  # the table keeps six decimals
            model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=5000).fit((values - means) / scales, list(levels))
            weights = numpy.vstack([model.coef_.T, model.intercept_])
        columns = {
            "signal": [*SIGNALS, _INTERCEPT],
            "mean": [*means, 0.0],
            "scale": [*scales, 1.0],
            **dict(zip(_WEIGHTS, weights.T, strict=True)),
        }
        return cls(pl.DataFrame(columns).with_columns(pl.selectors.float().round(6)))

    def rate(self, signals: pl.DataFrame) -> pl.DataFrame:
        """RATING_SCHEMA: the level probabilities of every row of signals, and the signals that gave them."""
        names = self.table["signal"].to_list()[:-1]
        means, scales = (self.table[name].to_numpy()[:-1] for name in ("mean", "scale"))
        weights = self.table.select(_WEIGHTS).to_numpy()
        logits = (signals.select(names).to_numpy() - means) / scales @ weights[:-1] + weights[-1]
        likelihoods = numpy.exp(logits - logits.max(axis=1, keepdims=True, initial=-numpy.inf))
        probabilities = likelihoods / likelihoods.sum(axis=1, keepdims=True)
        columns = [pl.Series(name, probabilities[:, index]) for index, name in enumerate(PROBABILITIES)]
        return signals.with_columns(columns).select(RATING_SCHEMA.names())


@dataclass(frozen=True)
class Evaluator:
    """A trained adapter and the head that reads it."""

    adapter: Path
    head: Head

    def rate(
        self, base: ModelReference, pairs: Sequence[Pair], folder: Path, progress: Progress = silent
    ) -> pl.DataFrame:
        """RATING_SCHEMA of every pair, by key; what was read lies in `folder`, for a restart or another evaluator."""
        return self.head.rate(read_signals(base, self.adapter, pairs, folder, progress))

    def rate_rated(self, base: ModelReference, rated: Sequence[RatedPair], folder: Path) -> pl.DataFrame:
        """The rating set with its ratings: `level` and `construction` beside RATING_SCHEMA, in its own order."""
        truth = pl.DataFrame(
            [{"pair_id": row.key, "level": row.level, "construction": row.construction} for row in rated],
            schema={"pair_id": pl.String, "level": pl.String, "construction": pl.String},
        )
        return truth.join(self.rate(base, rated, folder), on="pair_id", how="left", maintain_order="left")


def train_evaluator(
    base: ModelReference,
    pairs: Sequence[Pair],
    settings: EvaluatorSettings,
    folder: Path,
    *,
    added: Sequence[Pair] = (),
    start_from: Path | None = None,
    progress: Progress = silent,
) -> tuple[Evaluator, TrainedAdapter]:
    """Train the adapter on most `pairs` and on all `added`, and the head on the rating set of the others.

    Killed and run again with the same `folder`, it goes on where it was.
    """
    for_adapter, for_head = split_pairs(pairs, settings.head_share, digits=slice(16, 20))
    if not for_adapter:
        raise StageError(f"{len(pairs)} seed pairs are too few to train an evaluator on: give 100 or more")
    reverse = prompt("reverse")
    examples = [
        Example(pair.key, reverse.render(text=pair.response), pair.instruction) for pair in (*for_adapter, *added)
    ]
    trained = train_adapter(base, examples, settings, folder / "adapter", start_from=start_from, progress=progress)
    rated = build_rating_set(for_head)
    signals = read_signals(base, trained.folder, rated, folder / "head")
    levels = {row.key: row.level for row in rated}
    return Evaluator(trained.folder, Head.fit(signals, [levels[key] for key in signals["pair_id"]])), trained


def split_pairs(pairs: Sequence[Pair], share: float, digits: slice = slice(8, 16)) -> tuple[list[Pair], list[Pair]]:
    """(the others, a `share` of the pairs) by key: a pair stays on its side whatever else is added.

    By other `digits` than those that sort keys: seeds are chosen by the lowest keys, and would be taken too often.
    """
    taken = {pair.key for pair in pairs if int(pair.key[digits], 16) / 16 ** len(pair.key[digits]) < share}
    return [pair for pair in pairs if pair.key not in taken], [pair for pair in pairs if pair.key in taken]


def accuracy_by_construction(rated: pl.DataFrame) -> dict[str, float]:
    """Share of rows whose likeliest level is the true one, for each construction of the rating set."""
    rightly = (pl.concat_list(PROBABILITIES).list.arg_max() + 1).cast(pl.String) == pl.col("level")
    shares = rated.group_by("construction").agg(rightly.mean().round(4).alias("share")).sort("construction")
    return dict(shares.iter_rows())


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
