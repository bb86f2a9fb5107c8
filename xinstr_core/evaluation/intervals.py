"""Bootstrap intervals of a mean."""

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
    if not values:
        raise ValueError("no values to average")
    array = numpy.asarray(values, dtype=numpy.float64)
    picks = numpy.random.default_rng(seed).integers(0, len(array), size=(samples, len(array)))
    low, high = numpy.percentile(array[picks].mean(axis=1), [2.5, 97.5])
    return Estimate(float(array.mean()), float(low), float(high), len(array))
