"""What each arm is tuned on, row by row, and how its gap to the selected one is told."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from xinstr_core.evaluation.arms import (
    ARM_SCHEMA,
    ARMS,
    TRANSFER_ARMS,
    arm_rows,
    arm_size,
    drawable,
    repeated,
)
from xinstr_core.evaluation.gaps import Gap, gaps, paired_cases
from xinstr_core.evaluation.measures import Measures
from xinstr_core.schemas.eval_report import GAPS, SCORES
from xinstr_core.schemas.metrics import Metric
from xinstr_core.settings import Arm, EvaluationSettings


def rated(*rows: tuple[str, float | None, bool]) -> pl.DataFrame:
    """Pairs with their key, rating and whether they were kept; document d1 belongs to pair p1, and so on."""
    return pl.DataFrame(
        [
            {
                "pair_id": key,
                "doc_id": key.replace("p", "d").rstrip("'"),
                "instruction": f"ask {key}",
                "response": f"say {key}",
                "rating": rating,
                "kept": kept,
            }
            for key, rating, kept in rows
        ],
        schema_overrides={"rating": pl.Float64},
    )


PAIRS = rated(
    ("p6", 1.1, False),
    ("p1", 2.9, True),
    ("p4", 1.2, False),
    ("p3", 2.8, True),
    ("p2", 1.2, False),
    ("p5", 2.7, True),
    ("p7", 2.6, True),
)
# By rank: p5 and p3 are the first of their clusters, p3 the better rated; then p7.
SELECTED = PAIRS.filter(pl.col("pair_id").is_in(["p3", "p5", "p7"])).with_columns(
    rank_in_cluster=pl.col("pair_id").replace_strict({"p3": 1, "p5": 1, "p7": 2})
)
SEEDS = pl.DataFrame({"pair_id": ["s2", "s1"], "instruction": ["ask s2", "ask s1"], "response": ["say s2", "say s1"]})
NOBODY = pl.Series("doc_id", [], dtype=pl.String)


def keys(arm: Arm, size: int, *, mix_seeds: bool = True) -> list[str]:
    return arm_rows(arm, PAIRS, SELECTED, SEEDS, size, mix_seeds=mix_seeds)["pair_id"].to_list()


@pytest.mark.parametrize(
    ("arm", "pairs"),
    [
        ("selected", ["p3", "p5"]),  # both clusters' best, and not p7, the second of one
        ("seed_only", []),
        ("uncurated", ["p1", "p2"]),
        ("random", ["p1", "p3"]),
        ("top_half", ["p1", "p3"]),
        ("bottom_half", ["p2", "p4"]),
    ],
)
def test_an_arm_has_its_own_pairs_and_the_seeds_of_all(arm: Arm, pairs: list[str]) -> None:
    assert keys(arm, 2) == [*pairs, "s1", "s2"]


def test_the_best_of_the_better_cluster_comes_first() -> None:
    assert keys("selected", 1) == ["p3", "s1", "s2"]


def test_the_halves_are_split_at_the_median_and_ties_go_by_key() -> None:
    assert keys("bottom_half", 3) == ["p2", "p4", "p6", "s1", "s2"]
    assert keys("top_half", 3) == ["p1", "p3", "p5", "s1", "s2"]
    tied = PAIRS.with_columns(rating=pl.lit(2.0)).filter(pl.col("pair_id") < "p5")
    halves = [
        arm_rows(arm, tied, SELECTED, SEEDS, 2, mix_seeds=False)["pair_id"].to_list()
        for arm in ("bottom_half", "top_half")
    ]
    assert halves == [["p1", "p2"], ["p3", "p4"]]


def test_without_mixed_seeds_only_seed_only_has_any() -> None:
    assert keys("uncurated", 2, mix_seeds=False) == ["p1", "p2"]
    assert keys("seed_only", 2, mix_seeds=False) == ["s1", "s2"]


def test_rows_carry_their_texts_and_the_tag_of_their_prompt() -> None:
    rows = arm_rows("random", PAIRS, SELECTED, SEEDS, 1)
    assert rows.schema == ARM_SCHEMA
    assert rows.rows() == [
        ("p1", "ask p1", "say p1", "web"),
        ("s1", "ask s1", "say s1", "seed"),
        ("s2", "ask s2", "say s2", "seed"),
    ]


def test_the_order_of_the_tables_does_not_matter() -> None:
    for arm in (arm for arm in ARMS if arm not in TRANSFER_ARMS):
        again = arm_rows(arm, PAIRS.reverse(), SELECTED.reverse(), SEEDS.reverse(), 2)
        assert again.equals(arm_rows(arm, PAIRS, SELECTED, SEEDS, 2))


def test_the_size_is_that_of_the_smallest_arm() -> None:
    assert arm_size(PAIRS, SELECTED) == 3  # the halves of seven and the selection; four were kept
    assert arm_size(PAIRS, SELECTED.head(1)) == 1
    assert arm_size(PAIRS.head(0), SELECTED) == 0


def test_no_arm_may_draw_any_pair_of_a_held_out_document() -> None:
    pairs = pl.concat([PAIRS, rated(("p3'", 2.0, False))])  # another candidate of document d3
    free = drawable(pairs, pl.Series(["d3"]))
    assert "d3" not in free["doc_id"]
    assert free["pair_id"].to_list() == ["p1", "p2", "p4", "p5", "p6", "p7"]


def test_holding_out_kept_pairs_does_not_change_the_share_of_kept_ones() -> None:
    pairs = rated(*((f"p{n:03d}", 2.5, True) for n in range(80)), *((f"p{n:03d}", 1.5, False) for n in range(80, 120)))
    free = drawable(pairs, pairs["doc_id"].head(20))
    assert (int(free["kept"].sum()), len(free)) == (60, 90)
    assert drawable(pairs, NOBODY).equals(pairs)


def test_pairs_without_a_rating_are_not_drawn() -> None:
    assert drawable(rated(("p1", None, False), ("p2", 2.0, True)), NOBODY)["pair_id"].to_list() == ["p2"]


def test_rows_are_repeated_from_the_first_on_up_to_the_budget() -> None:
    assert repeated(["a", "b"], 5) == ["a", "b", "a", "b", "a"]
    assert repeated(["a", "b", "c"], 2) == ["a", "b"]


def scores(**of_model: dict[str, float]) -> pl.DataFrame:
    measures = Measures("sw", EvaluationSettings())
    for model, values in of_model.items():
        measures.add(Metric("a rate", "made up", better="lower"), model, values, prompts="en")
    return measures.scores


def test_a_gap_pairs_the_cases_whatever_their_order() -> None:
    found = gaps(
        scores(
            selected={"x": 0.0, "y": 8.0, "z": 64.0},
            random={"z": 65.0, "x": 1.0, "y": 9.0},
            base={"x": 7.0, "y": 7.0, "z": 7.0},
            tuned={"x": 7.0, "y": 7.0, "z": 7.0},
        ),
        EvaluationSettings(),
    )
    assert found == [
        Gap("sw", "tuned", "base", "a rate", "en", 0.0, None, None, 3, "lower"),
        Gap("sw", "selected", "random", "a rate", "en", -1.0, None, None, 3, "lower"),
    ]
    assert {"language", "reference", "arm", "metric", "prompts", "difference", "low", "high", "n", "better"} == set(
        Gap.__dataclass_fields__
    )
    assert set(GAPS.schema.names()) == {*Gap.__dataclass_fields__, "clear"}


def test_arms_stand_in_the_order_of_the_settings_and_only_shared_cases_count() -> None:
    table = scores(
        selected={"x": 1.0, "y": 1.0},
        top_half={"x": 0.5},
        bottom_half={"x": 0.0, "lost": 1.0},
        uncurated={"y": 0.0},
        tuned={"x": 1.0},
    )
    assert paired_cases(table).select("reference", "arm", "case", "reference_value", "value").rows() == [
        ("selected", "uncurated", "y", 1.0, 0.0),
        ("selected", "top_half", "x", 1.0, 0.5),
        ("selected", "bottom_half", "x", 1.0, 0.0),
        ("top_half", "bottom_half", "x", 0.5, 0.0),
    ]


def test_without_arms_only_base_and_tuned_have_a_gap() -> None:
    found = gaps(scores(base={"x": 1.0}, tuned={"x": 0.0}), EvaluationSettings())
    assert [(one.reference, one.arm, one.difference) for one in found] == [("tuned", "base", -1.0)]
    assert gaps(SCORES.schema.to_frame(), EvaluationSettings()) == []


BETTER, UNCLEAR, WORSE = "selected is better", "not shown: the interval holds zero", "selected is worse than random"


@pytest.mark.parametrize(
    ("interval", "better", "verdict"),
    [
        ((0.1, 0.3), "higher", BETTER),
        ((0.0, 0.3), "higher", UNCLEAR),
        ((-0.1, 0.3), "higher", UNCLEAR),
        ((-0.3, -0.1), "higher", WORSE),
        ((-0.3, -0.1), "lower", BETTER),
        ((-0.3, 0.0), "lower", UNCLEAR),
        ((0.1, 0.3), "lower", WORSE),
    ],
)
def test_a_gap_is_clear_when_the_selected_arm_is_better_and_zero_is_outside(
    interval: tuple[float, float], better: str, verdict: str
) -> None:
    assert Gap("sw", "selected", "random", "a rate", "en", 0.5, None, None, 19, better).verdict.startswith("no verdict")
    gap = Gap("sw", "selected", "random", "a rate", "en", sum(interval) / 2, *interval, 96, better)
    found: Any = (gap.verdict, gap.clear)
    assert found == (verdict, verdict == BETTER)
