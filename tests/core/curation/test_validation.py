"""The proof that an evaluator can rate: every figure computed by hand."""

from __future__ import annotations

import json
import math

import numpy
import polars as pl
import pytest

from xinstr_core.curation.validation import (
    PROBABILITIES,
    Validation,
    calibration,
    share_right,
    validate,
)
from xinstr_core.settings import EvaluatorSettings

NONE = [[0] * 3 for _ in range(3)]
COLUMNS = pl.Schema(
    {
        "level": pl.String,
        "construction": pl.String,
        "instruction_good": pl.Boolean,
        "fits": pl.Boolean,
        **dict.fromkeys((*PROBABILITIES, "instruction_quality", "pair_fit"), pl.Float64),
    }
)


def rows(*values: tuple[str, float, float, float]) -> pl.DataFrame:
    """Rows with a level and its probabilities; the scores say nothing."""
    table = [(level, "made", None, None, *probabilities, 0.5, 0.5) for level, *probabilities in values]
    return pl.DataFrame(table, schema=COLUMNS, orient="row")


def scored(*values: tuple[str, bool | None, bool | None, float, float]) -> pl.DataFrame:
    """Rows with a level, what is true of the scores, and the scores; probabilities are all alike."""
    third = (1 / 3,) * 3
    table = [(level, "made", good, fits, *third, quality, fit) for level, good, fits, quality, fit in values]
    return pl.DataFrame(table, schema=COLUMNS, orient="row")


NO_ROWS = rows()
SIX = rows(
    ("1", 0.5, 0.35, 0.15),
    ("1", 0.2, 0.25, 0.55),
    ("3", 0.65, 0.25, 0.1),
    ("3", 0.1, 0.08, 0.82),
    ("2", 0.0, 1.0, 0.0),
    ("3", 0.1, 0.85, 0.05),
)


def test_accuracy_is_the_mean_of_the_levels_own() -> None:
    """1 of 2 at level 1, 1 of 1 at level 2, 1 of 3 at level 3: (1/2 + 1 + 1/3) / 3."""
    result = validate(SIX, NO_ROWS)
    assert result.rows == 6
    assert result.accuracy == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert result.confusion == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]


def test_log_loss_is_the_mean_of_the_levels_own() -> None:
    losses = [(-math.log(0.5) - math.log(0.2)) / 2, 0.0, (-math.log(0.1) - math.log(0.82) - math.log(0.05)) / 3]
    assert validate(SIX, NO_ROWS).log_loss == pytest.approx(sum(losses) / 3)


def test_calibration_weighs_each_level_the_same_and_has_the_bins_of_a_tenth() -> None:
    """Weights: 1/6 a row of level 1, 1/3 of level 2, 1/9 of level 3. Confidences by bin, (confidence, right, weight):

    0.5-0.6: (0.5, 1, 1/6), (0.55, 0, 1/6)    sure 0.525, right 1/2: 0.025 * 1/3
    0.6-0.7: (0.65, 0, 1/9)                   sure 0.65, right 0: 0.65 * 1/9
    0.8-0.9: (0.82, 1, 1/9), (0.85, 0, 1/9)   sure 0.835, right 1/2: 0.335 * 2/9
    0.9-1:   (1, 1, 1/3)                      0
    """
    result = validate(SIX, NO_ROWS)
    assert result.calibration_error == pytest.approx(0.025 / 3 + 0.65 / 9 + 0.335 * 2 / 9)
    assert result.reliability == [[0.525, 0.5, 2], [0.65, 0.0, 1], [0.835, 0.5, 2], [1.0, 1.0, 1]]


def test_a_bin_weighs_its_rows() -> None:
    """Two rows of a bin, one three times as heavy and wrong: sure (0.61 + 3 * 0.69) / 4, right 1/4."""
    error, reliability = calibration(numpy.array([0.61, 0.69]), numpy.array([True, False]), numpy.array([0.25, 0.75]))
    assert error == pytest.approx((0.61 + 3 * 0.69) / 4 - 0.25)
    assert reliability == [[0.67, 0.25, 2]]


def test_area_of_level_three() -> None:
    """p(level 3) of level 3: 0.82, 0.1, 0.05; of the others: 0.55, 0.15, 0. Of nine comparisons 3 + 1 + 1 are won."""
    assert validate(SIX, NO_ROWS).areas["auc_level_3"] == pytest.approx(5 / 9)


def test_areas_of_the_scores_are_over_the_rows_that_say_something_of_them() -> None:
    """Fit: true 0.9, 0.4 against false 0.5, 0.1 (3 of 4). Instruction: good 0.8, 0.7 against 0.75 (1 of 2)."""
    table = scored(
        ("3", True, True, 0.8, 0.9),
        ("3", None, True, 0.1, 0.4),
        ("1", None, False, 0.9, 0.5),
        ("1", False, None, 0.75, 1.0),
        ("1", True, False, 0.7, 0.1),
    )
    areas = validate(table, NO_ROWS).areas
    assert areas["auc_pair_fit"] == pytest.approx(3 / 4)
    assert areas["auc_instruction_quality"] == pytest.approx(1 / 2)
    assert areas["auc_shuffled"] == 0.5  # nothing shuffled proves nothing


def test_pair_fit_is_held_against_shuffled_pairs_by_the_own_ones_alone() -> None:
    """Own 0.9 and 0.3 against shuffled 0.5, 0.2, 0.1; the row of level 1 does not enter: 5 of 6."""
    table = scored(("3", True, True, 0.5, 0.9), ("3", True, True, 0.5, 0.3), ("1", True, False, 0.5, 1.0))
    shuffled = scored(*[("1", True, False, 0.5, fit) for fit in (0.5, 0.2, 0.1)])
    assert validate(table, shuffled).areas["auc_shuffled"] == pytest.approx(5 / 6)


def test_a_perfect_evaluator_has_perfect_figures() -> None:
    result = validate(rows(("1", 1.0, 0.0, 0.0), ("2", 0.0, 1.0, 0.0), ("3", 0.0, 0.0, 1.0)), NO_ROWS)
    assert (result.accuracy, result.log_loss, result.calibration_error) == (1.0, 0.0, 0.0)
    assert result.reliability == [[1.0, 1.0, 3]]
    assert result.confusion == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_an_evaluator_that_is_surely_wrong_has_the_worst_figures() -> None:
    """Its loss is large and finite, so that two of them can be compared."""
    result = validate(rows(("3", 1.0, 0.0, 0.0), ("1", 0.0, 0.0, 1.0)), NO_ROWS)
    assert (result.accuracy, result.calibration_error, result.areas["auc_level_3"]) == (0.0, 1.0, 0.0)
    assert result.log_loss == pytest.approx(-math.log(1e-12))


def test_the_order_of_the_rows_changes_no_figure() -> None:
    one, two = validate(SIX, NO_ROWS), validate(SIX.reverse(), NO_ROWS)
    assert two.figures() == one.figures()


@pytest.mark.parametrize("level", ["", "1", "2", "3"])
def test_no_rows_and_rows_of_one_level_only_are_not_valid(level: str) -> None:
    """Whoever always says that level would be right every time; that proves nothing and may not open the gate."""
    table = rows(*[(level, *(float(level == other) for other in "123"))] * 40) if level else NO_ROWS
    result = validate(table, NO_ROWS)
    assert result == Validation(len(table), 0.0, math.inf, 1.0, [], NONE, {})
    assert not result.may_gate(EvaluatorSettings())


def test_figures_are_named_rounded_and_plain_json() -> None:
    areas = {"auc_level_3": 2 / 3}
    figures = Validation(7, 5 / 7, 1 / 3, 2 / 9, [[0.5, 0.4, 7]], NONE, areas).figures()
    assert figures.model_dump(mode="json", exclude_none=True) == {
        "held_out_rows": 7,
        "accuracy": 0.7143,
        "log_loss": 0.3333,
        "calibration_error": 0.2222,
        "auc_level_3": 0.6667,
        "confusion": NONE,
        "reliability": [[0.5, 0.4, 7]],
    }
    invalid = validate(NO_ROWS, NO_ROWS).figures().model_dump(mode="json")
    assert invalid["log_loss"] is None
    json.dumps(invalid, allow_nan=False)


@pytest.mark.parametrize(
    ("count", "accuracy", "may"), [(30, 0.7, True), (29, 1.0, False), (300, 0.699, False), (0, 0.0, False)]
)
def test_an_evaluator_may_gate_that_is_right_often_enough_on_enough_rows(
    count: int, accuracy: float, may: bool
) -> None:
    settings = EvaluatorSettings(minimum_accuracy=0.7, minimum_held_out_rows=30)
    result = Validation(count, accuracy, 0.5, 0.0, [], NONE, {})
    assert result.may_gate(settings) is may
    assert (result.advice(settings) == "") is may


def test_advice_says_what_is_missing_and_what_to_do() -> None:
    settings = EvaluatorSettings(minimum_accuracy=0.7, minimum_held_out_rows=30)
    assert Validation(12, 0.9, 0.5, 0.0, [], NONE, {}).advice(settings) == (
        "Not curated: 30 held-out rows are needed and there are 12. "
        "Give more seed pairs whose responses are in the language."
    )
    poor = Validation(40, 0.5184, 0.5, 0.0, [], NONE, {}).advice(settings)
    assert poor.startswith("Not curated: accuracy 0.518 on held-out rows is below 0.7. ")
    for remedy in ("seed pairs in the language", "stronger base model", "constructions on its page", "xinstr audit"):
        assert remedy in poor


def test_the_share_right_is_that_of_rightly_rated_rows() -> None:
    table = rows(("1", 0.8, 0.1, 0.1), ("1", 0.1, 0.1, 0.8), ("1", 0.2, 0.7, 0.1))
    assert share_right(table) == 0.3333
    assert share_right(NO_ROWS) is None


def test_what_a_model_wrote_counts_apart_from_rows_of_known_level() -> None:
    """Of right and wrong ones of a model one pair of two is in order; what is between them says nothing of either."""
    written = pl.DataFrame(
        [
            (level, "generated", None, fits, 0.1, 0.1, 0.8, 0.5, 0.5, right)
            for level, fits, right in [("3", True, 0.5), ("2", None, 1.0), ("1", False, 0.6), ("1", False, 0.2)]
        ],
        schema=COLUMNS | {"right_instruction": pl.Float64},
        orient="row",
    )
    made = SIX.with_columns(right_instruction=pl.lit(0.5))
    alone, beside = validate(SIX, NO_ROWS), validate(pl.concat([made, written]), NO_ROWS)
    assert beside.areas["auc_generated"] == 0.5
    assert (beside.rows, beside.accuracy, beside.log_loss) == (alone.rows, alone.accuracy, alone.log_loss)
