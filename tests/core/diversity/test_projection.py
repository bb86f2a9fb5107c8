"""A map's coordinates: groups stay together, and the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from xinstr_core.diversity.projection import project


def test_groups_that_are_apart_stay_apart() -> None:
    random = numpy.random.default_rng(0)
    groups = numpy.repeat(numpy.eye(3, 16), 30, axis=0) + 0.05 * random.normal(size=(90, 16))
    vectors = (groups / numpy.linalg.norm(groups, axis=1, keepdims=True)).astype(numpy.float32)
    points = project(vectors, seed=0)
    assert points.shape == (90, 2)
    assert (points.min(), points.max()) == (0, 1)
    centres = points.reshape(3, 30, 2).mean(axis=1)
    nearest = ((points[:, None] - centres[None]) ** 2).sum(2).argmin(1)
    assert nearest.tolist() == [0] * 30 + [1] * 30 + [2] * 30


def test_the_same_vectors_give_the_same_bytes_however_many_threads_there_are(unit_vectors: Callable[..., Any]) -> None:
    from threadpoolctl import threadpool_limits

    vectors = unit_vectors(200)
    project(vectors[:10], seed=0)  # loads the libraries whose threads are set
    with threadpool_limits(2):
        first = project(vectors, seed=0).tobytes()
    with threadpool_limits(1):
        assert project(vectors.copy(), seed=0).tobytes() == first
    assert project(vectors, seed=1).shape == (200, 2)


@pytest.mark.parametrize("rows", range(6))
def test_few_rows_have_places_too(rows: int, unit_vectors: Callable[..., Any]) -> None:
    points = project(unit_vectors(max(rows, 1))[:rows], seed=0)
    assert points.shape == (rows, 2)
    assert numpy.isfinite(points).all()


def test_rows_that_are_all_alike_have_places_too(unit_vectors: Callable[..., Any]) -> None:
    points = project(numpy.repeat(unit_vectors(1), 12, axis=0), seed=0)
    assert numpy.isfinite(points).all()
    assert (points >= 0).all() and (points <= 1).all()
