"""evaluator: the first rater of pairs, trained on seeds and validated on held-out ones before it may gate."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.evaluator import Evaluator, split_pairs, train_evaluator
from xinstr_core.curation.rating_set import Material, build_rating_set, shuffled_pairs
from xinstr_core.curation.signals import SignalLog
from xinstr_core.curation.validation import Validation, accuracy_by_construction, validate
from xinstr_core.curation.written import written_responses
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.models import load_tokenizer
from xinstr_core.stages.reverse_model import choose_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput

ENOUGH = 100  # seeds with a response in the language, from which on English ones are examples of the wrong language


@dataclass(frozen=True)
class RatingSeeds:
    """The seeds that an evaluator learns from, those that only validate it, and what flaws are made of beside them."""

    training: list[Pair]
    held_out: list[Pair]
    material: Material


def run(run: StageRun) -> StageOutput:
    settings = run.settings.evaluator
    seeds = rating_seeds(run)
    evaluator, trained = train_evaluator(
        run.model, seeds.training, settings, run.unfinished, material=seeds.material, progress=run.progress
    )
    rated, validation = judge(run, evaluator, seeds)
    first, *others = trained.values()
    return StageOutput(
        tables={"held_out": rated, **evaluator.tables()},
        folders=evaluator.folders(),
        figures={
            **validation.figures(),
            "accuracy by construction": accuracy_by_construction(rated),
            "seed pairs": len(seeds.training) + len(seeds.held_out),
            "minimum accuracy": settings.minimum_accuracy,
            "may gate": validation.may_gate(settings),
            "advice": validation.advice(settings),
            **first.figures(),
            **{f"training of {other.folder.name}": other.figures() for other in others},
        },
    )


def judge(run: StageRun, evaluator: Evaluator, seeds: RatingSeeds) -> tuple[pl.DataFrame, Validation]:
    """The held-out rows of the rating set, rated, and what they prove."""
    log = SignalLog(run.rows / "held_out")
    rated = build_rating_set(seeds.held_out, run.settings.evaluator.constructions, seeds.material)
    rows = evaluator.rate_rated(rated, log)
    return rows, validate(rows, evaluator.rate_rated(shuffled_pairs(seeds.held_out), log))


def rating_seeds(run: StageRun) -> RatingSeeds:
    """Seeds split by key. Those whose response is longer than a training row may be are left out."""
    settings = run.settings.evaluator
    seeds = run.inputs["seed_pairs"].read("seeds")
    english = seeds.filter(pl.col("origin") == "english")
    in_language = seeds.filter(pl.col("origin") != "english")
    separate = len(in_language) >= ENOUGH
    tokenizer = load_tokenizer(run.model)
    chosen = choose_seeds(in_language if separate else seeds, settings.maximum_seed_pairs)
    pairs = [pair for pair in as_pairs(chosen) if len(encode(tokenizer, pair.response)) <= settings.maximum_tokens]
    training, held_out = split_pairs(pairs, settings.held_out_share)
    foreign = as_pairs(english.sort("pair_id").head(len(pairs))) if separate else []
    written = written_responses(run.model, pairs, settings, run.language, run.unfinished, run.progress)
    return RatingSeeds(training, held_out, Material(written, foreign))


def as_pairs(rows: pl.DataFrame) -> list[Pair]:
    return [Pair(*row) for row in rows.select("pair_id", "instruction", "response").iter_rows()]


STAGE = Stage(
    "evaluator",
    "6",
    run,
    upstream=("seed_pairs",),
    settings=("evaluator",),
    prompts=("reverse", "rating", "response_seed"),
)
