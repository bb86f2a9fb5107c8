"""Intervals: exact where the values leave no choice, and paired where cases are."""

from __future__ import annotations

import pytest

from xinstr_core.evaluation.intervals import Estimate, mean_over_groups, mean_with_interval, paired_difference

SAMPLES, SEED = 1000, 0


def test_the_interval_of_equal_values_is_that_value() -> None:
    assert mean_with_interval([0.25] * 8, SAMPLES, SEED) == Estimate(0.25, 0.25, 0.25, 8)


def test_the_interval_holds_the_mean_and_lies_within_the_values() -> None:
    found = mean_with_interval([0.0, 0.0, 1.0, 1.0], SAMPLES, SEED)
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.0, 1.0, 4)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.1 * number for number in range(30)]
    assert mean_with_interval(values, SAMPLES, 3) == mean_with_interval(values, SAMPLES, 3)
    assert mean_with_interval(values, SAMPLES, 3) != mean_with_interval(values, SAMPLES, 4)


def test_a_constant_difference_of_scattered_cases_is_known_exactly() -> None:
    """Unpaired, the cases' own scatter from 0 to 64 would swallow it."""
    first = [float(2**number) for number in range(7)]
    second = [value - 0.5 for value in first]
    assert paired_difference(first, second, SAMPLES, SEED) == Estimate(0.5, 0.5, 0.5, 7)
    assert paired_difference(second, first, SAMPLES, SEED) == Estimate(-0.5, -0.5, -0.5, 7)


def test_cases_that_cannot_be_paired_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 0.0], [1.0], SAMPLES, SEED)


def test_every_group_weighs_the_same_and_is_resampled_within_itself() -> None:
    """Resampled over all values, the mean would be 0.1 and the interval would not be a point."""
    groups = [[1.0] * 2, [0.0] * 18]
    assert mean_over_groups(groups, SAMPLES, SEED) == Estimate(0.5, 0.5, 0.5, 20)


@pytest.mark.parametrize("groups", [[], [[]], [[1.0], []]])
def test_nothing_to_average_is_an_error(groups: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_over_groups(groups, SAMPLES, SEED)
