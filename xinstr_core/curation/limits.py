"""From a wanted precision to what is kept: what is expected of candidates, and what came of it on held-out instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import polars as pl

from xinstr_core.curation.rating_set import GENERATED
from xinstr_core.schemas.refined_pairs import KEPT
from xinstr_core.schemas.shared import LEVELS, RIGHT
from xinstr_core.settings import CurationSettings
from xinstr_core.statistics import share_interval

_STEPS, _SETTLED = 1000, 1e-6  # of the estimate of priors


def among(probabilities: Any) -> Any:
    """Probabilities (rows, classes) as they are where classes are not evenly spread: heads take them to be.

    Priors of the rows are estimated from the probabilities themselves by expectation and maximisation (Saerens, Latinne and
    Decaestecker 2002, section 2.2), beginning with even ones: heads weigh every level the same.
    """
    given = numpy.asarray(probabilities, dtype=numpy.float64)
    if not len(given):
        return given
    even = 1 / given.shape[1]
    priors, adjusted = numpy.full(given.shape[1], even), given
    for _ in range(_STEPS):
        weighed = given * (priors / even)
        adjusted = weighed / weighed.sum(axis=1, keepdims=True)
        found = adjusted.mean(axis=0)
        if abs(found - priors).max() < _SETTLED:
            break
        priors = found
    return adjusted


def taken(right: Sequence[float], wanted: float) -> int:
    """How many of the rows, those surest to be right first, can be taken so that as large a share as wanted is right."""
    best = numpy.sort(numpy.asarray(right, dtype=numpy.float64))[::-1]
    shares = numpy.cumsum(best) / numpy.arange(1, len(best) + 1)
    return int((shares >= wanted).sum())


def within_precision(rated: pl.DataFrame, wanted: float) -> pl.DataFrame:
    """`p_right` of the pairs whose verdict is KEPT so far, and the verdict of those beyond what the precision allows.

    `rated` has pair_id, verdict and, where a head has learned it, RIGHT: without, nothing is known to be right.
    """
    best = rated.filter(pl.col("verdict") == KEPT).sort("pair_id")
    right = _right(best)
    best = best.select("pair_id", p_right=pl.Series(right, dtype=pl.Float64)).sort(
        ["p_right", "pair_id"], descending=[True, False]
    )
    kept = best.head(taken(best["p_right"].to_list(), wanted))["pair_id"]
    beyond = (pl.col("verdict") == KEPT) & ~pl.col("pair_id").is_in(kept.implode())
    verdict = pl.when(beyond).then(pl.lit("below_wanted_precision")).otherwise(pl.col("verdict"))
    return rated.join(best, on="pair_id", how="left").with_columns(verdict=verdict)


def _right(rows: pl.DataFrame) -> list[float]:
    """RIGHT of rows as it is among them; 0 where no head has learned it."""
    if RIGHT not in rows.columns:
        return [0.0] * len(rows)
    even = rows[RIGHT].to_numpy()
    adjusted = among(numpy.column_stack([1 - even, even]))
    return [float(value) for value in adjusted[:, -1]]


@dataclass(frozen=True)
class Checked:
    """What keeping by a wanted precision came to on held-out instructions: how many of how many, and which share is right."""

    rows: int
    kept: int
    precision: float | None
    low: float | None
    high: float | None
    wrong: float | None

    def advice(self, settings: CurationSettings) -> str:
        """What to do where held-out instructions of a model are not kept rightly; empty where they are."""
        if self.precision is None:
            return (
                f"Not curated: of {self.rows} held-out instructions of a model none could be kept at a precision of "
                f"{settings.wanted_precision}. Give more seed pairs, a stronger base model, or want less."
            )
        if self.precision < settings.minimum_precision:
            return (
                f"Not curated: of {self.kept} held-out instructions that were kept {self.precision:.2f} are right "
                f"({self.low:.2f} to {self.high:.2f}), below {settings.minimum_precision}. Give more seed pairs, a stronger "
                "base model, or see xinstr audit for what people say."
            )
        return ""


def check(held_out: pl.DataFrame, wanted: float) -> Checked:
    """Keep held-out instructions that a model wrote as candidates are kept, and compare with their true levels.

    `held_out` has construction, level and, where a head has learned it, RIGHT. Intervals are of 95 %.
    """
    rows = held_out.filter(pl.col("construction") == GENERATED)
    rows = rows.drop_nulls(RIGHT) if RIGHT in rows.columns else rows
    right = _right(rows)
    kept = taken(right, wanted)
    if not kept:
        return Checked(len(rows), 0, None, None, None, None)
    levels = rows["level"].gather(numpy.argsort(-numpy.asarray(right), kind="stable")[:kept])
    best, wrong = (int((levels == level).sum()) for level in (LEVELS[-1], LEVELS[0]))
    low, high = share_interval(best, kept)
    return Checked(len(rows), kept, round(best / kept, 4), round(low, 4), round(high, 4), round(wrong / kept, 4))
