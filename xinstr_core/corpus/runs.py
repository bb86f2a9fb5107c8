"""Runs of letters or words as numbers, all of a text at once: a Python string for each would cost more than the rest."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


def code_points(text: str) -> Any:
    """The text's code points, uint32. Lone surrogates are taken as they are."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def run_hashes(units: Any, length: int) -> Any:
    """A 64-bit hash of each run of `length` units (integers), in order; the same in every process. Empty for fewer units.

    Multilinear hashing (Lemire and Kaser 2014), of which the high bits are the good ones.
    """
    if len(units) < length:
        return np.empty(0, dtype=np.uint64)
    return np.lib.stride_tricks.sliding_window_view(units.astype(np.uint64), length) @ _multipliers(length)


@cache
def _multipliers(length: int) -> Any:
    return np.random.default_rng(42).integers(1, 1 << 64, size=length, dtype=np.uint64)
