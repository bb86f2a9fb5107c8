"""Selection is even across clusters, best first, without near duplicates, and the same rows every time."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.diversity.clusters import cluster
from xinstr_core.diversity.selection import Selection, select_rows
from xinstr_core.settings import DiversitySettings

APART = numpy.eye(400, dtype=numpy.float32)  # rows with nothing in common
SCHEMA = pl.Schema(
    {"pair_id": pl.String, "cluster_id": pl.Int64, "rating": pl.Float64, "topic": pl.String, "position": pl.Int64}
)


def rows(*values: tuple[str, int, float], topics: list[str] | None = None) -> pl.DataFrame:
    table = pl.DataFrame(list(values), schema=["pair_id", "cluster_id", "rating"], orient="row")
    return table.with_columns(
        topic=pl.Series(topics or [None] * len(values), dtype=pl.String), position=pl.int_range(pl.len())
    ).cast(dict(SCHEMA))


def select(table: pl.DataFrame, target: int, vectors: Any = APART, **changed: Any) -> Selection:
    return select_rows(table, vectors, DiversitySettings.model_validate({"target_rows": target, **changed}))


def chosen(table: pl.DataFrame, target: int, vectors: Any = APART, **changed: Any) -> list[tuple[str, int]]:
    return select(table, target, vectors, **changed).rows.select("pair_id", "rank_in_cluster").rows()


def as_bytes(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


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


def test_a_row_without_a_rating_comes_last() -> None:
    table = rows(("a", 0, 2.0), ("b", 0, 1.2)).with_columns(
        rating=pl.when(pl.col("pair_id") == "a").then(None).otherwise("rating")
    )
    for method in ("clusters", "mmr"):
        assert chosen(table, 1, method=method) == [("b", 1)]


def test_a_target_beyond_the_rows_takes_all_of_them() -> None:
    assert [key for key, _ in chosen(UNEVEN, 100)] == UNEVEN["pair_id"].to_list()


def test_no_rows_give_an_empty_table_with_all_columns() -> None:
    selection = select(UNEVEN.clear(), 5)
    assert selection.rows.columns == [*SCHEMA.names(), "rank_in_cluster"]
    assert (selection.rows.height, selection.near_duplicates, selection.of_full_topics) == (0, 0, 0)


def test_other_columns_travel_with_their_row() -> None:
    table = UNEVEN.with_columns(response=pl.col("pair_id") + " กี่")
    assert select(table, 3).rows["response"].to_list() == ["a1 กี่", "b1 กี่", "c1 กี่"]


@pytest.mark.parametrize("method", ["clusters", "mmr"])
def test_the_order_of_the_rows_does_not_change_a_byte(method: str, unit_vectors: Callable[..., Any]) -> None:
    rng = random.Random(0)
    topics = [rng.choice("xyz") for _ in range(300)]
    table = rows(*((f"{i:03}", rng.randrange(9), rng.randrange(4) / 2 + 1) for i in range(300)), topics=topics)
    changed = {"method": method, "maximum_similarity": 0.5, "maximum_topic_share": 0.4}
    expected = as_bytes(select(table, 100, unit_vectors(300, 6), **changed).rows)
    for seed in range(5):
        order = numpy.random.default_rng(seed).permutation(300)
        mixed = table.sample(fraction=1, shuffle=True, seed=seed)
        assert as_bytes(select(mixed, 100, unit_vectors(300, 6), **changed).rows) == expected
        moved = mixed.with_columns(position=pl.Series(numpy.argsort(order))[mixed["position"]])
        found = select(moved, 100, unit_vectors(300, 6)[order], **changed).rows
        assert as_bytes(found.drop("position")) == as_bytes(
            select(table, 100, unit_vectors(300, 6), **changed).rows.drop("position")
        )


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=40),
    target=st.integers(1, 45),
)
def test_no_cluster_has_two_rows_more_than_one_that_still_has_rows(values: list[tuple[int, int]], target: int) -> None:
    table = rows(*((f"{i:02}", cluster_id, rating / 2) for i, (cluster_id, rating) in enumerate(values)))
    selected = select(table, target).rows
    assert selected.height == min(target, table.height)
    left = table.join(selected, on="pair_id", how="anti")
    taken = {c: selected.filter(pl.col("cluster_id") == c) for c in range(5)}
    for c, best in taken.items():
        remaining = left.filter(pl.col("cluster_id") == c)
        assert best["rank_in_cluster"].sort().to_list() == list(range(1, best.height + 1))
        if remaining.height:
            assert best.height >= max(other.height for other in taken.values()) - 1
            if best.height:
                worst_taken = min(
                    best.select("rating", "pair_id").rows(), key=lambda row: (row[0], [-ord(x) for x in row[1]])
                )
                best_left = max(
                    remaining.select("rating", "pair_id").rows(), key=lambda row: (row[0], [-ord(x) for x in row[1]])
                )
                assert (worst_taken[0], best_left[1]) > (best_left[0], worst_taken[1])


# Near duplicates. Unit vectors in a plane: the cosine of two is that of the angle between them.


def at(*degrees: float) -> Any:
    angles = numpy.radians(degrees)
    return numpy.stack([numpy.cos(angles), numpy.sin(angles)], axis=1).astype(numpy.float32)


ALIKE = rows(("a1", 0, 2.9), ("a2", 0, 2.8), ("a3", 0, 2.7), ("b1", 1, 1.5), ("b2", 1, 1.4))


def test_a_row_near_to_a_better_one_of_its_cluster_gives_its_place_to_another_cluster() -> None:
    """cos 20° is 0.940 and cos 25° is 0.906: a2 is near to a1, a3 to neither taken row; b1 equals a1, in another cluster."""
    selection = select(ALIKE, 4, at(0, 20, 25, 0, 90))
    assert selection.rows["pair_id"].to_list() == ["a1", "a3", "b1", "b2"]
    assert selection.rows["rank_in_cluster"].to_list() == [1, 2, 1, 2]
    assert selection.near_duplicates == 1


def test_a_row_near_to_one_that_was_passed_over_is_taken() -> None:
    """a3 is 20° from a2, which is not taken, and 40° from a1."""
    selection = select(ALIKE, 5, at(0, 20, 40, 100, 200))
    assert selection.rows["pair_id"].to_list() == ["a1", "a3", "b1", "b2"]


@pytest.mark.parametrize("method", ["clusters", "mmr"])
def test_equal_vectors_are_both_taken_only_where_the_limit_is_one(method: str) -> None:
    table = rows(("a", 0, 2.0), ("b", 0, 1.9))
    twice = numpy.repeat(at(33), 2, axis=0)
    assert chosen(table, 2, twice, method=method, maximum_similarity=1.0) == [("a", 1), ("b", 2)]
    selection = select(table, 2, twice, method=method, maximum_similarity=0.99)
    assert (selection.rows["pair_id"].to_list(), selection.near_duplicates) == (["a"], 1)


def test_only_taken_rows_are_compared(unit_vectors: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """At most (rows looked at) x (rows taken of the cluster) comparisons, however many rows there are."""
    from xinstr_core.diversity import selection

    compared = []

    def counting(vectors: Any, vector: Any) -> Any:
        compared.append(len(vectors))
        return vectors @ vector

    monkeypatch.setattr(selection, "_cosines", counting)
    table = rows(*((f"{i:05}", i % 10, 1 + (i % 7) / 4) for i in range(20_000)))
    assert select(table, 40, unit_vectors(20_000)).rows.height == 40
    assert sum(compared) < 40 * 10
    assert max(compared) <= 4


# Topics.


def test_a_topic_has_at_most_its_share_and_other_rows_take_its_places() -> None:
    table = rows(
        *((f"s{i}", i % 2, 3 - i / 100) for i in range(10)),
        *((f"w{i}", i % 2, 1.5 - i / 100) for i in range(5)),
        *((f"x{i}", i % 2, 1.2 - i / 100) for i in range(5)),
        topics=["sport"] * 10 + ["weather"] * 5 + ["law"] * 5,
    )
    assert Counter(select(table, 8).rows["topic"])["sport"] == 8
    selection = select(table, 8, maximum_topic_share=0.5)
    assert Counter(selection.rows["topic"]) == {"sport": 4, "weather": 4}
    assert selection.rows["pair_id"].to_list() == ["s0", "s1", "s2", "s3", "w0", "w1", "w2", "w3"]
    assert selection.of_full_topics >= 4


def test_where_other_topics_lack_rows_the_selection_is_smaller_and_the_share_holds() -> None:
    """18 of sport and 4 others: with at most half, 4 + 4 is the most."""
    table = rows(
        *((f"s{i:02}", i % 3, 2.5) for i in range(18)),
        *((f"w{i}", i % 3, 1.5) for i in range(4)),
        topics=["sport"] * 18 + ["weather"] * 4,
    )
    assert Counter(select(table, 20, maximum_topic_share=0.5).rows["topic"]) == {"sport": 4, "weather": 4}


def test_a_share_below_one_row_leaves_a_topic_one_row() -> None:
    table = rows(*((f"{i}", 0, 2.0) for i in range(6)), topics=["a", "a", "b", "b", "c", "c"])
    assert Counter(select(table, 6, maximum_topic_share=0.01).rows["topic"]) == {"a": 1, "b": 1, "c": 1}


# Maximal marginal relevance.


def test_the_next_row_weighs_its_rating_against_its_likeness_to_the_taken_ones() -> None:
    """By hand, weight 0.5: after a (0°): b at 10° has 0.475 - 0.492 = -0.017; c at 60° has 0.35 - 0.25 = 0.1; d at 90°
    has 0.025 - 0 = 0.025. After c, d is 30° from it: 0.025 - 0.433 = -0.408; b keeps its -0.017."""
    table = rows(("a", 0, 3.0), ("b", 0, 2.9), ("c", 0, 2.4), ("d", 0, 1.1))
    vectors = at(0, 10, 60, 90)
    assert [key for key, _ in chosen(table, 2, vectors)] == ["a", "c"]  # b is vetoed
    free = {"method": "mmr", "maximum_similarity": 1.0}
    ranks = select(table, 4, vectors, **free).rows.select("pair_id", "rank_in_cluster").rows()
    assert ranks == [("a", 1), ("b", 3), ("c", 2), ("d", 4)]


@pytest.mark.parametrize(("weight", "expected"), [(1.0, ["a", "b", "c", "d"]), (0.0, ["a", "d", "c", "b"])])
def test_weight_one_goes_by_rating_alone_and_weight_zero_by_novelty_alone(weight: float, expected: list[str]) -> None:
    """By novelty: d is 90° from a; then c at 60° is 30° from d (0.866), b at 10° is 10° from a (0.985)."""
    table = rows(("a", 0, 3.0), ("b", 0, 2.9), ("c", 0, 2.4), ("d", 0, 1.1))
    selected = select(table, 4, at(0, 10, 60, 90), method="mmr", maximum_similarity=1.0, relevance_weight=weight).rows
    assert selected.sort("rank_in_cluster")["pair_id"].to_list() == expected


def test_marginal_relevance_looks_across_clusters() -> None:
    """Three kinds, 120° apart, over two clusters: each gives its best row first; a3 is near to a1 of the other cluster."""
    table = rows(
        ("a1", 0, 2.9), ("a2", 0, 2.8), ("b1", 0, 2.5), ("b2", 0, 2.5), ("a3", 1, 2.9), ("c1", 1, 2.4), ("c2", 1, 2.4)
    )  # fmt: skip
    vectors = at(0, 30, 121, 120, 1, 240, 280)
    assert [key for key, _ in chosen(table, 3, vectors, method="mmr")] == ["a1", "b1", "c1"]
    selection = select(table, 7, vectors, method="mmr")
    assert selection.rows["pair_id"].to_list() == ["a1", "a2", "b1", "c1", "c2"]
    assert selection.near_duplicates == 2


def by_definition(table: pl.DataFrame, vectors: Any, size: int, weight: float) -> list[str]:
    """Keys in the order of taking: every row is compared with every taken one, every time."""
    left = table.sort(["rating", "pair_id"], descending=[True, False]).rows(named=True)
    taken: list[dict[str, Any]] = []
    while left and len(taken) < size:

        def score(row: dict[str, Any]) -> float:
            cosines = [float(vectors[row["position"]] @ vectors[other["position"]]) for other in taken]
            return weight * (row["rating"] - 1) / 2 - (1 - weight) * max(cosines, default=-1)

        taken.append(max(left, key=score))  # the first of equal ones
        left.remove(taken[-1])
    return [row["pair_id"] for row in taken]


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_only_stale_scores_are_made_anew_and_the_rows_are_those_of_the_definition(seed: int, weight: float) -> None:
    """Numbers of which every sum is exact, so that ties abound and nothing is rounded."""
    rng = random.Random(seed)
    vectors = numpy.array([[rng.choice([-0.25, 0.25]) for _ in range(16)] for _ in range(120)], dtype=numpy.float32)
    table = rows(*((f"{i:03}", 0, 1 + rng.randrange(9) / 4) for i in range(120)))
    free = {"method": "mmr", "maximum_similarity": 1.0, "relevance_weight": weight}
    selected = select(table, 40, vectors, **free).rows.sort("rank_in_cluster")
    assert selected["pair_id"].to_list() == by_definition(table, vectors, 40, weight)


def test_most_rows_are_hardly_ever_compared(unit_vectors: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """By definition it would be 20,000 * 40 comparisons."""
    import faiss

    compared, knn = [], faiss.knn

    def counting(queries: Any, taken: Any, *rest: Any, **named: Any) -> Any:
        compared.append(len(queries) * len(taken))
        return knn(queries, taken, *rest, **named)

    monkeypatch.setattr(faiss, "knn", counting)
    table = rows(*((f"{i:05}", i % 10, 1 + (i % 7) / 3) for i in range(20_000)))
    assert select(table, 40, unit_vectors(20_000), method="mmr").rows.height == 40
    assert sum(compared) < 20_000 * 40 / 4


# Coverage.


def skewed(seed: int) -> tuple[pl.DataFrame, Any, list[int]]:
    """3,000 rows of 12 intents around centres of their own, three of which have 80 % of the rows."""
    rng = numpy.random.default_rng(seed)
    shares = [0.8 / 3] * 3 + [0.2 / 9] * 9
    intents = rng.choice(12, 3000, p=shares)
    vectors = 1.5 * rng.normal(size=(12, 32))[intents] + rng.normal(size=(3000, 32))
    vectors = (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype(numpy.float32)
    cluster_of, _ = cluster(vectors, 192 // 16, seed=0)
    table = rows(
        *((f"{i:04}", int(c), 2.5 + r / 2) for i, (c, r) in enumerate(zip(cluster_of, rng.random(3000), strict=True)))
    )
    return table, vectors, intents.tolist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("method", "share"), [("clusters", 0.65), ("mmr", 0.75)])
def test_all_intents_of_a_skewed_set_are_in_the_selection(method: str, share: float, seed: int) -> None:
    """Intents as wide as they are apart: rows of one differ as much as rows of two, so novelty evens them out less."""
    table, vectors, intents = skewed(seed)
    selected = select(table, 192, vectors, method=method).rows
    found = Counter(intents[position] for position in selected["position"])
    assert set(found) == set(range(12))
    assert sum(found[intent] for intent in range(3)) / 192 < share
