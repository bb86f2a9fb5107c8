"""reverse_model: what writes the English instruction that a text would answer, learned from reversed seeds."""

from __future__ import annotations

import polars as pl

from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.reverse_model import ADAPTER, REVERSE_MODEL, ReverseModelFigures
from xinstr_core.schemas.seed_pairs import SEED_PAIRS, SEEDS
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example


@stage(gives=REVERSE_MODEL, takes=(SEED_PAIRS,), version="4", settings=("reverse_model",), prompts=("reverse",))
def train_reverse_model(run: StageRun) -> StageOutput:
    settings = run.settings.reverse_model
    seeds = choose_seeds(run.read(SEEDS), settings.maximum_seed_pairs)
    reverse = prompt("reverse")
    examples = [
        Example(row["pair_id"], reverse.render(text=row["response"]), row["instruction"])
        for row in seeds.iter_rows(named=True)
    ]
    folder, earlier = run.unfinished / ADAPTER.name, run.earlier(ADAPTER.name)
    trained = train_adapter(run.engines, examples, settings, folder, earlier=earlier, progress=run.progress)
    return StageOutput(
        folders={ADAPTER.name: trained.folder},
        figures=ReverseModelFigures(
            seed_pairs_by_origin=dict(seeds["origin"].value_counts(sort=True).iter_rows()),
            **dict(trained.figures()),
            trained_on={ADAPTER.name: trained.identity},
        ),
    )


def choose_seeds(seeds: pl.DataFrame, maximum: int) -> pl.DataFrame:
    """At most `maximum` seeds, native ones first, then by key: the same ones every time."""
    return seeds.sort(["native", "pair_id"], descending=[True, False]).head(maximum)
