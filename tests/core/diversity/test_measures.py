"""Measures of a selection beside those of random ones."""

from __future__ import annotations

import math

import numpy
import polars as pl
import pytest

from xinstr_core.diversity.measures import compare_with_random, nearest_neighbour_distance
from xinstr_core.schemas.diversified_set import DiversityFigures, DiversityMeasures, RandomMeasure

CIRCLE = numpy.array([[1, 0], [1, 0], [0, 1], [-1, 0]], dtype=numpy.float32)


def pool(*rows: tuple[str, int, str]) -> pl.DataFrame:
    table = pl.DataFrame(list(rows), schema=["pair_id", "cluster_id", "instruction"], orient="row")
    return table.with_columns(position=pl.int_range(pl.len()))


FOUR = pool(
    ("a", 0, "Write a poem."), ("b", 0, "Write a poem about tea."), ("c", 1, "Name a city."), ("d", 1, "Stars?"),
)  # fmt: skip


def compared(selected: pl.DataFrame, pool: pl.DataFrame) -> DiversityFigures:
    found = compare_with_random(selected, pool, CIRCLE, 2, seed=0)
    assert found is not None
    return found


def test_measures_are_those_counted_by_hand() -> None:
    """Of a, b and c: two pairs (write poem, name city); two of three verbs are "write"; nearest at 0, 0 and 1."""
    assert compared(FOUR.head(3), FOUR).selected == DiversityMeasures(
        verb_object_pairs=2,
        top_verb_share=0.6667,
        cluster_entropy=round(-(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3)), 4),
        neighbour_distance=0.3333,
    )


def test_an_instruction_without_a_verb_counts_for_no_verb() -> None:
    found = compared(FOUR.tail(2), FOUR).selected
    assert (found.verb_object_pairs, found.top_verb_share) == (1, 1.0)


def test_a_random_selection_of_all_rows_is_the_selection_of_all_rows() -> None:
    found = compared(FOUR, FOUR)
    assert found.random == {
        one.name: RandomMeasure(mean=value, low=value, high=value) for one, value in found.selected.told()
    }


def told(entropy: float, distance: float, top: float = 0.1, pairs: int = 9) -> DiversityFigures:
    """A selection with so many verb-object pairs where random ones have 5 to 7, and the given other measures."""
    selected = DiversityMeasures(
        verb_object_pairs=pairs, top_verb_share=top, cluster_entropy=entropy, neighbour_distance=distance
    )
    random = {"verb_object_pairs": (5, 7), "top_verb_share": (0.2, 0.4), "cluster_entropy": (0.8, 0.9)}
    draws = {**random, "neighbour_distance": (0.1, 0.2)}
    return DiversityFigures(
        selected=selected,
        random={name: RandomMeasure(mean=(low + high) / 2, low=low, high=high) for name, (low, high) in draws.items()},
    )


def test_a_selection_that_is_no_better_than_random_is_said_so() -> None:
    better, unclear, worse = told(0.95, 0.3), told(0.892, 0.2), told(0.7, 0.3, top=0.5)
    assert better.warning == ""
    assert unclear.verdicts == {
        "verb_object_pairs": "more varied than every draw",
        "top_verb_share": "more varied than every draw",
        "cluster_entropy": "no better than random",
        "neighbour_distance": "no better than random",
    }
    assert unclear.warning == (
        "By some measures only is the selection more varied than as many pairs drawn at random: not by cluster entropy, "
        "nearest-neighbour distance."
    )
    by_none = told(0.7, 0.2, top=0.5, pairs=1)
    assert by_none.warning == (
        "By none of the measures is the selection more varied than as many pairs drawn at random."
    )
    assert [worse.verdicts[name] for name in ("top_verb_share", "cluster_entropy")] == ["worse than every draw"] * 2


def test_where_all_is_selected_there_was_nothing_to_choose() -> None:
    found = compared(FOUR, FOUR)
    assert set(found.verdicts.values()) == {"all there is"}
    assert found.warning.startswith("All pairs that could be selected were")


def test_random_selections_have_a_range_and_depend_on_the_seed_not_on_the_order() -> None:
    rows = pool(*((f"{i:02}", i % 5, f"Write about town {i % 7}.") for i in range(40)))
    vectors = numpy.random.default_rng(0).normal(size=(40, 8)).astype(numpy.float32)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)

    def random(seed: int, table: pl.DataFrame = rows) -> dict[str, RandomMeasure]:
        found = compare_with_random(rows.head(10), table, vectors, 5, seed)
        assert found is not None
        return found.random

    entropy = random(0)["cluster_entropy"]
    assert entropy.low < entropy.mean < entropy.high
    assert random(0) == random(0, rows.sample(fraction=1, shuffle=True, seed=1))
    assert random(0) != random(1)


def test_nothing_selected_has_no_measures() -> None:
    assert compare_with_random(FOUR.clear(), FOUR, CIRCLE, 2, seed=0) is None


@pytest.mark.parametrize(
    ("rows", "expected"), [([0, 1], 0.0), ([0, 2], 1.0), ([0, 3], 2.0), ([0, 2, 3], 1.0), ([0], 0.0)]
)
def test_the_distance_is_to_the_nearest_other_row(rows: list[int], expected: float) -> None:
    assert nearest_neighbour_distance(CIRCLE[rows]) == pytest.approx(expected)
