"""tuned_model: the base model with a LoRA adapter that answers English instructions in the language."""

from __future__ import annotations

import polars as pl

from xinstr_core.prompts.render import prompt
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example


def run(run: StageRun) -> StageOutput:
    settings = run.settings.tuning
    rows = run.inputs["diversified_set"].scan("rows").filter(pl.col("split") == "train").collect()
    examples = _examples("response_web", rows, run.language.name)
    seeds = run.inputs["seed_pairs"].scan("seeds").filter("native").sort("pair_id").collect()
    if settings.include_seeds:
        examples += _examples("response_seed", seeds, run.language.name)
    trained = train_adapter(run.model, examples, settings, run.unfinished / "adapter", progress=run.progress)
    return StageOutput(
        folders={"adapter": trained.folder},
        figures={
            "curated rows": len(rows),
            "seed rows": len(seeds) if settings.include_seeds else 0,
            "base model": run.model.name,
            "base model fingerprint": run.model.fingerprint,
            "data fingerprint": run.inputs["diversified_set"].version,
            **trained.figures(),
        },
    )


def _examples(template: str, rows: pl.DataFrame, language: str) -> list[Example]:
    response_prompt = prompt(template)
    return [
        Example(
            row["pair_id"], response_prompt.render(instruction=row["instruction"], language=language), row["response"]
        )
        for row in rows.iter_rows(named=True)
    ]


STAGE = Stage(
    "tuned_model",
    "3",
    run,
    upstream=("diversified_set", "seed_pairs"),
    settings=("tuning",),
    prompts=("response_web", "response_seed"),
)
