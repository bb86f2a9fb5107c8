"""What labels of a person say of the ratings, in numbers that can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from xinstr_core.curation.audit import LABEL_SCHEMA
from xinstr_core.evaluation.agreement import Agreement, agreement, agreement_between, weighted_kappa
from xinstr_core.settings import Settings

SETTINGS = Settings.model_validate({"evaluation": {"bootstrap_samples": 200}})
LIKELIEST = {1: (0.7, 0.2, 0.1), 2: (0.3, 0.4, 0.3), 3: (0.0, 0.4, 0.6)}
# 5 steps apart in 10 rows. The levels occur 3, 3, 4 times and 3, 4, 3 times, so that by chance 88 / 10 are expected:
# 3*4*1 + 3*3*2 + 3*3*1 + 3*3*1 + 4*3*2 + 4*4*1 = 88.
PERSON = [1, 1, 2, 2, 3, 3, 1, 2, 3, 3]
RATED = [1, 2, 2, 2, 3, 2, 1, 3, 3, 1]


def labels(*rows: dict[str, Any]) -> pl.DataFrame:
    """Labels of pairs p0, p1, ... from what is filled in."""
    empty = dict.fromkeys(LABEL_SCHEMA.names())
    return pl.DataFrame([{**empty, "pair_id": f"p{i}", **row} for i, row in enumerate(rows)], schema=LABEL_SCHEMA)


def pairs(levels: Sequence[int], kept: Sequence[bool] | None = None, **scores: Sequence[float]) -> pl.DataFrame:
    """Rated pairs p0, p1, ... with likeliest levels."""
    columns = {f"p_level_{n}": [LIKELIEST[level][n - 1] for level in levels] for n in (1, 2, 3)}
    keys = [f"p{i}" for i in range(len(levels))]
    return pl.DataFrame({"pair_id": keys, "kept": kept or [True] * len(levels), **columns, **scores})


def value(rows: Sequence[Agreement], aspect: str, measure: str) -> tuple[float, int]:
    (row,) = [row for row in rows if row.aspect == aspect and row.measure.startswith(measure)]
    assert row.low is None or row.high is None or row.low <= row.value <= row.high
    return row.value, row.n


def test_weighted_kappa_of_a_table_worked_out_by_hand() -> None:
    assert weighted_kappa([p - 1 for p in PERSON], [r - 1 for r in RATED], 3) == pytest.approx(1 - 5 * 10 / 88)


def test_weighted_kappa_of_two_categories_is_cohens() -> None:
    """Cohen 1960: 20 + 15 of 50 agree, 0.5 by chance."""
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert weighted_kappa(first, second, 2) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


@pytest.mark.parametrize(("first", "second", "kappa"), [([0, 1, 2], [0, 1, 2], 1.0), ([0, 2], [2, 0], -1.0)])
def test_the_ends_of_weighted_kappa(first: list[int], second: list[int], kappa: float) -> None:
    assert weighted_kappa(first, second, 3) == pytest.approx(kappa)


@pytest.mark.parametrize("rows", [[], [1, 1, 1]])
def test_weighted_kappa_is_undefined_without_expected_disagreement(rows: list[int]) -> None:
    assert math.isnan(weighted_kappa(rows, rows, 3))


def test_levels_are_compared_with_the_likeliest_ones() -> None:
    found = agreement(labels(*({"level": str(p)} for p in PERSON)), pairs(RATED), SETTINGS)
    assert value(found, "level", "same level") == (pytest.approx(0.6), 10)
    assert value(found, "level", "kappa") == (pytest.approx(38 / 88), 10)


def test_rows_without_a_label_a_rating_or_a_pair_do_not_count() -> None:
    rated = pairs([1, 2, 3, 3]).with_columns(
        p_level_1=pl.Series([0.7, None, float("nan"), 0.0]), rating=pl.lit(1.0), level=pl.lit("9")
    )
    found = agreement(
        labels({"level": "1"}, {"level": "2"}, {"level": "3"}, {}, {"level": "3"}, {"level": "3"}), rated, SETTINGS
    )
    assert value(found, "level", "same level") == (1.0, 1)


def test_scores_are_compared_with_yes() -> None:
    """.9 and .3 are a yes, .8 and .2 none: 3 of 4 comparisons are right, at 0.5 two of four rows."""
    settings = Settings.model_validate({"curation": {"minimum_instruction_quality": 0.5}})
    said = [{"instruction_clear": word} for word in ("yes", "no", "yes", "no")]
    found = agreement(labels(*said), pairs([3] * 4, instruction_quality=[0.9, 0.8, 0.3, 0.2]), settings)
    assert value(found, "instruction_clear", "AUC of instruction_quality") == (0.75, 4)
    assert value(found, "instruction_clear", "same answer of instruction_quality >= 0.5") == (0.5, 4)
    assert [row.aspect for row in found] == ["instruction_clear"] * 2


def test_partly_is_no_yes() -> None:
    said = [{"answers": word} for word in ("yes", "partly", "no")]
    found = agreement(labels(*said), pairs([3] * 3, pair_fit=[0.9, 0.7, 0.1]), SETTINGS)
    assert value(found, "answers", "AUC of pair_fit") == (1.0, 3)
    assert value(found, "answers", "same answer of pair_fit >= 0.5") == (pytest.approx(2 / 3), 3)


def test_the_threshold_is_that_of_the_settings() -> None:
    settings = Settings.model_validate({"curation": {"minimum_pair_fit": 0.8}})
    said = [{"answers": word} for word in ("yes", "partly", "no")]
    found = agreement(labels(*said), pairs([3] * 3, pair_fit=[0.9, 0.7, 0.1]), settings)
    assert value(found, "answers", "same answer of pair_fit >= 0.8") == (1.0, 3)


def test_aspects_without_scores_in_the_partition_have_no_row() -> None:
    said = [{"instruction_clear": word, "answers": word} for word in ("yes", "no")]
    assert agreement(labels(*said), pairs([3, 1]), SETTINGS) == []


def test_one_answer_only_has_no_area_under_a_curve() -> None:
    found = agreement(labels({"answers": "yes"}, {"answers": "yes"}), pairs([3, 3], pair_fit=[0.9, 0.1]), SETTINGS)
    assert [row.measure for row in found] == ["same answer of pair_fit >= 0.5"]


def test_naturalness_is_told_for_kept_and_dropped_pairs() -> None:
    said = [{"natural": word} for word in ("yes", "yes", "no", "yes", "no")]
    found = agreement(labels(*said), pairs([3] * 5, [True, True, True, False, False]), SETTINGS)
    assert value(found, "natural", "share of kept") == (pytest.approx(2 / 3), 3)
    assert value(found, "natural", "share of dropped") == (0.5, 2)


def test_recall_weighs_both_halves_by_the_pairs_that_they_stand_for() -> None:
    """8 kept pairs, 92 dropped; labelled are 4 of each, of which 3 and 1 are good: 6 of 6 + 23 good pairs are kept."""
    kept = [True] * 4 + [False] * 4 + [True] * 4 + [False] * 88
    said = [{"level": level} for level in ("3", "3", "2", "3", "1", "3", "1", "2")]
    found = agreement(labels(*said), pairs([3] * 100, kept), SETTINGS)
    assert value(found, "kept", "precision") == (0.75, 4)
    assert value(found, "kept", "recall") == (pytest.approx(6 / 29), 8)


@pytest.mark.parametrize("kept", [[True, True], [False, False]])
def test_recall_needs_both_halves(kept: list[bool]) -> None:
    found = agreement(labels({"level": "3"}, {"level": "1"}), pairs([3, 1], kept), SETTINGS)
    assert [row for row in found if row.measure.startswith("recall")] == []


def test_intervals_are_those_of_a_share() -> None:
    """80 of 100: 0.8 +- 1.96 * 0.04."""
    said = [{"level": "3" if number < 80 else "1"} for number in range(100)]
    found = agreement(labels(*said), pairs([3] * 100), Settings())
    (row,) = [row for row in found if row.measure == "same level"]
    assert (row.low, row.high) == (pytest.approx(0.72, abs=0.015), pytest.approx(0.88, abs=0.015))


def test_what_no_resample_can_say_otherwise_has_no_interval() -> None:
    """All pairs are labelled with the best level: recall is the share of kept ones whatever is drawn within the halves."""
    kept = [True] * 10 + [False] * 10
    found = agreement(labels(*[{"level": "3"}] * 20), pairs([3] * 10 + [1] * 10, kept), SETTINGS)
    (row,) = [row for row in found if row.measure == "same level"]
    assert (row.value, row.low, row.high) == (0.5, pytest.approx(0.299, abs=0.001), pytest.approx(0.701, abs=0.001))
    (row,) = [row for row in found if row.measure.startswith("recall")]
    assert (row.value, row.low, row.high) == (0.5, None, None)


def test_a_kappa_of_few_rows_has_no_interval() -> None:
    said, rated = labels(*({"level": str(p)} for p in PERSON)), pairs(RATED)
    few = agreement(said, rated, SETTINGS)
    enough = agreement(said, rated, Settings.model_validate({"evaluation": {"minimum_cases": 10}}))
    for found, known in ((few, False), (enough, True)):
        (row,) = [row for row in found if row.measure.startswith("kappa")]
        assert (row.n, row.low is not None, row.high is not None) == (10, known, known)


def test_the_order_of_rows_changes_no_bit() -> None:
    said, rated = labels(*({"level": str(p)} for p in PERSON)), pairs(RATED, [True, False] * 5)
    assert agreement(said.reverse(), rated.sample(fraction=1, shuffle=True, seed=1), SETTINGS) == agreement(
        said, rated, SETTINGS
    )


def test_two_raters() -> None:
    first = labels(*({"level": str(p), "natural": "yes"} for p in PERSON), {"level": "3", "answers": "no"})
    second = labels(*({"level": str(r), "natural": "yes"} for r in RATED), {"answers": "partly"})
    found = agreement_between(first, second, SETTINGS)
    assert value(found, "level", "same label") == (pytest.approx(0.6), 10)
    assert value(found, "level", "kappa") == (pytest.approx(38 / 88), 10)
    assert value(found, "natural", "same label") == (1.0, 10)
    assert value(found, "answers", "same label") == (0.0, 1)
    # Both said the one and same word throughout: no kappa of natural. One row of answers: a step apart, 1 expected.
    assert [row.aspect for row in found if row.measure.startswith("kappa")] == ["answers", "level"]


def test_two_raters_without_a_pair_in_common() -> None:
    other = labels({"level": "1"}).with_columns(pair_id=pl.lit("q"))
    assert agreement_between(labels({"level": "1"}), other, SETTINGS) == []
