"""Measures of a selection beside those of random ones."""

from __future__ import annotations

import math
from typing import Any

import numpy
import polars as pl
import pytest

from xinstr_core.diversity.measures import compare_with_random, nearest_neighbour_distance

CIRCLE = numpy.array([[1, 0], [1, 0], [0, 1], [-1, 0]], dtype=numpy.float32)


def pool(*rows: tuple[str, int, str]) -> pl.DataFrame:
    table = pl.DataFrame(list(rows), schema=["pair_id", "cluster_id", "instruction"], orient="row")
    return table.with_columns(position=pl.int_range(pl.len()))


FOUR = pool(
    ("a", 0, "Write a poem."), ("b", 0, "Write a poem about tea."), ("c", 1, "Name a city."), ("d", 1, "Stars?"),
)  # fmt: skip


def test_measures_are_those_counted_by_hand() -> None:
    """Of a, b and c: two pairs (write poem, name city); two of three verbs are "write"; nearest at 0, 0 and 1."""
    found = compare_with_random(FOUR.head(3), FOUR, CIRCLE, 2, seed=0)["selected"]
    assert found == {
        "distinct verb-object pairs": 2,
        "share of the top verb": 0.6667,
        "cluster entropy": round(-(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3)), 4),
        "nearest-neighbour distance": 0.3333,
    }


def test_an_instruction_without_a_verb_counts_for_no_verb() -> None:
    found = compare_with_random(FOUR.tail(2), FOUR, CIRCLE, 2, seed=0)["selected"]
    assert (found["distinct verb-object pairs"], found["share of the top verb"]) == (1, 1.0)


def test_a_random_selection_of_all_rows_is_the_selection_of_all_rows() -> None:
    found = compare_with_random(FOUR, FOUR, CIRCLE, 2, seed=0)
    assert found["random"] == {
        name: {"mean": value, "low": value, "high": value} for name, value in found["selected"].items()
    }


def test_random_selections_have_a_range_and_depend_on_the_seed_not_on_the_order() -> None:
    rows = pool(*((f"{i:02}", i % 5, f"Write about town {i % 7}.") for i in range(40)))
    vectors = numpy.random.default_rng(0).normal(size=(40, 8)).astype(numpy.float32)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)

    def random(seed: int, table: pl.DataFrame = rows) -> Any:
        return compare_with_random(rows.head(10), table, vectors, 5, seed)["random"]

    entropy = random(0)["cluster entropy"]
    assert entropy["low"] < entropy["mean"] < entropy["high"]
    assert random(0) == random(0, rows.sample(fraction=1, shuffle=True, seed=1))
    assert random(0) != random(1)


def test_nothing_selected_has_no_measures() -> None:
    assert compare_with_random(FOUR.clear(), FOUR, CIRCLE, 2, seed=0) == {}


@pytest.mark.parametrize(
    ("rows", "expected"), [([0, 1], 0.0), ([0, 2], 1.0), ([0, 3], 2.0), ([0, 2, 3], 1.0), ([0], 0.0)]
)
def test_the_distance_is_to_the_nearest_other_row(rows: list[int], expected: float) -> None:
    assert nearest_neighbour_distance(CIRCLE[rows]) == pytest.approx(expected)
