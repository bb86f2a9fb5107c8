"""Which seeds the evaluator takes."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from xinstr_core.engines.models import ModelReference
from xinstr_core.progress import silent
from xinstr_core.stages.evaluator import rateable_seeds
from xinstr_core.stages.stage import StageRun
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace


def test_a_seed_with_more_tokens_than_the_evaluator_reads_is_left_out(
    tiny_model: ModelReference, tmp_path: Path
) -> None:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    workspace = Workspace(tmp_path, overrides={"evaluator": {"maximum_tokens": 64}}, base_model=str(tiny_model.path))
    seeds = pl.DataFrame(
        {
            "pair_id": ["b", "a", "c"],
            "instruction": ["What?", "How?", "Why?"],
            "response": ["maji", "x " * 500, "moto"],
            "native": [True, True, False],
        }
    )
    partition = workspace.store.commit("seed_pairs", "sw", "f", {}, StageOutput(tables={"seeds": seeds}))
    run = StageRun(workspace, workspace.language("sw"), {"seed_pairs": partition}, tmp_path, silent)
    assert [pair.key for pair in rateable_seeds(run)] == ["b", "c"]
