"""reverse_model: what writes the English instruction that a text would answer, learned from reversed seeds."""

from __future__ import annotations

import polars as pl

from xinstr_core.prompts.render import prompt
from xinstr_core.stages.stage import TRAINED_ON, Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example


def run(run: StageRun) -> StageOutput:
    settings = run.settings.reverse_model
    seeds = choose_seeds(run.inputs["seed_pairs"].read("seeds"), settings.maximum_seed_pairs)
    reverse = prompt("reverse")
    examples = [
        Example(row["pair_id"], reverse.render(text=row["response"]), row["instruction"])
        for row in seeds.iter_rows(named=True)
    ]
    folder, earlier = run.unfinished / "adapter", run.earlier("adapter")
    trained = train_adapter(run.engines, examples, settings, folder, earlier=earlier, progress=run.progress)
    return StageOutput(
        folders={"adapter": trained.folder},
        figures={
            "seed pairs by origin": dict(seeds["origin"].value_counts(sort=True).iter_rows()),
            **trained.figures(),
            TRAINED_ON: {"adapter": trained.identity},
        },
    )


def choose_seeds(seeds: pl.DataFrame, maximum: int) -> pl.DataFrame:
    """At most `maximum` seeds, native ones first, then by key: the same ones every time."""
    return seeds.sort(["native", "pair_id"], descending=[True, False]).head(maximum)


STAGE = Stage("reverse_model", "4", run, upstream=("seed_pairs",), settings=("reverse_model",), prompts=("reverse",))
