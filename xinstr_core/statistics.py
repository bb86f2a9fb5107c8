"""Statistics that several rooms need."""

from __future__ import annotations

import numpy
import polars as pl
from numpy.typing import ArrayLike

_NORMAL = 1.959964  # the 97.5 % point of the normal distribution


def area_under_curve(scores: ArrayLike, positive: ArrayLike) -> float:
    """The chance that a positive scores above a negative, ties counted half (Mann-Whitney U); 0.5 without both."""
    truth = numpy.asarray(positive, dtype=bool)
    if truth.all() or not truth.any():
        return 0.5
    ranks = pl.Series(numpy.asarray(scores, dtype=float)).rank("average").to_numpy()
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    return float((ranks[truth].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def paired_shares_interval(first_alone: int, second_alone: int, of: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two shares of the same cases, from those that count in one of them alone.

    Wald's with half a case added to each of the four cells (Agresti and Min 2005): never of no width.
    """
    cases, difference = of + 2, first_alone - second_alone
    centre = difference / cases
    half = _NORMAL * (first_alone + second_alone + 1 - difference * centre) ** 0.5 / cases
    return max(-1.0, centre - half), min(1.0, centre + half)


def share_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): also right for few rows, and where all or none count."""
    z = _NORMAL
    centre = (count + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * (count * (of - count) / of + z * z / 4) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
