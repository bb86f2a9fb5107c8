"""evaluator: the first rater of pairs, trained on seeds and validated on held-out ones before it may gate."""

from __future__ import annotations

from xinstr_core.curation.evaluator import accuracy_by_construction, split_pairs, train_evaluator, validate
from xinstr_core.curation.rating_set import Pair, build_rating_set, distinct
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.models import load_tokenizer
from xinstr_core.stages.reverse_model import choose_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput


def run(run: StageRun) -> StageOutput:
    settings = run.settings.evaluator
    pairs = rateable_seeds(run)
    training, held_out = split_pairs(pairs, settings.held_out_share)
    evaluator, trained = train_evaluator(run.model, training, settings, run.unfinished, progress=run.progress)
    rated = evaluator.rate_rated(run.model, distinct(build_rating_set(held_out)), run.unfinished / "held_out")
    validation = validate(rated)
    return StageOutput(
        tables={"held_out": rated, "head": evaluator.head.table},
        folders={"adapter": evaluator.adapter},
        figures={
            **validation.figures(),
            "accuracy by construction": accuracy_by_construction(rated),
            "seed pairs": len(pairs),
            "minimum accuracy": settings.minimum_accuracy,
            "may gate": validation.may_gate(settings),
            **trained.figures(),
        },
    )


def rateable_seeds(run: StageRun) -> list[Pair]:
    """The seeds that the evaluator learns from and is validated on: those whose response has no more than its tokens."""
    settings = run.settings.evaluator
    tokenizer = load_tokenizer(run.model)
    chosen = choose_seeds(run.inputs["seed_pairs"].read("seeds"), settings.maximum_seed_pairs)
    pairs = [Pair(*row) for row in chosen.select("pair_id", "instruction", "response").iter_rows()]
    return [pair for pair in pairs if len(encode(tokenizer, pair.response)) <= settings.maximum_tokens]


STAGE = Stage("evaluator", "5", run, upstream=("seed_pairs",), settings=("evaluator",), prompts=("reverse",))
