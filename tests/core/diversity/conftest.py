"""Vectors that several tests of this folder need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest


@pytest.fixture
def unit_vectors() -> Callable[..., Any]:
    """Random unit vectors: (count, dimensions=16, seed=0)."""

    def make(count: int, dimensions: int = 16, seed: int = 0) -> Any:
        vectors = numpy.random.default_rng(seed).normal(size=(count, dimensions))
        return (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype(numpy.float32)

    return make
