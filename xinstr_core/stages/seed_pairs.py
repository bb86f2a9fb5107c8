"""seed_pairs: the (English instruction, response) pairs that the reverse model and the evaluator learn from."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.corpus.readers import Reject
from xinstr_core.corpus.rows import REJECT_SCHEMA
from xinstr_core.errors import InputError
from xinstr_core.languages import Language
from xinstr_core.schemas import frame
from xinstr_core.seeds import read_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

SEED_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "pair_id": pl.String,
        "instruction": pl.String,
        "response": pl.String,
        "source": pl.String,
        "licence": pl.String,
        "native": pl.Boolean,
    }
)


def run(run: StageRun) -> StageOutput:
    path = run.workspace.seeds_file(run.language)
    if path is None:
        raise InputError(
            f"{run.language.tag} has no seeds: name a file of English pairs in {run.workspace.registry.name} "
            "(seeds = ...) or give --seeds"
        )
    tag = {"language": run.language.tag}
    seeds: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    for outcome in read_seeds(path, run.language.tag):
        (rejects if isinstance(outcome, Reject) else seeds).append(tag | asdict(outcome))
    if not seeds:
        raise InputError(
            f"{path} gave no seed pair ({dict(Counter(r['reason'] for r in rejects))}): records need instruction and response"
        )
    native = sum(bool(seed["native"]) for seed in seeds)
    return StageOutput(
        tables={"seeds": frame(seeds, SEED_SCHEMA), "rejected": frame(rejects, REJECT_SCHEMA)},
        figures={
            "seed pairs": len(seeds),
            "native": native,
            "english only": native == 0,
            "funnel": {
                "records": len(seeds) + len(rejects),
                **dict(Counter(f"- {r['reason']}" for r in rejects)),
                "kept": len(seeds),
            },
        },
    )


def files(workspace: Workspace, language: Language) -> dict[str, Path | None]:
    return {"seeds": workspace.seeds_file(language)}


STAGE = Stage("seed_pairs", "2", run, files=files, uses_model=False)
