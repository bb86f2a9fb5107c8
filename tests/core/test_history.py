"""The figures of every build outlive its partition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from xinstr_core.catalogue import build_catalogue
from xinstr_core.errors import StageError
from xinstr_core.history import build_before, numbers, read_history
from xinstr_core.schemas.raw_corpus import DOCUMENTS, DUPLICATES, RAW_CORPUS, REJECTED, CorpusFigures, CorpusFunnel
from xinstr_core.stages.stage import Stage, StageRun, run_stage, stage
from xinstr_core.store import Partition, StageOutput
from xinstr_core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    return Workspace(tmp_path, overrides={"corpus": {"minimum_characters": 90}, "tuning": {"epochs": 9}})


def keeping(kept: int) -> Stage:
    @stage(gives=RAW_CORPUS, takes=(), version=str(kept), settings=("corpus",), uses_model=False)
    def keep(run: StageRun) -> StageOutput:
        return StageOutput(
            tables={table.name: table.schema.to_frame() for table in (DOCUMENTS, REJECTED, DUPLICATES)},
            figures=CorpusFigures(
                records=10, funnel=CorpusFunnel(taken=10, lost={"too_short": 10 - kept}, kept=kept), licences={}
            ),
        )

    return keep


def build(workspace: Workspace, kept: int) -> Partition:
    return run_stage(workspace, keeping(kept), "sw", {}).partition


def values(rows: pl.DataFrame, figure: str) -> list[float]:
    return rows.filter(pl.col("figure") == figure)["value"].to_list()


def test_every_build_is_remembered_with_what_it_was_built_with(workspace: Workspace) -> None:
    for kept in (7, 8):
        partition = build(workspace, kept)
    history = read_history(partition)
    assert values(history, "funnel.kept") == [7, 8]
    assert values(history, "funnel.lost.too_short") == [3, 2]
    assert values(history, "records") == [10, 10]
    assert len(values(history, "seconds")) == len(values(history, "peak_memory")) == 2
    assert set(history["preset"]) == {"pocket"}
    # Settings of other stages say nothing about this one.
    assert set(history["changed_settings"]) == {"corpus.minimum_characters=90"}
    assert history["fingerprint"].n_unique() == 2
    assert history["time"].is_sorted()


def test_a_stage_that_had_nothing_to_do_adds_nothing(workspace: Workspace) -> None:
    first = read_history(build(workspace, 7))
    assert read_history(build(workspace, 7)).equals(first)


def test_what_a_kill_left_out_is_added_when_the_partition_is_looked_at_again(workspace: Workspace) -> None:
    partition = build(workspace, 7)
    before = read_history(partition)
    (partition.path / "history.parquet").unlink()
    assert read_history(build(workspace, 7)).equals(before)


def test_the_build_before_is_the_last_one_that_was_another(workspace: Workspace) -> None:
    assert build_before(build(workspace, 7)).is_empty()
    build(workspace, 8)
    assert values(build_before(build(workspace, 9)), "funnel.kept") == [8]


def test_the_catalogue_shows_all_builds_with_comments(workspace: Workspace) -> None:
    for kept in (7, 8):
        build(workspace, kept)
    with duckdb.connect(str(build_catalogue(workspace.store)), read_only=True) as connection:
        rows = connection.execute("SELECT value FROM history WHERE figure = 'funnel.kept' ORDER BY time").fetchall()
        said = connection.execute("SELECT comment FROM duckdb_columns() WHERE table_name = 'raw_corpus'").fetchall()
        view = connection.execute("SELECT comment FROM duckdb_views() WHERE view_name = 'raw_corpus'").fetchone()
    assert rows == [(7.0,), (8.0,)]
    assert ("length (characters)",) in said
    assert (None,) not in said
    assert view == (DOCUMENTS.meaning,)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"a": 1, "yes": True, "no": False, "said": "x", "none": None}, {"a": 1.0, "yes": 1.0, "no": 0.0}),
        ({"a": {"b": {"c": 0.5}}}, {"a.b.c": 0.5}),
        ({"rounds": [{"n": 1}, {"n": 2}]}, {"rounds.1.n": 1.0, "rounds.2.n": 2.0}),
        ({"losses": [[1, 0.5]], "empty": []}, {}),
    ],
)
def test_numbers_are_found_wherever_they_are_and_curves_are_not(figures: Any, expected: dict[str, float]) -> None:
    assert dict(numbers(figures)) == expected


def test_what_a_stage_gives_is_held_to_its_declaration_before_anything_is_replaced(workspace: Workspace) -> None:
    before = build(workspace, 7)
    run = keeping(8).run

    def spoiled(given: StageRun) -> StageOutput:
        output = run(given)
        return replace(output, tables={**output.tables, "documents": pl.DataFrame({"text": ["x"]})})

    with pytest.raises(StageError, match="table documents has columns"):
        run_stage(workspace, replace(keeping(8), run=spoiled), "sw", {})
    stored = workspace.store.get("raw_corpus", "sw")
    assert stored is not None
    assert (stored.fingerprint, stored.built) == (before.fingerprint, before.built)
