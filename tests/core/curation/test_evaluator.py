"""The evaluator's proof: hand-computed figures, a head that learns levels, and trainings that repeat."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.curation.evaluator import (
    PROBABILITIES,
    RATING_SCHEMA,
    Evaluator,
    Head,
    Validation,
    accuracy_by_construction,
    split_pairs,
    train_evaluator,
    validate,
)
from xinstr_core.curation.rating_set import Pair, build_rating_set
from xinstr_core.curation.signals import SIGNAL_SCHEMA, SIGNALS
from xinstr_core.engines.models import ModelReference
from xinstr_core.errors import StageError
from xinstr_core.identity import content_key
from xinstr_core.settings import EvaluatorSettings

SETTINGS = EvaluatorSettings(epochs=2, learning_rate=5e-3, rank=4, batch_rows=4, maximum_tokens=256)
NOWHERE = ModelReference("gone", Path("gone"), "gone")


def seed_pairs(count: int) -> list[Pair]:
    words = ["ugali", "mto", "kazi", "shule", "ndege", "soko"]
    return [
        Pair(
            content_key(str(i)),
            f"Tell me about {words[i % 6]} {i}.",
            f"Hii ni habari ya {words[i % 6]} {i}. Watu wengi hupenda {words[i % 6]} sana. Kila siku huwa na jambo jipya.",
        )
        for i in range(count)
    ]


def signals(*means: float) -> pl.DataFrame:
    """Rows whose first signal has the given values and whose other signals are all alike."""
    others = dict.fromkeys(SIGNALS[1:], -1.0)
    return pl.DataFrame(
        [{"pair_id": f"{i:03}", SIGNALS[0]: mean, **others} for i, mean in enumerate(means)], schema=SIGNAL_SCHEMA
    )


def rows(*values: tuple[str, float, float, float]) -> pl.DataFrame:
    return pl.DataFrame(list(values), schema=["level", *PROBABILITIES], orient="row")


def test_figures_of_six_rows_are_those_computed_by_hand() -> None:
    """Confidences by bin of a tenth, right ones first:

    0.5-0.6: 0.5 right, 0.55 wrong   |1/2 - 0.525| * 2/6 = 0.05/6
    0.6-0.7: 0.65 wrong              |0 - 0.65| * 1/6    = 0.65/6
    0.8-0.9: 0.82 right, 0.85 wrong  |1/2 - 0.835| * 2/6 = 0.67/6
    1.0: right                       0
    p(level 3) of level 3: 0.82, 0.1, 0.05; of the others: 0.55, 0.15, 0. The first is above three of them, the
    second and third above one each: 5 of 9.
    """
    result = validate(
        rows(
            ("1", 0.5, 0.35, 0.15),
            ("1", 0.2, 0.25, 0.55),
            ("3", 0.65, 0.25, 0.1),
            ("3", 0.1, 0.08, 0.82),
            ("2", 0.0, 1.0, 0.0),
            ("3", 0.1, 0.85, 0.05),
        )
    )
    assert result.rows == 6
    assert result.accuracy == pytest.approx(3 / 6)
    assert result.confusion == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    assert result.area_under_curve == pytest.approx(5 / 9)
    assert result.calibration_error == pytest.approx((0.05 + 0.65 + 0.67) / 6)


def test_ties_count_half_in_the_area_under_the_curve() -> None:
    """Level 3 has 0.6 and 0.2, the others 0.6 and 0.2: 1/2 + 1 + 0 + 1/2 of four comparisons."""
    table = rows(("3", 0.3, 0.1, 0.6), ("3", 0.7, 0.1, 0.2), ("1", 0.3, 0.1, 0.6), ("2", 0.1, 0.7, 0.2))
    assert validate(table).area_under_curve == 0.5
    assert validate(table.with_row_index("i").filter(pl.col("i") != 1)).area_under_curve == 0.75


def test_a_perfect_evaluator_has_perfect_figures() -> None:
    result = validate(rows(("1", 1.0, 0.0, 0.0), ("2", 0.0, 1.0, 0.0), ("3", 0.0, 0.0, 1.0)))
    assert result == Validation(3, 1.0, 0.0, 1.0, [[1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_an_evaluator_that_is_surely_wrong_has_the_worst_figures() -> None:
    result = validate(rows(("3", 1.0, 0.0, 0.0), ("1", 0.0, 0.0, 1.0)))
    assert result == Validation(2, 0.0, 1.0, 0.0, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


def test_calibration_depends_on_the_number_of_bins() -> None:
    """A single bin lets a miss at 0.9 and a hit at 0.6 cancel in part."""
    table = rows(("1", 0.6, 0.2, 0.2), ("2", 0.9, 0.05, 0.05))
    assert validate(table, bins=1).calibration_error == pytest.approx(abs(1 / 2 - 0.75))
    assert validate(table, bins=10).calibration_error == pytest.approx((0.4 + 0.9) / 2)


def test_the_order_of_the_rows_changes_no_figure() -> None:
    table = rows(("1", 0.5, 0.3, 0.2), ("2", 0.2, 0.3, 0.5), ("3", 0.2, 0.2, 0.6), ("3", 0.6, 0.2, 0.2))
    assert validate(table.reverse()) == validate(table)


def test_no_rows_are_not_valid() -> None:
    empty = pl.DataFrame(schema={"level": pl.String, **dict.fromkeys(PROBABILITIES, pl.Float64)})
    assert validate(empty) == Validation(0, 0.0, 1.0, 0.5, [[0] * 3] * 3)


@pytest.mark.parametrize("level", ["1", "2", "3"])
def test_rows_of_one_level_only_are_not_valid(level: str) -> None:
    """Whoever always says that level would be right every time; that proves nothing and may not open the gate."""
    probabilities = {"1": (0.8, 0.1, 0.1), "2": (0.1, 0.8, 0.1), "3": (0.1, 0.1, 0.8)}[level]
    result = validate(rows((level, *probabilities), (level, *probabilities)))
    assert result.accuracy == 0.0
    assert result.area_under_curve == 0.5


def test_figures_are_named_and_rounded() -> None:
    figures = Validation(7, 5 / 7, 1 / 3, 2 / 3, [[1, 0, 0], [0, 1, 0], [0, 0, 5]]).figures()
    assert figures == {
        "held-out rows": 7,
        "accuracy": 0.7143,
        "expected calibration error": 0.3333,
        "AUC of level 3": 0.6667,
        "confusion (true level by predicted level)": [[1, 0, 0], [0, 1, 0], [0, 0, 5]],
    }


@pytest.mark.parametrize(
    ("rows", "accuracy", "may"), [(30, 0.7, True), (29, 1.0, False), (300, 0.699, False), (0, 0.0, False)]
)
def test_an_evaluator_may_gate_that_is_right_often_enough_on_enough_rows(rows: int, accuracy: float, may: bool) -> None:
    settings = EvaluatorSettings(minimum_accuracy=0.7, minimum_held_out_rows=30)
    assert Validation(rows, accuracy, 0.0, 1.0, [[0] * 3] * 3).may_gate(settings) is may


def test_pairs_are_held_out_by_their_key() -> None:
    pairs = [
        Pair(key, "i", "r") for key in ("ffffffff00000000", "ffffffff33333332", "0000000033333334", "00000000ffffffff")
    ]
    training, held_out = split_pairs(pairs, 0.2)
    assert [pair.key for pair in held_out] == ["ffffffff00000000", "ffffffff33333332"]
    assert [pair.key for pair in training] == ["0000000033333334", "00000000ffffffff"]


def test_a_pair_stays_on_its_side_whatever_is_added() -> None:
    pairs = [Pair(content_key(str(i)), "i", "r") for i in range(400)]
    training, held_out = split_pairs(pairs[:100], 0.2)
    more_training, more_held_out = split_pairs(pairs[::-1], 0.2)
    assert {p.key for p in training} <= {p.key for p in more_training}
    assert {p.key for p in held_out} <= {p.key for p in more_held_out}
    assert len(more_training) + len(more_held_out) == 400
    assert 50 < len(more_held_out) < 110


def test_two_splits_by_other_digits_do_not_follow_each_other() -> None:
    """A quarter of the held-out fifth, and a quarter of the rest, are taken by the second split."""
    others, held_out = split_pairs([Pair(content_key(str(i)), "i", "r") for i in range(2000)], 0.2)
    for side in (others, held_out):
        _, taken = split_pairs(side, 0.25, digits=slice(16, 20))
        assert len(taken) / len(side) == pytest.approx(0.25, abs=0.05)


def test_a_head_learns_levels_that_a_signal_tells_apart() -> None:
    head = Head.fit(signals(-9, -8, -7, -4, -3.5, -3, -0.4, -0.3, -0.2), list("111222333"))
    rated = head.rate(signals(-8.5, -3.3, -0.1))
    assert rated.schema == RATING_SCHEMA
    assert rated.select(pl.concat_list(PROBABILITIES).list.arg_max() + 1).to_series().to_list() == [1, 2, 3]
    assert rated.select(pl.sum_horizontal(PROBABILITIES)).to_series().to_list() == pytest.approx([1.0] * 3)
    assert rated[SIGNALS[0]].to_list() == [-8.5, -3.3, -0.1]


def test_a_heads_probabilities_are_the_softmax_of_its_weighted_standardised_signals() -> None:
    rows_of_table = [(SIGNALS[0], -2.0, 0.5, 1.0, 0.0, -1.0)]
    rows_of_table += [(name, 0.0, 1.0, 0.0, 0.0, 0.0) for name in SIGNALS[1:]]
    rows_of_table += [("intercept", 0.0, 1.0, 0.1, 0.2, 0.3)]
    columns = ["signal", "mean", "scale", "weight_1", "weight_2", "weight_3"]
    rated = Head(pl.DataFrame(rows_of_table, schema=columns, orient="row")).rate(signals(-1.0))
    exponents = [math.exp(2.0 + 0.1), math.exp(0.2), math.exp(-2.0 + 0.3)]
    assert rated.row(0)[1:4] == pytest.approx([e / sum(exponents) for e in exponents])


def test_a_head_read_back_from_its_table_rates_the_same(tmp_path: Path) -> None:
    head = Head.fit(signals(-9, -8, -4, -3, -0.4, -0.2), list("112233"))
    head.table.write_parquet(tmp_path / "head.parquet")
    again = Head(pl.read_parquet(tmp_path / "head.parquet"))
    assert again.rate(signals(-5, -1)).rows() == head.rate(signals(-5, -1)).rows()


@pytest.mark.parametrize("levels", ["", "1122", "3333"])
def test_a_head_without_rows_of_every_level_knows_nothing(levels: str) -> None:
    head = Head.fit(signals(*range(len(levels))), list(levels))
    assert head.rate(signals(-9, 9)).select(PROBABILITIES).rows() == [pytest.approx([1 / 3] * 3)] * 2


def test_an_extreme_signal_overflows_nothing() -> None:
    head = Head.fit(signals(-9, -8, -4, -3, -0.4, -0.2), list("112233"))
    probabilities = head.rate(signals(-1e6, 0.0)).select(PROBABILITIES)
    assert probabilities.null_count().sum_horizontal().item() == 0
    assert not any(math.isnan(p) for row in probabilities.rows() for p in row)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-7])
def test_a_signal_that_hardly_varies_gives_no_undefined_rating(spread: float) -> None:
    values = [-1.0, -1.0 + spread, -1.0, -1.0 + spread, -1.0, -1.0 + spread]
    probabilities = Head.fit(signals(*values), list("112233")).rate(signals(-1.0, -9.0)).select(PROBABILITIES)
    assert all(0 <= p <= 1 for row in probabilities.rows() for p in row)


def test_too_few_seeds_to_train_on_are_told_as_that(tiny_model: ModelReference, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="0 seed pairs are too few"):
        train_evaluator(tiny_model, [], SETTINGS, tmp_path)


def test_accuracy_by_construction_is_the_share_of_rightly_rated_rows() -> None:
    table = rows(("1", 0.8, 0.1, 0.1), ("1", 0.1, 0.1, 0.8), ("3", 0.1, 0.1, 0.8))
    rated = table.with_columns(construction=pl.Series(["echo", "echo", "own"]))
    assert accuracy_by_construction(rated) == {"echo": 0.5, "own": 1.0}


def test_the_adapter_learns_from_most_pairs_and_all_added_ones_and_the_head_from_the_others(
    tiny_model: ModelReference, tmp_path: Path
) -> None:
    pairs = seed_pairs(24)
    added = [Pair(content_key("added"), "Tell me about samaki.", "Samaki huishi majini. Watu huvua samaki.")]
    for_adapter, for_head = split_pairs(pairs, SETTINGS.head_share, digits=slice(16, 20))
    evaluator, trained = train_evaluator(tiny_model, pairs, SETTINGS, tmp_path, added=added)
    assert trained.rows == len(for_adapter) + 1
    read = pl.concat([pl.read_parquet(path) for path in (tmp_path / "head").glob("instructions-*/*.parquet")])
    assert sorted(read["pair_id"]) == sorted(row.key for row in build_rating_set(for_head))
    assert evaluator.head.table["signal"].to_list() == [*SIGNALS, "intercept"]


def test_a_training_killed_after_its_adapter_ends_with_the_same_head(
    tiny_model: ModelReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = train_evaluator(tiny_model, seed_pairs(24), SETTINGS, tmp_path / "whole")

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Head, "fit", killed)
        train_evaluator(tiny_model, seed_pairs(24), SETTINGS, tmp_path / "killed")
    restarted, _ = train_evaluator(tiny_model, seed_pairs(24), SETTINGS, tmp_path / "killed")
    assert restarted.head.table.rows() == whole.head.table.rows()


def test_rated_rows_keep_their_order_beside_their_ratings(tiny_model: ModelReference, tmp_path: Path) -> None:
    evaluator, _ = train_evaluator(tiny_model, seed_pairs(24), SETTINGS, tmp_path)
    rated = build_rating_set(seed_pairs(30)[24:])
    table = evaluator.rate_rated(tiny_model, rated[::-1], tmp_path / "held_out")
    assert table.columns == ["pair_id", "level", "construction", *RATING_SCHEMA.names()[1:]]
    assert table.select("pair_id", "level", "construction").rows() == [
        (row.key, row.level, row.construction) for row in rated[::-1]
    ]
    assert table.null_count().sum_horizontal().item() == 0


def test_no_pairs_give_an_empty_table_and_load_no_model(tmp_path: Path) -> None:
    evaluator = Evaluator(Path("gone"), Head.fit(signals(), []))
    ratings = evaluator.rate(NOWHERE, [], tmp_path)
    assert (ratings.height, ratings.schema) == (0, RATING_SCHEMA)
    assert validate(evaluator.rate_rated(NOWHERE, [], tmp_path)).accuracy == 0.0
