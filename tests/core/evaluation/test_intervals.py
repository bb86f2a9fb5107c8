"""Intervals: of shares those of counts, of other means resampled, and none where the values do not tell one."""

from __future__ import annotations

import pytest

from xinstr_core.evaluation.intervals import Estimate, mean_over_groups, mean_with_interval, paired_difference
from xinstr_core.settings import EvaluationSettings
from xinstr_core.statistics import paired_shares_interval, share_interval

SETTINGS = EvaluationSettings()
SAMPLES, SEED = SETTINGS.bootstrap_samples, SETTINGS.seed
SPREAD = [0.1 * number for number in range(20)]


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(0, 96, 0.0, 0.038), (96, 96, 0.962, 1.0), (1, 1, 0.207, 1.0)]
)
def test_a_share_of_none_or_all_has_an_interval_with_a_width(count: int, of: int, low: float, high: float) -> None:
    found = mean_with_interval([1.0] * count + [0.0] * (of - count), SETTINGS)
    assert (found.value, found.n) == (count / of, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.001), pytest.approx(high, abs=0.001))
    assert (found.low, found.high) == share_interval(count, of)


@pytest.mark.parametrize("values", [[-7.21], [-7.0, -7.5], SPREAD[:19], [0.25] * 96])
def test_a_mean_of_few_or_equal_values_has_no_interval(values: list[float]) -> None:
    found = mean_with_interval(values, SETTINGS)
    assert (found.value, found.low, found.high) == (pytest.approx(sum(values) / len(values)), None, None)


def test_enough_values_are_resampled_the_same_way_for_the_same_seed() -> None:
    found = mean_with_interval(SPREAD, SETTINGS)
    assert found.low is not None and found.high is not None
    assert 0 < found.low < found.value < found.high < 1.9
    assert found == mean_with_interval(SPREAD, SETTINGS)
    assert found != mean_with_interval(SPREAD, EvaluationSettings(seed=4))


def test_what_makes_a_case_hard_for_both_cancels_out() -> None:
    """Unpaired, the cases' own scatter from 0 to 2 million would swallow it."""
    first = [float(2**number) for number in range(21)]
    second = [value - 0.5 - 0.01 * (number % 2) for number, value in enumerate(first)]
    found = paired_difference(first, second, SETTINGS)
    assert found.low is not None and found.high is not None
    assert 0.5 <= found.low < found.value < found.high <= 0.51


def test_equal_differences_of_values_say_nothing_of_the_next() -> None:
    assert paired_difference([value + 0.5 for value in SPREAD], SPREAD, SETTINGS).low is None


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [([0.0] * 96, [0.0] * 96, -0.020, 0.020), ([1.0] * 96, [0.0] * 96, 0.945, 1.0), ([1.0], [0.0], -0.511, 1.0)],
)
def test_a_difference_of_shares_has_an_interval_with_a_width(
    first: list[float], second: list[float], low: float, high: float
) -> None:
    found = paired_difference(first, second, SETTINGS)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.001), pytest.approx(high, abs=0.001))


def test_the_interval_of_paired_shares_is_that_of_agresti_and_min() -> None:
    """Of 100 cases 20 count in the first alone, 10 in the second alone: 10 / 102 +- 1.96 * sqrt(31 - 100 / 102) / 102."""
    low, high = paired_shares_interval(20, 10, 100)
    assert (low, high) == (pytest.approx(-0.0072, abs=0.0001), pytest.approx(0.2033, abs=0.0001))


def test_cases_that_cannot_be_paired_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 0.0], [1.0], SETTINGS)


def test_every_group_weighs_the_same_and_is_resampled_within_itself() -> None:
    """Over all values, the mean would be 0.1; resampled within equal ones there is no interval."""
    groups = [[1.0] * 2, [0.0] * 18]
    assert mean_over_groups(groups, SAMPLES, SEED) == Estimate(0.5, None, None, 20)
    found = mean_over_groups([[1.0, 2.0], [0.0] * 18], SAMPLES, SEED)
    assert (found.value, found.low, found.high) == (0.75, 0.5, 1.0)


@pytest.mark.parametrize("groups", [[], [[]], [[1.0], []]])
def test_nothing_to_average_is_an_error(groups: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_over_groups(groups, SAMPLES, SEED)


def test_nothing_to_average_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_with_interval([], SETTINGS)
