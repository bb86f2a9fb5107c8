"""How far ratings agree with a person who labelled some pairs blind, and two such persons with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import polars as pl

from xinstr_core.schemas.shared import PROBABILITIES
from xinstr_core.settings import EvaluationSettings, Settings
from xinstr_core.statistics import area_under_curve, share_interval

KEPT_ASPECT, PRECISION = "kept", "precision (level 3 of what was kept)"
# What a person says, the score that means to say the same, and the setting with the score's threshold.
_SCORED = (
    ("instruction_clear", "instruction_quality", "minimum_instruction_quality"),
    ("answers", "pair_fit", "minimum_pair_fit"),
)


@dataclass(frozen=True)
class Agreement:
    """One measure of one aspect over `n` labelled rows, with its 95 % interval where the rows tell one."""

    aspect: str
    measure: str
    value: float
    low: float | None
    high: float | None
    n: int


def agreement(labels: pl.DataFrame, pairs: pl.DataFrame, settings: Settings) -> list[Agreement]:
    """What a person's labels say of the ratings and of what was kept.

    `labels` has pair_id and, as ordered Enum columns from worst to best, instruction_clear, answers, natural and level;
    null is not labelled. `pairs` are *all* rated pairs, not the labelled ones only: pair_id, kept, the three level
    probabilities and, where they exist, instruction_quality and pair_fit. A label whose pair is not among them does not
    count; a measure that the labels cannot tell (nobody labelled, one answer only) has no row.

    - level: the person's against the likeliest one: share of equal ones, and linearly weighted kappa (`weighted_kappa`).
    - instruction_clear and answers: AUC of the score for "yes" against the rest ("partly" is no yes), and the share of
      rows where score >= threshold says the same.
    - natural: share of "yes" among kept and among dropped pairs.
    - kept: precision is the share of level 3 among the kept rows. About half of the labelled rows were drawn from the
      kept pairs and half from the dropped ones, however many there are of each, so recall weighs each half by the
      number of pairs it stands for: with K kept and D dropped pairs, of which shares k and d are level 3, it is
      K k / (K k + D d), the stratified estimate (Cochran 1977, chapter 5). It needs labels in both halves.

    Level, AUC and threshold are measured on the rows as they were drawn, half and half.
    """
    scores = [*PROBABILITIES, *(score for _, score, _ in _SCORED if score in pairs.columns)]
    rated = pairs.select("pair_id", pl.col("kept").fill_null(False), pl.col(scores).fill_nan(None))
    rows = rated.join(labels, on="pair_id").sort("pair_id")
    measure = _Measure(rows, settings.evaluation)
    kept = int(pairs["kept"].sum())
    return [
        *_levels(measure),
        *_scores(measure, settings),
        *_naturalness(measure),
        *_keeping(measure, kept, len(pairs) - kept),
    ]


def agreement_between(first: pl.DataFrame, second: pl.DataFrame, settings: Settings) -> list[Agreement]:
    """Two raters, aspect by aspect, on the pairs that both labelled: share of equal labels, and weighted kappa.

    Both as `labels` of `agreement`. Where there are two answers only, the kappa is Cohen's of 1960.
    """
    aspects = [name for name, kind in first.schema.items() if isinstance(kind, pl.Enum)]
    rows = first.join(second, on="pair_id", suffix=" again").with_columns(kept=pl.lit(True)).sort("pair_id")
    measure = _Measure(rows, settings.evaluation)
    return [
        result
        for aspect in aspects
        for result in (
            *measure.share(aspect, "same label of two raters", pl.col(aspect) == pl.col(f"{aspect} again")),
            *measure(
                aspect,
                "kappa of two raters",
                _kappa_of(_answers(first, aspect)),
                pl.col(aspect, f"{aspect} again").to_physical(),
            ),
        )
    ]


def weighted_kappa(first: Sequence[int], second: Sequence[int], categories: int) -> float:
    """Linearly weighted kappa (Cohen 1968) of ordered categories 0, 1, ...: 1 - observed / expected disagreement.

    A step between neighbouring categories weighs 1 / (categories - 1). NaN where no disagreement is to be expected
    (no rows, or the same single category in both).
    """
    table = numpy.zeros((categories, categories))
    numpy.add.at(table, (numpy.asarray(first, dtype=int), numpy.asarray(second, dtype=int)), 1)
    places = numpy.arange(categories)
    steps = numpy.abs(places[:, None] - places[None, :])
    expected = float((steps * numpy.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return 1 - float((steps * table).sum()) * float(table.sum()) / expected if expected else float("nan")


@dataclass(frozen=True)
class _Measure:
    """Measures statistics over the same rows, which have the column `kept`."""

    rows: pl.DataFrame
    settings: EvaluationSettings

    def share(self, aspect: str, name: str, counts: pl.Expr, among: bool | None = None) -> list[Agreement]:
        """How many rows count of those where it is known (of those, the kept or dropped ones if told), with Wilson's interval."""
        rows = self.rows if among is None else self.rows.filter(pl.col("kept") == among)
        known = rows.select(counts.alias("counts"))["counts"].drop_nulls()
        if known.is_empty():
            return []
        count = int(known.sum())
        return [Agreement(aspect, name, count / len(known), *share_interval(count, len(known)), len(known))]

    def __call__(self, aspect: str, name: str, statistic: Callable[..., float], *columns: pl.Expr) -> list[Agreement]:
        """`statistic` of the columns, on rows that have them all.

        The interval is the percentile bootstrap (Efron 1979), resampled within kept and within dropped as they were
        drawn; resamples in which the statistic is not defined are left out. None for fewer than
        `evaluation.minimum_cases` rows, and where all resamples say the same. No row where it is not defined at all.
        """
        known = self.rows.select("kept", *columns).drop_nulls()
        kept, *values = (known[column].to_numpy() for column in known.columns)
        value = statistic(*values) if len(known) else float("nan")
        if numpy.isnan(value):
            return []
        if len(known) < self.settings.minimum_cases:
            return [Agreement(aspect, name, float(value), None, None, len(known))]
        random = numpy.random.default_rng(self.settings.seed)
        strata = [places for places in (numpy.flatnonzero(kept), numpy.flatnonzero(~kept)) if len(places)]
        resampled = []
        for _ in range(self.settings.bootstrap_samples):
            picks = numpy.concatenate([random.choice(places, len(places)) for places in strata])
            resampled.append(statistic(*(column[picks] for column in values)))
        if numpy.nanmin(resampled) == numpy.nanmax(resampled):
            return [Agreement(aspect, name, float(value), None, None, len(known))]
        low, high = numpy.nanpercentile(resampled, [2.5, 97.5])
        return [Agreement(aspect, name, float(value), float(low), float(high), len(known))]


def _levels(measure: _Measure) -> list[Agreement]:
    columns = pl.col("level").to_physical(), pl.concat_list(PROBABILITIES).list.arg_max().alias("likeliest")
    rated = _Measure(measure.rows.drop_nulls(PROBABILITIES), measure.settings)
    return [
        *rated.share("level", "same level", columns[0] == columns[1]),
        *rated("level", "kappa (linear weights)", _kappa_of(_answers(measure.rows, "level")), *columns),
    ]


def _scores(measure: _Measure, settings: Settings) -> list[Agreement]:
    results: list[Agreement] = []
    for aspect, score, threshold in _SCORED:
        if score in measure.rows.columns:
            limit = float(getattr(settings.curation, threshold))
            yes = (pl.col(aspect) == "yes").alias("yes")
            above = pl.col(score) >= limit
            results += measure(aspect, f"AUC of {score}", _area, pl.col(score), yes)
            results += measure.share(aspect, f"same answer of {score} >= {limit:g}", above == yes)
    return results


def _naturalness(measure: _Measure) -> list[Agreement]:
    yes = pl.col("natural") == "yes"
    return [
        *measure.share("natural", "share of kept pairs", yes, among=True),
        *measure.share("natural", "share of dropped pairs", yes, among=False),
    ]


def _keeping(measure: _Measure, kept: int, dropped: int) -> list[Agreement]:
    best = pl.col("level") == "3"

    def recall(best: Any, in_kept: Any) -> float:
        if in_kept.all() or not in_kept.any():
            return float("nan")
        right_kept, right_dropped = kept * best[in_kept].mean(), dropped * best[~in_kept].mean()
        right = right_kept + right_dropped
        return float(right_kept / right) if right else float("nan")

    return [
        *measure.share(KEPT_ASPECT, PRECISION, best, among=True),
        *measure(KEPT_ASPECT, "recall (kept of level 3)", recall, best, pl.col("kept").alias("in_kept")),
    ]


def _answers(labels: pl.DataFrame, aspect: str) -> int:
    kind = labels.schema[aspect]
    assert isinstance(kind, pl.Enum)
    return len(kind.categories)


def _kappa_of(categories: int) -> Callable[[Any, Any], float]:
    return lambda first, second: weighted_kappa(first, second, categories)


def _area(scores: Any, positive: Any) -> float:
    return float("nan") if positive.all() or not positive.any() else area_under_curve(scores, positive)
