"""Bootstrap intervals of a mean, of the difference of two, and of a mean over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def mean_with_interval(values: Sequence[float], samples: int, seed: int) -> Estimate:
    """The mean and its 95 % percentile bootstrap interval (Efron 1979). ValueError for no values."""
    return mean_over_groups([values], samples, seed)


def paired_difference(first: Sequence[float], second: Sequence[float], samples: int, seed: int) -> Estimate:
    """Mean of `first` minus mean of `second`, values at the same place belonging to the same case.

    Cases are resampled as pairs (Efron and Tibshirani 1993, 16.4): what makes a case hard for both cancels out.
    ValueError for sequences of different lengths or none.
    """
    return mean_with_interval([a - b for a, b in zip(first, second, strict=True)], samples, seed)


def mean_over_groups(groups: Sequence[Sequence[float]], samples: int, seed: int) -> Estimate:
    """The mean of the groups' means, values resampled within their group: each group weighs the same.

    ValueError for no group, or one without values.
    """
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError("no values to average")
    random = numpy.random.default_rng(seed)
    means, resampled = [], []
    for group in groups:
        array = numpy.asarray(group, dtype=numpy.float64)
        means.append(array.mean())
        resampled.append(array[random.integers(0, len(array), size=(samples, len(array)))].mean(axis=1))
    low, high = numpy.percentile(numpy.mean(resampled, axis=0), [2.5, 97.5])
    return Estimate(float(numpy.mean(means)), float(low), float(high), sum(map(len, groups)))
