"""What models are worth against each other, on the same cases of every measure: tuned and base, and the arms."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from xinstr_core.evaluation.arms import ARMS, SELECTED
from xinstr_core.evaluation.intervals import UNKNOWN, paired_difference
from xinstr_core.schemas.metrics import BASE, TUNED
from xinstr_core.settings import Arm, EvaluationSettings

# (an arm, the one it is compared with): what the selection is worth, and what the ratings are.
COMPARED: tuple[tuple[Arm, Arm], ...] = (
    *((SELECTED, arm) for arm in ARMS if arm != SELECTED),
    ("top_half", "bottom_half"),
)
_MODELS = (TUNED, BASE, *ARMS)


@dataclass(frozen=True)
class Gap:
    """A model (`reference`) minus another (`arm`) on the same cases of one measure.

    The difference has its interval, and none of fewer than `evaluation.minimum_cases`: then nothing is concluded.
    """

    language: str
    reference: str
    arm: str
    metric: str
    prompts: str
    difference: float
    low: float | None
    high: float | None
    n: int
    better: str

    @property
    def advantage(self) -> tuple[float, float | None, float | None]:
        """(difference, low, high) with the sign by which more than 0 speaks for the reference."""
        if self.better == "higher" or self.low is None or self.high is None:
            return self.difference if self.better == "higher" else -self.difference, self.low, self.high
        return -self.difference, -self.high, -self.low

    @property
    def clear(self) -> bool:
        """Whether the reference is better and the interval holds no zero."""
        low = self.advantage[1]
        return low is not None and low > 0

    @property
    def clearly_worse(self) -> bool:
        """Whether the reference is worse and the interval holds no zero."""
        high = self.advantage[2]
        return high is not None and high < 0

    @property
    def verdict(self) -> str:
        """What a reader may conclude."""
        if self.low is None or self.high is None:
            return "no verdict: too few cases, or none that differ"
        if self.clear:
            return f"{self.reference} is better"
        if self.low <= 0 <= self.high:
            return "not shown: the interval holds zero"
        return f"{self.reference} is worse than {self.arm}"


def paired_cases(scores: pl.DataFrame) -> pl.DataFrame:
    """Every case (SCORES) of tuned and base and of two arms that are COMPARED, where one way is better.

    Columns reference, arm, reference_value and value beside those of the case; sorted.
    """
    of_case = ["language", "metric", "prompts", "better", "case"]
    model = pl.Enum(_MODELS)
    pairs = pl.DataFrame([(TUNED, BASE), *COMPARED], schema={"reference": model, "arm": model}, orient="row")
    values = scores.filter(pl.col("model").is_in(_MODELS) & pl.col("better").is_not_null()).with_columns(
        pl.col("model").cast(model)
    )
    others = pairs.join(values, left_on="arm", right_on="model")
    references = values.select(*of_case, reference="model", reference_value="value")
    return others.join(references, on=[*of_case, "reference"]).sort("reference", "arm", *of_case)


def gaps(scores: pl.DataFrame, settings: EvaluationSettings) -> list[Gap]:
    """The gaps of tuned and base and of all arms that are COMPARED, on every measure that both have, from the table SCORES."""
    found = []
    by = ["language", "reference", "arm", "metric", "prompts", "better"]
    for cases in paired_cases(scores).partition_by(by, maintain_order=True):
        estimate = paired_difference(cases["reference_value"].to_list(), cases["value"].to_list(), settings)
        low, high = (estimate.low, estimate.high) if estimate.n >= settings.minimum_cases else UNKNOWN
        of_gap = cases.select(by).row(0, named=True)
        found.append(Gap(**of_gap, difference=estimate.value, low=low, high=high, n=estimate.n))
    return found
