"""The measures of the report: one row a measure, with its interval, its number of cases and what it belongs to.

The value of every single case is kept too: differences of two models are only to be judged case by case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from xinstr_core.evaluation.gaps import Gap
from xinstr_core.evaluation.intervals import mean_with_interval
from xinstr_core.schemas.eval_report import SCORES
from xinstr_core.schemas.metrics import BASE, TUNED, Metric
from xinstr_core.settings import EvaluationSettings

NO_PROMPTS = "-"  # of a measure for which nobody was asked


@dataclass(frozen=True)
class Measure:
    """A measured mean, with its interval where there is one. `model` is what was measured, `prompts` the language asked in, `better`: higher, lower, or neither (None)."""

    language: str
    metric: str
    model: str
    prompts: str
    value: float
    low: float | None
    high: float | None
    n: int
    better: str | None


class Measures:
    """Collects the measures of one language, and the scores that they are means of."""

    def __init__(self, language: str, settings: EvaluationSettings) -> None:
        self._language = language
        self._settings = settings
        self._scores = [SCORES.schema.to_frame()]
        self.rows: list[Measure] = []

    @property
    def scores(self) -> pl.DataFrame:
        """Every value that was added, by case, as the table SCORES."""
        return pl.concat(self._scores)

    def add(self, metric: Metric, model: str, values: Mapping[str, float], *, prompts: str = NO_PROMPTS) -> None:
        """The mean of the values by case, with its interval; no row where there is nothing to average."""
        if not values:
            return
        estimate = mean_with_interval(list(values.values()), self._settings)
        self.rows.append(Measure(self._language, metric.name, model, prompts, **asdict(estimate), better=metric.better))
        of_all = {
            "language": self._language,
            "metric": metric.name,
            "model": model,
            "prompts": prompts,
            "better": metric.better,
        }
        rows = [{**of_all, "case": case, "value": float(value)} for case, value in values.items()]
        self._scores.append(SCORES.frame(rows))


def by_case(rows: pl.DataFrame, column: str, case: str) -> dict[str, float]:
    """A column as values by the key in column `case`."""
    return dict(rows.select(case, pl.col(column).cast(pl.Float64)).iter_rows())


@dataclass(frozen=True)
class Comparison:
    """Base against tuned on one measure, and tuned minus base case by case, which is what is judged.

    What makes a case hard is hard for both models: where their own intervals overlap, that of the difference may still
    hold no zero. Nothing is concluded of fewer than `minimum_cases`, nor where there is no interval.
    """

    metric: str
    prompts: str
    base: Measure
    tuned: Measure
    gap: Gap
    minimum_cases: int

    @property
    def is_known(self) -> bool:
        """Whether the cases tell anything: they are enough, and the difference has an interval."""
        return self.gap.n >= self.minimum_cases and self.gap.low is not None

    @property
    def clear(self) -> bool:
        """Whether the tuned model is better, and the interval of the difference holds no zero."""
        return self.is_known and self.gap.clear

    @property
    def clearly_worse(self) -> bool:
        """The same the other way round."""
        return self.is_known and self.gap.clearly_worse

    @property
    def _apart(self) -> bool:
        worse, better = (self.base, self.tuned) if self.base.better == "higher" else (self.tuned, self.base)
        return worse.high is not None and better.low is not None and better.low > worse.high

    @property
    def verdict(self) -> str:
        """What a reader may conclude."""
        if self.gap.n < self.minimum_cases:
            return f"no verdict: fewer than {self.minimum_cases} cases"
        if self.gap.low is None or self.gap.high is None:
            return "no verdict: without an interval"
        if self.clear:
            return "yes, intervals apart" if self._apart else "yes, case by case"
        if self.gap.low <= 0 <= self.gap.high:
            return "not shown: the interval of the difference holds zero"
        return "no: the base model is better"


def compare(rows: Sequence[Measure], gaps: Sequence[Gap], settings: EvaluationSettings) -> list[Comparison]:
    """Every measure of which base and tuned have a gap, in the order of the base model's."""
    tuned = {(row.metric, row.prompts): row for row in rows if row.model == TUNED}
    of_measure = {(gap.metric, gap.prompts): gap for gap in gaps if (gap.reference, gap.arm) == (TUNED, BASE)}
    return [
        Comparison(row.metric, row.prompts, row, tuned[key], of_measure[key], settings.minimum_cases)
        for row in rows
        if row.model == BASE and (key := (row.metric, row.prompts)) in of_measure
    ]
