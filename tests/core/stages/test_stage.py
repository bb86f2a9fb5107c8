"""What a stage's run leaves in its manifest beside its output."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xinstr_core.errors import InputError, SettingsError
from xinstr_core.schemas.declaration import Column, Contract, Figures, Table
from xinstr_core.schemas.shared import Cost
from xinstr_core.stages.stage import Stage, StageRun, run_stage, stage
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

HELD_MIB = 300
HELD = Contract(
    "raw_corpus",
    "What was held.",
    Figures,
    tables=(Table("raw_corpus", "rows", "One row.", (Column("n", pl.Int64, "bytes held", minimum=1),)),),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    return Workspace(tmp_path)


def stage_holding(mebibytes: int) -> Stage:
    @stage(gives=HELD, takes=(), version=str(mebibytes), uses_model=False)
    def hold(run: StageRun) -> StageOutput:
        held = bytearray(b"x") * (mebibytes << 20)
        return StageOutput(tables={"rows": pl.DataFrame({"n": [len(held)]})})

    return hold


def test_the_peak_memory_of_a_stage_is_its_own_and_not_that_of_the_stage_before(workspace: Workspace) -> None:
    large, small = (
        Cost.read(run_stage(workspace, stage_holding(held), "sw", {}).partition.cost) for held in (HELD_MIB, 1)
    )
    assert large.peak_memory - small.peak_memory > HELD_MIB * 0.9


@pytest.mark.parametrize("key", ["x/../../../../../escaped", "xx"])
def test_nothing_is_written_for_what_is_no_registered_language(workspace: Workspace, key: str) -> None:
    before = sorted(workspace.home.parent.rglob("*"))
    with pytest.raises(SettingsError, match=r"is no language key|unknown language 'xx'"):
        run_stage(workspace, stage_holding(1), key, {})
    assert sorted(workspace.home.parent.rglob("*")) == before


def test_a_full_disk_is_told_and_the_next_run_works(workspace: Workspace) -> None:
    tries = iter([True, False])

    @stage(gives=HELD, takes=(), version="1", uses_model=False)
    def fill(run: StageRun) -> StageOutput:
        if next(tries):
            raise pl.exceptions.ComputeError("underlying IO error: No space left on device (os error 28)")
        return StageOutput(tables={"rows": pl.DataFrame({"n": [1]})})

    with pytest.raises(InputError, match=f"^no room is left on the disk of {workspace.home}: make some, "):
        run_stage(workspace, fill, "sw", {})
    assert run_stage(workspace, fill, "sw", {}).partition.read("rows").rows() == [(1,)]


def test_a_stage_whose_inputs_did_not_change_is_not_run_again(workspace: Workspace) -> None:
    first, second = (run_stage(workspace, stage_holding(1), "sw", {}) for _ in range(2))
    assert (first.reused, second.reused) == (False, True)
    assert second.partition.manifest == first.partition.manifest
    assert not run_stage(workspace, stage_holding(2), "sw", {}).reused


def test_by_how_many_processes_a_model_is_trained_makes_no_stage_run_again(workspace: Workspace) -> None:
    @stage(gives=HELD, takes=(), version="1", settings=("tuning",), uses_model=False)
    def tune(run: StageRun) -> StageOutput:
        return StageOutput(tables={"rows": pl.DataFrame({"n": [1]})})

    others = [{"tuning": {"processes": 2}}, {"tuning": {"rank": 2}}]
    shared, other = (Workspace(workspace.home, overrides=changed) for changed in others)
    assert [run_stage(one, tune, "sw", {}).reused for one in (workspace, shared, other)] == [False, True, False]
