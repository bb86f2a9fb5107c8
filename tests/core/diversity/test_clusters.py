"""Clusters are those of k-means, the same bytes every time."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy
import polars as pl
import pytest

from xinstr_core.diversity.clusters import cluster, cluster_count, cluster_entropy
from xinstr_core.diversity.threads import one_thread
from xinstr_core.settings import DiversitySettings

Vectors = Callable[..., Any]


def test_rows_of_two_tight_groups_fall_into_two_clusters_with_squared_distances() -> None:
    """(0.6, 0.8) and (0.8, 0.6) have the centre (0.7, 0.7): squared distance 0.02 each; the other group likewise."""
    vectors = numpy.array([[0.6, 0.8], [-0.6, 0.8], [0.8, 0.6], [-0.8, 0.6]], dtype=numpy.float32)
    assigned, distances = cluster(vectors, 2, seed=0)
    assert assigned.tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    assert distances.tolist() == pytest.approx([0.02] * 4, abs=1e-6)


def test_every_row_is_in_the_cluster_of_the_nearest_mean_at_its_squared_distance(unit_vectors: Vectors) -> None:
    vectors = unit_vectors(60, dimensions=4)
    assigned, distances = cluster(vectors, 5, seed=1)
    assert (assigned.dtype, distances.dtype) == (numpy.int64, numpy.float64)
    means = numpy.stack([vectors[assigned == c].mean(0) for c in range(5)])
    squared = ((vectors[:, None] - means[None]) ** 2).sum(2)
    assert assigned.tolist() == squared.argmin(1).tolist()
    assert distances.tolist() == pytest.approx(squared.min(1).tolist(), abs=1e-5)


def test_clusters_are_the_same_bytes_again_and_with_more_threads_allowed_before(unit_vectors: Vectors) -> None:
    import faiss

    vectors = unit_vectors(900)
    first = [part.tobytes() for part in cluster(vectors, 12, seed=3)]
    faiss.omp_set_num_threads(2)
    assert [part.tobytes() for part in cluster(vectors.copy(), 12, seed=3)] == first


def test_clusters_are_the_same_bytes_in_another_process() -> None:
    code = (
        "import numpy, hashlib\n"
        "from xinstr_core.diversity.clusters import cluster\n"
        "vectors = numpy.sin(numpy.arange(3200, dtype=numpy.float64) ** 1.5).reshape(200, 16)\n"
        "vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)\n"
        "parts = cluster(vectors.astype(numpy.float32), 6, seed=0)\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest())\n"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert len(runs[0].stdout.strip()) == 64
    assert runs[0].stdout == runs[1].stdout


def test_another_seed_may_give_other_clusters(unit_vectors: Vectors) -> None:
    vectors = unit_vectors(300)
    partitions = {cluster(vectors, 8, seed=seed)[1].tobytes() for seed in range(4)}
    assert len(partitions) > 1


def test_more_clusters_than_rows_become_one_a_row(unit_vectors: Vectors) -> None:
    assigned, distances = cluster(unit_vectors(3), 10, seed=0)
    assert sorted(assigned.tolist()) == [0, 1, 2]
    assert distances.tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_a_single_row_is_a_cluster_of_its_own(unit_vectors: Vectors) -> None:
    assigned, distances = cluster(unit_vectors(1), 1, seed=0)
    assert (assigned.tolist(), distances.tolist()) == ([0], [pytest.approx(0, abs=1e-6)])


def test_rows_that_are_all_alike_cluster_without_a_missing_number(unit_vectors: Vectors) -> None:
    assigned, distances = cluster(numpy.repeat(unit_vectors(1), 20, axis=0), 4, seed=0)
    assert len(assigned) == 20
    assert distances.tolist() == pytest.approx([0] * 20, abs=1e-6)


@pytest.mark.parametrize(
    ("clusters", "count", "expected"),
    [
        ([0, 1, 2, 3], 4, 1.0),
        ([5, 5, 5], 1, 1.0),
        ([5, 5, 5], 2, 0.0),
        ([], 3, 1.0),
        ([0, 1], 4, 0.5),
        ([0, 0, 0, 1], 2, -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))),
        ([0, 0, 1, 2], 3, 1.5 / math.log2(3)),
    ],
)
def test_cluster_entropy_is_that_computed_by_hand(clusters: list[int], count: int, expected: float) -> None:
    assert cluster_entropy(pl.Series(clusters, dtype=pl.Int64), count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rows", "target", "expected"),
    [(100_000, 32_000, 2000), (160, 32_000, 10), (9, 32_000, 1), (0, 10, 1), (500, 24, 2)],
)
def test_there_is_a_cluster_for_every_sixteen_rows_that_will_be_selected(rows: int, target: int, expected: int) -> None:
    assert cluster_count(rows, DiversitySettings(target_rows=target)) == expected


def test_one_thread_holds_for_faiss_and_ends(unit_vectors: Vectors) -> None:
    import faiss

    faiss.omp_set_num_threads(2)
    with one_thread():
        assert faiss.omp_get_max_threads() == 1
    assert faiss.omp_get_max_threads() == 2
    cluster(unit_vectors(20), 2, seed=0)
    assert faiss.omp_get_max_threads() == 2
