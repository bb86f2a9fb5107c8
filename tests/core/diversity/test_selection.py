"""Selection is even across clusters, best first, and the same rows every time."""

from __future__ import annotations

import io
import math
import random
import subprocess
import sys
from typing import Any

import numpy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.diversity.selection import cluster, cluster_entropy, select_evenly


def rows(*values: tuple[str, int, float]) -> pl.DataFrame:
    schema = {"pair_id": pl.String, "cluster_id": pl.Int64, "rating": pl.Float64}
    return pl.DataFrame(list(values), schema=schema, orient="row")


def chosen(table: pl.DataFrame, target: int) -> list[tuple[str, int]]:
    return select_evenly(table, target).select("pair_id", "rank_in_cluster").rows()


def as_bytes(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def unit_vectors(count: int, dimensions: int = 16, seed: int = 0) -> Any:
    vectors = numpy.random.default_rng(seed).normal(size=(count, dimensions))
    return (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype(numpy.float32)


UNEVEN = rows(
    ("a1", 0, 2.9), ("a2", 0, 2.8), ("a3", 0, 2.7), ("a4", 0, 2.6), ("b1", 1, 1.1),
    ("c1", 2, 2.0), ("c2", 2, 1.5), ("c3", 2, 1.4),
)  # fmt: skip


def test_every_cluster_gives_its_best_row_before_any_gives_its_second() -> None:
    assert chosen(UNEVEN, 3) == [("a1", 1), ("b1", 1), ("c1", 1)]
    assert chosen(UNEVEN, 5) == [("a1", 1), ("a2", 2), ("b1", 1), ("c1", 1), ("c2", 2)]


def test_what_a_small_cluster_cannot_give_is_shared_among_the_others() -> None:
    assert [key for key, _ in chosen(UNEVEN, 7)] == ["a1", "a2", "a3", "b1", "c1", "c2", "c3"]


def test_a_rest_that_is_not_enough_for_all_clusters_goes_to_the_best_rated() -> None:
    assert [key for key, _ in chosen(UNEVEN, 4)] == ["a1", "a2", "b1", "c1"]
    assert [key for key, _ in chosen(UNEVEN, 2)] == ["a1", "c1"]


def test_ties_go_to_the_smaller_key_within_and_across_clusters() -> None:
    table = rows(("d", 0, 2.0), ("b", 0, 2.0), ("c", 1, 2.0), ("a", 1, 2.0))
    assert chosen(table, 2) == [("a", 1), ("b", 1)]
    assert chosen(table, 1) == [("a", 1)]
    assert chosen(table, 3) == [("a", 1), ("b", 1), ("c", 2)]


def test_a_target_beyond_the_rows_takes_all_of_them() -> None:
    assert [key for key, _ in chosen(UNEVEN, 100)] == UNEVEN["pair_id"].to_list()


def test_a_target_of_nothing_and_no_rows_give_an_empty_table_with_all_columns() -> None:
    for table in (select_evenly(UNEVEN, 0), select_evenly(UNEVEN.clear(), 5)):
        assert table.height == 0
        assert table.columns == ["pair_id", "cluster_id", "rating", "rank_in_cluster"]


def test_other_columns_travel_with_their_row() -> None:
    table = UNEVEN.with_columns(response=pl.col("pair_id") + " กี่")
    assert select_evenly(table, 3)["response"].to_list() == ["a1 กี่", "b1 กี่", "c1 กี่"]


def test_the_order_of_the_rows_does_not_change_a_byte() -> None:
    rng = random.Random(0)
    table = rows(*((f"{i:03}", rng.randrange(9), rng.randrange(4) / 2) for i in range(300)))
    expected = as_bytes(select_evenly(table, 100))
    for seed in range(5):
        assert as_bytes(select_evenly(table.sample(fraction=1, shuffle=True, seed=seed), 100)) == expected


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=40),
    target=st.integers(0, 45),
)
def test_no_cluster_has_two_rows_more_than_one_that_still_has_rows(values: list[tuple[int, int]], target: int) -> None:
    table = rows(*((f"{i:02}", cluster_id, rating / 2) for i, (cluster_id, rating) in enumerate(values)))
    selected = select_evenly(table, target)
    assert selected.height == min(target, table.height)
    left = table.join(selected, on="pair_id", how="anti")
    taken = {c: selected.filter(pl.col("cluster_id") == c) for c in range(5)}
    for c, best in taken.items():
        remaining = left.filter(pl.col("cluster_id") == c)
        assert best["rank_in_cluster"].sort().to_list() == list(range(1, best.height + 1))
        if remaining.height:
            assert best.height >= max(other.height for other in taken.values()) - 1
            if best.height:
                worst_taken = min((rating, [-ord(x) for x in key]) for key, _, rating, _ in best.rows())
                assert worst_taken > max((rating, [-ord(x) for x in key]) for key, _, rating in remaining.rows())


def test_rows_of_two_tight_groups_fall_into_two_clusters_with_squared_distances() -> None:
    """(0.6, 0.8) and (0.8, 0.6) have the centre (0.7, 0.7): squared distance 0.02 each; the other group likewise."""
    vectors = numpy.array([[0.6, 0.8], [-0.6, 0.8], [0.8, 0.6], [-0.8, 0.6]], dtype=numpy.float32)
    assigned, distances = cluster(vectors, 2, seed=0)
    assert assigned.tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    assert distances.tolist() == pytest.approx([0.02] * 4, abs=1e-6)


def test_every_row_is_in_the_cluster_of_the_nearest_mean_at_its_squared_distance() -> None:
    vectors = unit_vectors(60, dimensions=4)
    assigned, distances = cluster(vectors, 5, seed=1)
    assert (assigned.dtype, distances.dtype) == (numpy.int64, numpy.float64)
    means = numpy.stack([vectors[assigned == c].mean(0) for c in range(5)])
    squared = ((vectors[:, None] - means[None]) ** 2).sum(2)
    assert assigned.tolist() == squared.argmin(1).tolist()
    assert distances.tolist() == pytest.approx(squared.min(1).tolist(), abs=1e-5)


def test_clusters_are_the_same_bytes_again_and_with_more_threads_allowed_before() -> None:
    import faiss

    vectors = unit_vectors(900)
    first = [part.tobytes() for part in cluster(vectors, 12, seed=3)]
    faiss.omp_set_num_threads(2)
    assert [part.tobytes() for part in cluster(vectors.copy(), 12, seed=3)] == first


def test_clusters_are_the_same_bytes_in_another_process() -> None:
    code = (
        "import numpy, hashlib\n"
        "from xinstr_core.diversity.selection import cluster\n"
        "vectors = numpy.sin(numpy.arange(3200, dtype=numpy.float64) ** 1.5).reshape(200, 16)\n"
        "vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)\n"
        "parts = cluster(vectors.astype(numpy.float32), 6, seed=0)\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest())\n"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert len(runs[0].stdout.strip()) == 64
    assert runs[0].stdout == runs[1].stdout


def test_another_seed_may_give_other_clusters() -> None:
    vectors = unit_vectors(300)
    partitions = {cluster(vectors, 8, seed=seed)[1].tobytes() for seed in range(4)}
    assert len(partitions) > 1


def test_more_clusters_than_rows_become_one_a_row() -> None:
    assigned, distances = cluster(unit_vectors(3), 10, seed=0)
    assert sorted(assigned.tolist()) == [0, 1, 2]
    assert distances.tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_a_single_row_is_a_cluster_of_its_own() -> None:
    assigned, distances = cluster(unit_vectors(1), 1, seed=0)
    assert (assigned.tolist(), distances.tolist()) == ([0], [pytest.approx(0, abs=1e-6)])


def test_rows_that_are_all_alike_cluster_without_a_missing_number() -> None:
    assigned, distances = cluster(numpy.repeat(unit_vectors(1), 20, axis=0), 4, seed=0)
    assert len(assigned) == 20
    assert distances.tolist() == pytest.approx([0] * 20, abs=1e-6)


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        ([0, 1, 2, 3], 1.0),
        ([5, 5, 5], 1.0),
        ([], 1.0),
        ([0, 0, 0, 1], -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))),
        ([0, 0, 1, 2], 1.5 / math.log2(3)),
    ],
)
def test_cluster_entropy_is_that_computed_by_hand(clusters: list[int], expected: float) -> None:
    assert cluster_entropy(pl.Series(clusters, dtype=pl.Int64)) == pytest.approx(expected)
