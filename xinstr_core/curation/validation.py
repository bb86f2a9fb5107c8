"""The proof that an evaluator can rate: how it does on pairs that it did not learn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy
import polars as pl

from xinstr_core.curation.rating_set import GENERATED
from xinstr_core.schemas.shared import LEVELS, PROBABILITIES, RIGHT, ValidationFigures
from xinstr_core.settings import EvaluatorSettings
from xinstr_core.statistics import area_under_curve

BINS = 10  # of the reliability plot, equal in width (Guo et al. 2017, section 2)


@dataclass(frozen=True)
class Validation:
    """How well an evaluator does on held-out rows. Each level weighs the same in accuracy, calibration and log loss."""

    rows: int
    accuracy: float
    log_loss: float
    calibration_error: float
    reliability: list[list[float]]
    confusion: list[list[int]]
    areas: dict[str, float]  # areas under curves, by the names of their figures

    def may_gate(self, settings: EvaluatorSettings) -> bool:
        """Whether an evaluator that did so well, on so many rows, may decide what is kept."""
        return self.rows >= settings.minimum_held_out_rows and self.accuracy >= settings.minimum_accuracy

    def advice(self, settings: EvaluatorSettings) -> str:
        """What to do about an evaluator that may not gate; empty for one that may."""
        if self.may_gate(settings):
            return ""
        if self.rows < settings.minimum_held_out_rows:
            wanted = f"{settings.minimum_held_out_rows} held-out rows are needed and there are {self.rows}"
            return f"Not curated: {wanted}. Give more seed pairs whose responses are in the language."
        return (
            f"Not curated: accuracy {self.accuracy:.3f} on held-out rows is below {settings.minimum_accuracy}. Give more "
            "or better seed pairs in the language, or a stronger base model; see the constructions on its page "
            "for what it cannot tell apart, and xinstr audit for what people say."
        )

    def figures(self) -> ValidationFigures:
        return ValidationFigures(
            held_out_rows=self.rows,
            accuracy=round(self.accuracy, 4),
            log_loss=round(self.log_loss, 4) if math.isfinite(self.log_loss) else None,
            calibration_error=round(self.calibration_error, 4),
            confusion=self.confusion,
            reliability=self.reliability,
            **{name: round(value, 4) for name, value in self.areas.items()},
        )


def validate(rows: pl.DataFrame, shuffled: pl.DataFrame) -> Validation:
    """Validation on held-out `rows` of the rating set and, for pair fit, against `shuffled` pairs; both rated.

    `rows` has level, construction, instruction_good, fits, PROBABILITIES and SCORES. No rows, or rows of one level
    only, give an accuracy of 0: not valid. What a model wrote counts apart: its levels are another model's estimate, so
    they say how well right ones are told from wrong ones, and what is kept of them (limits.check), but make no accuracy.
    """
    made = pl.col("construction") != GENERATED
    written, rows = rows.filter(~made), rows.filter(made)
    if rows["level"].n_unique() < 2:
        return Validation(len(rows), 0.0, float("inf"), 1.0, [], [[0] * len(LEVELS) for _ in LEVELS], {})
    probabilities = rows.select(PROBABILITIES).to_numpy()
    truth = numpy.array([LEVELS.index(level) for level in rows["level"]])
    counts = numpy.bincount(truth, minlength=len(LEVELS))
    weights = 1 / (counts[truth] * (counts > 0).sum())
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == truth
    surprise = -numpy.log(numpy.clip(probabilities[numpy.arange(len(truth)), truth], 1e-12, 1))
    error, reliability = calibration(confidence, right, weights)
    own = rows.filter(pl.col("level") == LEVELS[-1])
    return Validation(
        rows=len(rows),
        accuracy=float((right * weights).sum()),
        log_loss=float((surprise * weights).sum()),
        calibration_error=error,
        reliability=reliability,
        confusion=[
            [int(((truth == t) & (predicted == p)).sum()) for p in range(len(LEVELS))] for t in range(len(LEVELS))
        ],
        areas={
            "auc_level_3": area_under_curve(probabilities[:, -1], truth == len(LEVELS) - 1),
            "auc_shuffled": area_under_curve(
                [*own["pair_fit"], *shuffled["pair_fit"]], [True] * len(own) + [False] * len(shuffled)
            ),
            "auc_pair_fit": _area(rows, "pair_fit", "fits"),
            "auc_instruction_quality": _area(rows, "instruction_quality", "instruction_good"),
            **({"auc_generated": _area(written, RIGHT, "fits")} if RIGHT in written.columns else {}),
        },
    )


def calibration(confidence: Any, right: Any, weights: Any) -> tuple[float, list[list[float]]]:
    """(expected calibration error, [mean confidence, share right, rows] of every bin that has rows), weighted."""
    bin_of = numpy.minimum((confidence * BINS).astype(int), BINS - 1)
    error, reliability = 0.0, []
    for number in sorted(set(bin_of.tolist())):
        inside = bin_of == number
        weight = weights[inside].sum()
        sure, share = (float((values[inside] * weights[inside]).sum() / weight) for values in (confidence, right))
        error += abs(share - sure) * float(weight / weights.sum())
        reliability.append([round(sure, 4), round(share, 4), int(inside.sum())])
    return error, reliability


def share_right(rated: pl.DataFrame) -> float | None:
    """Share of rows whose likeliest level is the true one; None without rows that are rated."""
    rightly = (pl.concat_list(PROBABILITIES).list.arg_max() + 1).cast(pl.String) == pl.col("level")
    share = rated.drop_nulls(PROBABILITIES).select(rightly.mean().round(4)).item()
    return None if share is None else float(share)


def _area(rows: pl.DataFrame, score: str, truth: str) -> float:
    known = rows.drop_nulls([truth, score])
    return area_under_curve(known[score], known[truth])
