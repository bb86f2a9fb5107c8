"""tuned_model: the base model tuned to answer English instructions in the language."""

from __future__ import annotations

import polars as pl

from xinstr_core.prompts.render import prompt
from xinstr_core.stages.stage import TRAINED_ON, Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example


def run(run: StageRun) -> StageOutput:
    settings = run.settings.tuning
    rows = run.inputs["diversified_set"].scan("rows").filter(pl.col("split") == "train").collect()
    examples = _examples("response_web", rows, run.language.name)
    seeds = run.inputs["seed_pairs"].scan("seeds").filter(pl.col("origin") != "english").sort("pair_id").collect()
    seeds = seeds if settings.include_seeds else seeds.clear()
    examples += _examples("response_seed", seeds, run.language.name)
    folder, earlier = run.unfinished / "adapter", run.earlier("adapter")
    trained = train_adapter(run.engines, examples, settings, folder, earlier=earlier, progress=run.progress)
    return StageOutput(
        tables={"training_rows": _provenance(rows, seeds, trained)},
        folders={"adapter": trained.folder},
        figures={
            "curated rows": len(rows),
            "seed rows": len(seeds),
            "seed rows by origin": dict(seeds["origin"].value_counts(sort=True).iter_rows()),
            "base model": run.model.name,
            "base model fingerprint": run.model.fingerprint,
            "data fingerprint": run.inputs["diversified_set"].version,
            **trained.figures(),
            TRAINED_ON: {"adapter": trained.identity},
        },
    )


def _provenance(rows: pl.DataFrame, seeds: pl.DataFrame, trained: TrainedAdapter) -> pl.DataFrame:
    """Where every row that was trained on comes from: `origin` is "web", or how its seed pair came about."""
    web = rows.select("pair_id", "source_tag", origin=pl.lit("web"))
    given = seeds.select("pair_id", "origin", source_tag=pl.lit("seed")).select(web.columns)
    rejected = [key for key, *_ in trained.rejected]
    return pl.concat([web, given]).filter(~pl.col("pair_id").is_in(rejected)).sort("source_tag", "pair_id")


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
    "4",
    run,
    upstream=("diversified_set", "seed_pairs"),
    settings=("tuning",),
    prompts=("response_web", "response_seed"),
)
