"""The whole line with engines in actors and documents judged by workers: every partition is the one that one process makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.dagster.asking_model import TINY_SETTINGS, write_asking_model
from tests.ray.conftest import Nodes
from xinstr_core.stages import LINE
from xinstr_core.stages.stage import run_stage, stored_inputs
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace

pytestmark = pytest.mark.ray

SHARED = {"corpus": {"ray_workers": 2}, "engines": {"default": {"actors": 2}}}


def built(home: Path, model: Path, settings: dict[str, Any]) -> dict[str, Partition]:
    home.mkdir()
    (home / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    (home / "xinstr.toml").write_text(f"base_model = '{model}'\n{TINY_SETTINGS}", "utf-8")
    workspace, found = Workspace(home, overrides=settings), dict[str, Partition]()
    for stage in LINE:
        inputs = stored_inputs(workspace, stage, "sw")
        assert inputs is not None
        found[stage.name] = run_stage(workspace, stage, "sw", inputs).partition
    return found


def test_every_partition_is_that_of_one_process(cluster: Nodes, tmp_path: Path) -> None:
    write_asking_model(tmp_path / "model")
    here = built(tmp_path / "here", tmp_path / "model", {})
    there = built(tmp_path / "there", tmp_path / "model", SHARED)
    for name, partition in here.items():
        assert there[name].fingerprint == partition.fingerprint, name
        assert there[name].version == partition.version, name
    used = [use["engine"] for partition in there.values() for use in partition.cost["engines"].values()]
    assert used
    assert all(engine.endswith(", 2 actors") for engine in used)
