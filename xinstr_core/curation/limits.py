"""From ratings to verdicts: what a pair falls short in, which one of a text is kept, and what a wanted precision comes to.

What keeps candidates keeps held-out instructions of a model, too: so what came of these is what is to be expected of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import polars as pl

from xinstr_core.curation.rating_set import GENERATED
from xinstr_core.schemas.refined_pairs import KEPT, NOT_CURATED
from xinstr_core.schemas.shared import LEVELS, PROBABILITIES, RIGHT
from xinstr_core.settings import CurationSettings
from xinstr_core.statistics import share_interval

# Kept pairs, held out or labelled by people, before their share of right ones says anything: of 20 it is known to about +-0.2.
MINIMUM_JUDGED = 20

# The expected level: null for a pair that could not be read.
RATING = pl.sum_horizontal(
    *(level * pl.col(name) for level, name in enumerate(PROBABILITIES, start=1)), ignore_nulls=False
)


def taken(right: Sequence[float], wanted: float) -> int:
    """How many of the rows, those surest to be right first, can be taken so that as large a share as wanted is right."""
    best = numpy.sort(numpy.asarray(right, dtype=numpy.float64))[::-1]
    shares = numpy.cumsum(best) / numpy.arange(1, len(best) + 1)
    return int((shares >= wanted).sum())


def shortfall(settings: CurationSettings) -> pl.Expr:
    """What a rated pair falls short in, the level first, then the instruction, then the fit; empty for one that passes.

    Where a precision is wanted, that and not a probability of level 3 limits what is kept (see within_precision), but a pair
    that is likelier to be flawed falls short all the same: what is right of an instruction says nothing of its response.
    """
    top = pl.col(PROBABILITIES[-1])
    flawed = (
        top < pl.max_horizontal(PROBABILITIES) if settings.wanted_precision else top < settings.minimum_top_probability
    )
    limits = {
        "poor_instruction": ("instruction_quality", settings.minimum_instruction_quality),
        "poor_fit": ("pair_fit", settings.minimum_pair_fit),
    }
    short = [pl.when(pl.col(score) < limit).then(pl.lit(name)) for name, (score, limit) in limits.items()]
    return pl.coalesce(pl.when(flawed).then(pl.lit("below_level_3")), *short, pl.lit(""))


def judged(rated: pl.DataFrame, settings: CurationSettings, *, text: str, trusted: bool = True) -> pl.DataFrame:
    """Rated pairs with `verdict`: of every text the best pair is kept, where a precision is wanted as long as that allows.

    `rated` has pair_id, sample, rating (RATING), PROBABILITIES, SCORES, maybe RIGHT, and the column `text`. The best of a
    text is the one that is surest to be right where a precision is wanted, else the best rated, of those that fall short in
    nothing; without a rating that is `trusted` nothing falls short.
    """
    unread = pl.col(PROBABILITIES[-1]).is_null()
    short = pl.when(unread).then(pl.lit("rating_failed")).otherwise(shortfall(settings) if trusted else pl.lit(""))
    best_by = RIGHT if settings.wanted_precision and RIGHT in rated.columns else "rating"
    order = [pl.col("short") != "", -pl.col(best_by), pl.col("sample"), pl.col("pair_id")]
    is_best = pl.col("pair_id").sort_by(order).first().over(text) == pl.col("pair_id")
    verdict = (
        pl.when(pl.col("short") != "")
        .then(pl.col("short"))
        .when(is_best)
        .then(pl.lit(KEPT if trusted else NOT_CURATED))
        .otherwise(pl.lit("not_best"))
    )
    found = rated.with_columns(short=short).with_columns(verdict=verdict).drop("short")
    return within_precision(found, settings.wanted_precision) if settings.wanted_precision and trusted else found


def passing(ratings: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """pair_id and whether a pair could be `keep`t, whatever others its text has."""
    found = ratings.with_columns(verdict=pl.when(shortfall(settings) == "").then(pl.lit(KEPT)).otherwise(pl.lit("")))
    if settings.wanted_precision:
        found = within_precision(found, settings.wanted_precision)
    return found.select("pair_id", keep=pl.col("verdict") == KEPT)


def within_precision(rated: pl.DataFrame, wanted: float) -> pl.DataFrame:
    """The verdict of the pairs whose verdict is KEPT so far and that are beyond what the precision allows.

    `rated` has pair_id, verdict and, where a head has learned it, RIGHT: without, nothing is known to be right.
    """
    is_kept = pl.col("verdict") == KEPT
    within: list[str] = []
    if RIGHT in rated.columns:
        best = rated.filter(is_kept).sort([RIGHT, "pair_id"], descending=[True, False])
        within = best["pair_id"].to_list()[: taken(best[RIGHT].to_list(), wanted)]
    beyond = is_kept & ~pl.col("pair_id").is_in(within)
    return rated.with_columns(
        verdict=pl.when(beyond).then(pl.lit("below_wanted_precision")).otherwise(pl.col("verdict"))
    )


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
        if self.kept < MINIMUM_JUDGED:
            return (
                f"Not curated: of {self.rows} held-out instructions of a model {self.kept} could be kept at a precision of "
                f"{settings.wanted_precision}, and fewer than {MINIMUM_JUDGED} prove nothing ({self.precision:.2f} of them are "
                f"right, {self.low:.2f} to {self.high:.2f}). Give more seed pairs, a stronger base model, or want less."
            )
        if self.precision < settings.minimum_precision:
            return (
                f"Not curated: of {self.kept} held-out instructions that were kept {self.precision:.2f} are right "
                f"({self.low:.2f} to {self.high:.2f}), below {settings.minimum_precision}. Give more seed pairs, a stronger "
                "base model, or see xinstr audit for what people say."
            )
        return ""


def check(held_out: pl.DataFrame, settings: CurationSettings) -> Checked:
    """Keep held-out instructions that a model wrote as candidates are kept, and compare with their true levels.

    `held_out` has construction, level, seed_id and what judged() needs. Intervals are of 95 %.
    """
    rows = held_out.filter(pl.col("construction") == GENERATED).drop_nulls(PROBABILITIES)
    rows = rows.with_columns(rating=RATING, sample=pl.lit(0))
    kept = judged(rows, settings, text="seed_id").filter(pl.col("verdict") == KEPT)
    if kept.is_empty():
        return Checked(len(rows), 0, None, None, None, None)
    best, wrong = (int((kept["level"] == level).sum()) for level in (LEVELS[-1], LEVELS[0]))
    low, high = share_interval(best, len(kept))
    of_kept = [round(value, 4) for value in (best / len(kept), low, high, wrong / len(kept))]
    return Checked(len(rows), len(kept), *of_kept)
