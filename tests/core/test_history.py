"""The figures of every build outlive its partition."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from xinstr_core.catalogue import build_catalogue
from xinstr_core.errors import InputError, StageError
from xinstr_core.history import build_before, numbers, read_history
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.raw_corpus import DOCUMENTS, DUPLICATES, RAW_CORPUS, REJECTED, CorpusFigures, CorpusFunnel
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.stages import stage as stages
from xinstr_core.stages.stage import Stage, StageRun, is_current, run_stage, stage
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
                records=10,
                funnel=CorpusFunnel(taken=10, lost={"too_short": 10 - kept}, kept=kept),
                passed_over={},
                identifiers=2,
                licences={},
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


def test_a_build_that_a_kill_left_out_is_added_before_the_next_one_replaces_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(partition: Partition) -> tuple[str, ...]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "remember", killed)
        with pytest.raises(KeyboardInterrupt):
            build(workspace, 7)
    assert values(read_history(build(workspace, 8)), "funnel.kept") == [7, 8]


@pytest.mark.parametrize("content", [b"", b"garbage that is no Parquet file"])
def test_a_history_that_cannot_be_read_is_kept_aside_with_a_warning_and_the_build_goes_on(
    workspace: Workspace, content: bytes
) -> None:
    path = build(workspace, 7).path / "history.parquet"
    for kept, name in ((8, "history.parquet.damaged"), (9, "history.parquet.damaged-2")):
        path.write_bytes(content)
        result = run_stage(workspace, keeping(kept), "sw", {})
        [warning] = result.warnings
        assert warning.startswith(f"{path} cannot be read (")
        assert warning.endswith(f"): it is kept as {name}, and a new one is begun")
        assert "\n" not in warning
        assert path.with_name(name).read_bytes() == content
        # What was there when the damage was found is known still, by its manifest.
        assert values(read_history(result.partition), "funnel.kept") == [kept - 1, kept]
    assert run_stage(workspace, keeping(9), "sw", {}).warnings == ()
    assert path.with_name("history.parquet.damaged").exists()


def test_a_history_of_an_older_release_goes_on_and_what_it_did_not_note_is_null(workspace: Workspace) -> None:
    partition = build(workspace, 7)
    older = read_history(partition).drop("preset").with_columns(pl.col("value").cast(pl.Float32), more=pl.lit("x"))
    older.write_parquet(partition.path / "history.parquet")
    history = read_history(build(workspace, 8))
    assert history.schema == HISTORY.schema
    assert history.filter(pl.col("figure") == "records").select("preset", "value").rows() == [
        (None, 10.0),
        ("pocket", 10.0),
    ]


def rewrite(partition: Partition, **parts: Any) -> None:
    """Put other parts into a manifest, as another release would have left them there."""
    manifest = {**partition.manifest, **parts}
    (partition.path / "manifest.json").write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize("built", [{"time": "2026-01-01T00:00:00+00:00"}, {}])
def test_a_partition_that_says_less_of_its_build_is_taken_as_it_is(workspace: Workspace, built: dict[str, str]) -> None:
    rewrite(build(workspace, 7), built=built)
    (workspace.store.path("raw_corpus", "sw") / "history.parquet").unlink()
    assert run_stage(workspace, keeping(7), "sw", {}).reused
    expected = [7, 8] if built else [8]
    assert values(read_history(build(workspace, 8)), "funnel.kept") == expected


def test_cost_is_taken_as_it_is_stored_and_makes_nothing_stale(workspace: Workspace) -> None:
    partition = build(workspace, 7)
    rewrite(partition, cost={"minutes": 3, "seconds": 180.0})
    (partition.path / "history.parquet").unlink()
    result = run_stage(workspace, keeping(7), "sw", {})
    assert result.reused
    history = read_history(result.partition)
    assert (values(history, "minutes"), values(history, "seconds")) == ([3], [180])


def test_figures_of_another_shape_are_not_current_whatever_the_fingerprint_says(workspace: Workspace) -> None:
    partition = build(workspace, 7)
    rewrite(partition, figures={"renamed": 10})
    assert not is_current(workspace, keeping(7), "sw")
    result = run_stage(workspace, keeping(7), "sw", {})
    assert (result.reused, result.partition.figures) == (False, partition.figures)
    assert is_current(workspace, keeping(7), "sw")


def test_a_partition_that_lost_a_file_is_not_current_and_is_built_anew(workspace: Workspace) -> None:
    for name in ("documents", "rejected"):
        partition = build(workspace, 7)
        partition.table_path(name).unlink()
        assert not is_current(workspace, keeping(7), "sw")
        assert not run_stage(workspace, keeping(7), "sw", {}).reused
        assert partition.table_path(name).exists()


def test_a_stage_whose_input_lost_a_file_says_what_makes_it_anew(workspace: Workspace) -> None:
    corpus = build(workspace, 7)
    corpus.table_path("documents").unlink()
    with pytest.raises(
        InputError, match=r"^files of raw_corpus are gone .*: `xinstr build sw --from raw_corpus` makes"
    ):
        run_stage(workspace, replace(keeping(7), takes=(RAW_CORPUS,), gives=SEED_PAIRS), "sw", {"raw_corpus": corpus})


def test_the_build_before_is_the_last_one_that_was_another(workspace: Workspace) -> None:
    assert build_before(build(workspace, 7)).is_empty()
    build(workspace, 8)
    assert values(build_before(build(workspace, 9)), "funnel.kept") == [8]


def test_the_catalogue_shows_all_builds_with_comments(workspace: Workspace) -> None:
    for kept in (7, 8):
        build(workspace, kept)
    with duckdb.connect(str(build_catalogue(workspace.store).path), read_only=True) as connection:
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
