"""The area under the curve is the chance that a positive scores above a negative."""

from __future__ import annotations

from itertools import product

import numpy
import pytest

from xinstr_core.statistics import area_under_curve


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 3 / 4),
        ([1, 2, 3], [False, False, True], 1.0),
        ([3, 2, 1], [False, False, True], 0.0),
        ([1, 1], [True, False], 1 / 2),
        ([0.6, 0.2, 0.6, 0.2], [True, True, False, False], 1 / 2),
        ([0.6, 0.6, 0.2], [True, False, False], 3 / 4),
        ([-1e308, 1e308], [False, True], 1.0),
    ],
)
def test_the_area_is_the_share_of_comparisons_won_with_ties_counted_half(
    scores: list[float], positive: list[bool], area: float
) -> None:
    assert area_under_curve(scores, positive) == area


@pytest.mark.parametrize("positive", [[], [True], [False], [True, True], [False, False]])
def test_without_both_kinds_it_is_one_half(positive: list[bool]) -> None:
    assert area_under_curve([0.5] * len(positive), positive) == 0.5


def test_it_is_what_counting_every_comparison_gives() -> None:
    rng = numpy.random.default_rng(3)
    scores, positive = rng.integers(0, 12, size=80) / 10, rng.random(80) < 0.3
    won = [(a > b) + (a == b) / 2 for a, b in product(scores[positive], scores[~positive])]
    assert area_under_curve(scores, positive) == pytest.approx(sum(won) / len(won), abs=1e-12)


def test_a_hundred_thousand_rows_need_no_comparison_of_all_with_all() -> None:
    scores = numpy.arange(100_000.0)
    assert area_under_curve(scores, scores >= 50_000) == 1.0
