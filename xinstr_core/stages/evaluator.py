"""evaluator: the first rater of pairs, trained on the rating set and validated on held-out seeds before it may gate."""

from __future__ import annotations

import polars as pl

from xinstr_core.curation.evaluator import rate_rated, split_pairs, train_evaluator, validate
from xinstr_core.curation.rating_set import Pair, build_rating_set
from xinstr_core.stages.reverse_model import choose_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import ShardLog, StageOutput


def run(run: StageRun) -> StageOutput:
    settings = run.settings.evaluator
    pairs = seed_pairs_as_pairs(run.inputs["seed_pairs"].read("seeds"), settings.maximum_seed_pairs)
    training, held_out = split_pairs(pairs, settings.held_out_share)
    trained = train_evaluator(
        run.model, build_rating_set(training), settings, run.unfinished / "adapter", progress=run.progress
    )
    rated = rate_rated(run.model, trained.folder, build_rating_set(held_out), ShardLog(run.unfinished / "held_out"))
    validation = validate(rated)
    return StageOutput(
        tables={"held_out": rated},
        folders={"adapter": trained.folder},
        figures={
            **validation.figures(),
            "minimum accuracy": settings.minimum_accuracy,
            "may gate": validation.accuracy >= settings.minimum_accuracy,
            **trained.figures(),
        },
    )


def seed_pairs_as_pairs(seeds: pl.DataFrame, maximum: int) -> list[Pair]:
    chosen = choose_seeds(seeds, maximum)
    return [Pair(row["pair_id"], row["instruction"], row["response"]) for row in chosen.iter_rows(named=True)]


STAGE = Stage("evaluator", "3", run, upstream=("seed_pairs",), settings=("evaluator",), prompts=("rating",))
