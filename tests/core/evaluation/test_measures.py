"""What a reader may conclude from base and tuned side by side, and that no case is lost behind a mean."""

from __future__ import annotations

import pytest

from xinstr_core.evaluation.measures import Comparison, Measure, Measures
from xinstr_core.schemas.eval_report import SCORES
from xinstr_core.schemas.metrics import Metric
from xinstr_core.settings import EvaluationSettings

BETTER, OVERLAP, WORSE = (
    "yes, intervals apart",
    "not shown: intervals overlap",
    "no: the base model is as good or better",
)


def comparison(
    base: tuple[float, float | None, float | None],
    tuned: tuple[float, float | None, float | None],
    better: str,
    cases: int = 20,
) -> Comparison:
    """Value, low and high of both models."""
    one, other = (
        Measure("sw", "a rate", model, "en", value, low, high, cases, better)
        for model, (value, low, high) in (("base", base), ("tuned", tuned))
    )
    return Comparison("a rate", "en", one, other, 20)


@pytest.mark.parametrize(
    ("base", "tuned", "better", "verdict"),
    [
        ((0.1, 0.0, 0.2), (0.5, 0.3, 0.7), "higher", BETTER),
        ((0.1, 0.0, 0.3), (0.5, 0.3, 0.7), "higher", OVERLAP),
        ((0.5, 0.3, 0.7), (0.1, 0.0, 0.2), "higher", WORSE),
        ((0.1, 0.0, 0.2), (0.1, 0.0, 0.2), "higher", WORSE),
        ((0.9, 0.8, 1.0), (0.1, 0.0, 0.2), "lower", BETTER),
        ((0.5, 0.3, 0.7), (0.4, 0.2, 0.6), "lower", OVERLAP),
        ((0.1, 0.0, 0.2), (0.9, 0.8, 1.0), "lower", WORSE),
    ],
)
def test_the_verdict_tells_better_from_unclear_from_worse(
    base: tuple[float, float, float], tuned: tuple[float, float, float], better: str, verdict: str
) -> None:
    assert comparison(base, tuned, better).verdict == verdict


def test_too_few_cases_and_missing_intervals_give_no_verdict() -> None:
    few = comparison((0.1, 0.0, 0.2), (0.5, 0.3, 0.7), "higher", cases=19)
    without = comparison((-7.21, None, None), (-3.0, None, None), "higher")
    assert (few.verdict, few.clear) == ("no verdict: fewer than 20 cases", False)
    assert (without.verdict, without.clear) == ("no verdict: without an interval", False)


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
