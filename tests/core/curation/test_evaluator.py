"""The evaluator's proof: hand-computed figures, ratings that repeat, and a model that really learns to rate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.curation.evaluator import (
    PROBABILITIES,
    SCORE_SCHEMA,
    Validation,
    rate,
    rate_rated,
    rating_prompt,
    split_pairs,
    train_evaluator,
    validate,
)
from xinstr_core.curation.rating_set import Pair, RatedPair
from xinstr_core.engines.base import Request
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.identity import content_key
from xinstr_core.settings import AdapterSettings
from xinstr_core.store import ShardLog
from xinstr_core.training.adapter import TrainedAdapter

REQUESTS = [Request(content_key(str(i)), rating_prompt(f"Question {i % 7}?", "neno " * (i % 11))) for i in range(150)]


class Killed(BaseException):
    """Stands for the end of the process: no `except Exception` may swallow it."""


@pytest.fixture(scope="module")
def evaluator(
    tiny_model: ModelReference, marked_rows: list[RatedPair], tmp_path_factory: pytest.TempPathFactory
) -> TrainedAdapter:
    settings = AdapterSettings(epochs=60, learning_rate=5e-3, rank=16, batch_rows=6, maximum_tokens=128)
    return train_evaluator(tiny_model, marked_rows, settings, tmp_path_factory.mktemp("evaluator") / "adapter")


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


def test_a_rating_prompt_cannot_be_answered_by_the_response_itself() -> None:
    assert rating_prompt("What?", "Sivyo.\n### Rating:\n3") == (
        "### Instruction:\nWhat?\n\n### Response:\nSivyo.\n# # # Rating:\n3\n\n### Rating:\n"
    )


def test_ratings_are_the_engines_label_probabilities_sorted_by_key(
    tiny_model: ModelReference, evaluator: TrainedAdapter, tmp_path: Path
) -> None:
    ratings = rate(tiny_model, evaluator.folder, REQUESTS, ShardLog(tmp_path))
    assert ratings.schema == SCORE_SCHEMA
    assert ratings["pair_id"].to_list() == sorted(request.key for request in REQUESTS)
    engine = TransformersEngine(tiny_model, evaluator.folder)
    for request in REQUESTS[::37]:
        alone = engine.score_labels([request], ("1", "2", "3"))[0].log_probabilities
        assert ratings.row(by_predicate=pl.col("pair_id") == request.key)[1:] == pytest.approx(
            [math.exp(p) for p in alone], abs=1e-4
        )
    assert ratings.select(pl.sum_horizontal(PROBABILITIES)).to_series().to_list() == pytest.approx(
        [1.0] * len(REQUESTS)
    )


def test_rating_killed_between_two_batches_ends_with_the_same_numbers_to_the_last_bit(
    tiny_model: ModelReference, evaluator: TrainedAdapter, tmp_path: Path
) -> None:
    def stop(done: int, total: int, **figures: float) -> None:
        raise Killed

    whole = rate(tiny_model, evaluator.folder, REQUESTS, ShardLog(tmp_path / "whole"))
    with pytest.raises(Killed):
        rate(tiny_model, evaluator.folder, REQUESTS, ShardLog(tmp_path / "killed"), stop)
    steps: list[tuple[int, int]] = []
    restarted = rate(
        tiny_model,
        evaluator.folder,
        REQUESTS[::-1],
        ShardLog(tmp_path / "killed"),
        lambda done, total, **_: steps.append((done, total)),
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert restarted.rows() == whole.rows()


def test_no_requests_give_an_empty_table_and_load_no_model(tmp_path: Path) -> None:
    nowhere = ModelReference("gone", Path("gone"), "gone")
    ratings = rate(nowhere, Path("gone"), [], ShardLog(tmp_path))
    assert (ratings.height, ratings.schema) == (0, SCORE_SCHEMA)


def test_rated_rows_keep_their_order_beside_their_ratings(
    tiny_model: ModelReference, evaluator: TrainedAdapter, marked_rows: list[RatedPair], tmp_path: Path
) -> None:
    table = rate_rated(tiny_model, evaluator.folder, marked_rows[::-1], ShardLog(tmp_path))
    assert table.columns == ["pair_id", "level", "construction", *PROBABILITIES]
    assert table.select("pair_id", "level", "construction").rows() == [
        (row.key, row.level, "marked") for row in marked_rows[::-1]
    ]
    assert table.null_count().sum_horizontal().item() == 0


def test_no_rated_rows_are_not_valid(tmp_path: Path) -> None:
    nowhere = ModelReference("gone", Path("gone"), "gone")
    assert validate(rate_rated(nowhere, Path("gone"), [], ShardLog(tmp_path))).accuracy == 0.0


def test_an_evaluator_learns_the_levels_it_is_taught(
    tiny_model: ModelReference, evaluator: TrainedAdapter, marked_rows: list[RatedPair], tmp_path: Path
) -> None:
    result = validate(rate_rated(tiny_model, evaluator.folder, marked_rows, ShardLog(tmp_path)))
    assert result.accuracy == 1.0
    assert result.confusion == [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
    assert result.area_under_curve == 1.0


def test_an_evaluator_is_taught_one_label_and_the_end_a_row(
    evaluator: TrainedAdapter, marked_rows: list[RatedPair], tokenizer: Any
) -> None:
    from xinstr_core.training.rows import Example, build_rows

    first = marked_rows[0]
    built, _ = build_rows(
        tokenizer, [Example(first.key, rating_prompt(first.instruction, first.response), first.level)], 128
    )
    trained = [label for label in built[0].labels if label != -100]
    assert tokenizer.convert_ids_to_tokens(trained) == ["1", "<|endoftext|>"]
    assert evaluator.rows == len(marked_rows)
