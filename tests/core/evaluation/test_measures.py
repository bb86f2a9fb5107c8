"""What a reader may conclude from base and tuned side by side, and that no case is lost behind a mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from xinstr_core.evaluation.gaps import gaps
from xinstr_core.evaluation.measures import Comparison, Measures, compare
from xinstr_core.schemas.declaration import Better
from xinstr_core.schemas.eval_report import SCORES
from xinstr_core.schemas.metrics import Metric
from xinstr_core.settings import EvaluationSettings

EASY_AND_HARD = [number / 10 for number in range(20)]  # what cases differ in, by far more than models do


def comparison(
    base: Sequence[float], gains: Sequence[float], *, better: Better = "higher", minimum_cases: int = 20
) -> Comparison:
    """Of a base model with these values, and a tuned one that gains so much on each case."""
    settings = EvaluationSettings(minimum_cases=minimum_cases)
    measures = Measures("sw", settings)
    metric = Metric("a mean", "made up", better=better)
    for model, values in (("base", base), ("tuned", [value + gain for value, gain in zip(base, gains, strict=True)])):
        measures.add(metric, model, {str(case): value for case, value in enumerate(values)}, prompts="en")
    return compare(measures.rows, gaps(measures.scores, settings), settings)[0]


@pytest.mark.parametrize(
    ("gains", "better", "verdict"),
    [
        ([3.0, 3.1] * 10, "higher", "yes, intervals apart"),
        ([0.1, 0.2] * 10, "higher", "yes, case by case"),
        ([-0.1, 0.2] * 10, "higher", "not shown: the interval of the difference holds zero"),
        ([-0.1, -0.2] * 10, "higher", "no: the base model is better"),
        ([-3.0, -3.1] * 10, "lower", "yes, intervals apart"),
        ([-0.1, -0.2] * 10, "lower", "yes, case by case"),
        ([0.1, 0.2] * 10, "lower", "no: the base model is better"),
    ],
)
def test_the_verdict_goes_by_the_difference_case_by_case(gains: list[float], better: Better, verdict: str) -> None:
    found = comparison(EASY_AND_HARD, gains, better=better)
    assert (found.verdict, found.clear) == (verdict, verdict.startswith("yes"))


def test_too_few_cases_and_missing_intervals_give_no_verdict() -> None:
    few = comparison(EASY_AND_HARD[:19], [3.0, 3.1] * 9 + [3.0])
    without = comparison(EASY_AND_HARD, [3.0] * 20)
    assert (few.verdict, few.clear) == ("no verdict: fewer than 20 cases", False)
    assert (without.verdict, without.clear) == ("no verdict: without an interval", False)


def test_a_measure_that_one_model_lacks_or_that_has_no_better_way_is_not_compared() -> None:
    settings = EvaluationSettings()
    measures = Measures("sw", settings)
    measures.add(Metric("length", "made up", better=None), "base", {"x": 1.0})
    measures.add(Metric("length", "made up", better=None), "tuned", {"x": 2.0})
    measures.add(Metric("a rate", "made up", better="lower"), "base", {"x": 1.0})
    assert compare(measures.rows, gaps(measures.scores, settings), settings) == []


def test_a_measure_keeps_the_value_of_every_case() -> None:
    measures = Measures("sw", EvaluationSettings())
    measures.add(Metric("a rate", "made up", better="lower"), "tuned", {"x": 1.0, "y": 0.0}, prompts="en")
    measures.add(Metric("nothing", "made up"), "tuned", {})
    assert [(row.metric, row.value, row.n, row.better) for row in measures.rows] == [("a rate", 0.5, 2, "lower")]
    assert measures.scores.schema == SCORES.schema
    assert measures.scores.rows() == [
        ("sw", "a rate", "tuned", "en", "lower", "x", 1.0),
        ("sw", "a rate", "tuned", "en", "lower", "y", 0.0),
    ]
