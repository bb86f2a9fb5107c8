"""95 % intervals of a mean, of the difference of two, and of a mean over groups: none where nobody can know one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from xinstr_core.settings import EvaluationSettings
from xinstr_core.statistics import paired_shares_interval, share_interval

Interval = tuple[float, float] | tuple[None, None]
UNKNOWN: Interval = (None, None)


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values with its 95 % interval; None where the values do not tell one."""

    value: float
    low: float | None
    high: float | None
    n: int


def mean_with_interval(values: Sequence[float], settings: EvaluationSettings) -> Estimate:
    """The mean and its interval. ValueError for no values.

    Of a share (all values are 0 or 1) Wilson's. Of others the percentile bootstrap (Efron 1979), and none for fewer than
    `settings.minimum_cases` values or where all are equal: resamples of them say nothing of what the next would be.
    """
    if not len(values):
        raise ValueError("no values to average")
    array = numpy.asarray(values, dtype=numpy.float64)
    of_share = _is_of_shares(array)
    low, high = share_interval(int(array.sum()), len(array)) if of_share else _resampled_unless_few(array, settings)
    return Estimate(float(array.mean()), low, high, len(array))


def paired_difference(first: Sequence[float], second: Sequence[float], settings: EvaluationSettings) -> Estimate:
    """Mean of `first` minus mean of `second`, values at the same place belonging to the same case.

    What makes a case hard for both cancels out. Of shares the interval is that of `paired_shares_interval`; of others
    cases are resampled as pairs (Efron and Tibshirani 1993, 16.4), with none as by `mean_with_interval`. ValueError for
    sequences of different lengths or none.
    """
    differences = numpy.asarray([a - b for a, b in zip(first, second, strict=True)], dtype=numpy.float64)
    if not len(differences):
        raise ValueError("no values to average")
    low, high = (
        paired_shares_interval(int((differences > 0).sum()), int((differences < 0).sum()), len(differences))
        if _is_of_shares(numpy.asarray([*first, *second]))
        else _resampled_unless_few(differences, settings)
    )
    return Estimate(float(differences.mean()), low, high, len(differences))


def mean_over_groups(groups: Sequence[Sequence[float]], samples: int, seed: int) -> Estimate:
    """The mean of the groups' means, values resampled within their group: each group weighs the same.

    No interval where no group has different values. ValueError for no group, or one without values.
    """
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError("no values to average")
    arrays = [numpy.asarray(group, dtype=numpy.float64) for group in groups]
    low, high = _resampled(arrays, samples, seed)
    return Estimate(float(numpy.mean([array.mean() for array in arrays])), low, high, sum(map(len, arrays)))


def _is_of_shares(values: Any) -> bool:
    return bool(numpy.isin(values, (0.0, 1.0)).all())


def _resampled_unless_few(values: Any, settings: EvaluationSettings) -> Interval:
    if len(values) < settings.minimum_cases:
        return UNKNOWN
    return _resampled([values], settings.bootstrap_samples, settings.seed)


def _resampled(groups: Sequence[Any], samples: int, seed: int) -> Interval:
    if all(numpy.allclose(group, group[0], rtol=1e-9, atol=1e-12) for group in groups):  # equal but for rounding
        return UNKNOWN
    random = numpy.random.default_rng(seed)
    means = [group[random.integers(0, len(group), size=(samples, len(group)))].mean(axis=1) for group in groups]
    low, high = numpy.percentile(numpy.mean(means, axis=0), [2.5, 97.5])
    return float(low), float(high)
