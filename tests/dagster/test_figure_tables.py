"""Figures of several values are tables with labels: what is alike beside each other, and nothing raw."""

from __future__ import annotations

import polars as pl

from xinstr_core.schemas.diversified_set import AS_RANDOM, MORE_VARIED, DiversityFigures, DiversityMeasures
from xinstr_core.schemas.eval_report import MEASURES
from xinstr_core.schemas.shared import EngineUse
from xinstr_dagster.figure_tables import diversity_rows, figure_rows, measure_rows
from xinstr_dagster.metadata import markdown_table

USE = EngineUse(
    engine="vllm base", rows=3, prompt_tokens=40, cached_tokens=0, completion_tokens=5, retries=0, seconds=1.5,
    gpu_seconds=0, money=0,
).model_dump()  # fmt: skip


def test_roles_stand_beside_each_other_without_what_all_have_nothing_of() -> None:
    rows = figure_rows({"rater": USE, "reader": {**USE, "engine": "here", "completion_tokens": 0}}, [EngineUse])
    assert rows == [
        {"": "engine", "rater": "vllm base", "reader": "here"},
        {"": "rows", "rater": 3, "reader": 3},
        {"": "tokens read", "rater": 40, "reader": 40},
        {"": "tokens written", "rater": 5, "reader": 0},
        {"": "seconds (s)", "rater": 1.5, "reader": 1.5},
    ]


def test_what_are_more_than_their_figures_stand_below_each_other() -> None:
    stored = {key: {"seconds": 1.0, "losses": [[1, 2.0]]} for key in ("a", "b")}
    assert figure_rows(stored, [EngineUse]) == [{"": "a", "seconds (s)": 1.0}, {"": "b", "seconds (s)": 1.0}]


def test_members_of_a_list_are_counted_and_plain_values_are_one_a_line() -> None:
    assert figure_rows([{"money": 2}, {"money": None}], []) == [{"": "1", "money": 2}, {"": "2", "money": None}]
    assert figure_rows({"CC0": 3, "MIT": 1}, []) == [{"figure": "CC0", "value": 3}, {"figure": "MIT", "value": 1}]
    assert figure_rows({}, []) == figure_rows(None, []) == []


def test_a_selection_is_told_beside_random_ones_with_its_verdict() -> None:
    names = [*DiversityMeasures.model_fields]
    found = DiversityFigures.model_validate(
        {
            "selected": dict.fromkeys(names, 5.0),
            "random": {name: {"mean": 3.0, "low": 2.0, "high": 4.0} for name in names},
        }
    )
    first, second = diversity_rows(found)[:2]
    assert [*first.values()] == ["distinct verb-object pairs", 5.0, 3.0, 2.0, 4.0, MORE_VARIED]
    assert second["measure"] == "share of the top verb"
    assert second["the selection is"] not in (MORE_VARIED, AS_RANDOM)


def test_models_are_beside_each_other_for_what_the_tuned_one_was_measured_by() -> None:
    def row(metric: str, model: str, value: float, low: float | None) -> dict[str, object]:
        return {"language": "sw", "metric": metric, "model": model, "prompts": "en", "value": value, "low": low,
                "high": 0.9, "n": 9, "better": "lower"}  # fmt: skip

    measures: pl.DataFrame = MEASURES.frame(
        [
            row("repetition", "base", 0.25, 0.1),
            row("good pairs", "kept pairs", 0.5, 0.4),
            row("repetition", "tuned", 0.5, None),
        ]
    )
    assert measure_rows(measures) == [
        {"metric": "repetition", "prompts": "en", "base": "0.25 (0.1 to 0.9)", "tuned": "0.5 (? to 0.9)"}
    ]
    assert markdown_table([{"a": None, "b": 0.5}]).splitlines()[-1] == r"| \- | 0\.500 |"
