"""refined_pairs: every accepted pair rated, over rounds of label, keep and retrain. All rated rows stay; `kept` decides.

A round's evaluator goes on from the one before it, and learns from the pairs which that one rated best too. It
counts only if it is at least as good on the held-out seeds; else its round is discarded and the figures say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from xinstr_core.curation.evaluator import (
    PROBABILITIES,
    Evaluator,
    Head,
    Validation,
    split_pairs,
    train_evaluator,
    validate,
)
from xinstr_core.curation.instructions import ACCEPTED
from xinstr_core.curation.rating_set import Pair, build_rating_set, distinct
from xinstr_core.engines.transformers_engine import adapter_hash
from xinstr_core.stages.evaluator import rateable_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput


@dataclass(frozen=True)
class Round:
    """One evaluator, how it does on the held-out seeds, and what it says of every candidate."""

    number: int
    evaluator: Evaluator
    validation: Validation
    ratings: pl.DataFrame


def run(run: StageRun) -> StageOutput:
    candidates = run.inputs["candidate_pairs"].scan("pairs").filter(pl.col("status") == ACCEPTED).collect()
    first = run.inputs["evaluator"]
    training, held_out = split_pairs(rateable_seeds(run), run.settings.evaluator.held_out_share)
    trusted = bool(first.figures["may gate"])
    rounds = [_round(run, 1, Evaluator(first.folder("adapter"), Head(first.read("head"))), candidates, held_out)]
    history = [_history(rounds[0], used=True)]
    # A rater that may not gate may not teach either: its "best" pairs are no better than others.
    for number in range(2, (run.settings.curation.rounds if trusted else 1) + 1):
        evaluator = _retrain(run, number, rounds[-1], candidates, training)
        after = _round(run, number, evaluator, candidates, held_out)
        better = after.validation.accuracy >= rounds[-1].validation.accuracy
        history.append(_history(after, used=better))
        if not better:
            break
        rounds.append(after)

    final = rounds[-1]
    top = run.settings.curation.minimum_top_probability
    pairs = (
        candidates.select("language", "pair_id", "doc_id", "instruction", "response")
        .join(final.ratings, on="pair_id", how="left", maintain_order="left")
        .with_columns(
            rating=pl.col("p_level_1") + 2 * pl.col("p_level_2") + 3 * pl.col("p_level_3"),
            round=pl.lit(final.number),
            evaluator=pl.lit(adapter_hash(final.evaluator.adapter)),
            kept=(pl.col("p_level_3") >= top) if trusted else pl.lit(True),
        )
    )
    ratings = pl.concat([r.ratings.with_columns(round=pl.lit(r.number)) for r in rounds])
    kept = int(pairs["kept"].sum())
    return StageOutput(
        tables={"pairs": pairs, "ratings": ratings},
        figures={
            "funnel": {"accepted pairs": len(pairs), f"- below p(level 3) = {top}": len(pairs) - kept, "kept": kept},
            "curated": trusted,
            "rounds": history,
        },
    )


def _round(run: StageRun, number: int, evaluator: Evaluator, candidates: pl.DataFrame, held_out: list[Pair]) -> Round:
    held_out_rows = evaluator.rate_rated(run.model, distinct(build_rating_set(held_out)), run.unfinished / "held_out")
    ratings = evaluator.rate(run.model, _as_pairs(candidates), run.unfinished / "candidates", run.progress)
    return Round(number, evaluator, validate(held_out_rows), ratings)


def _retrain(run: StageRun, number: int, before: Round, candidates: pl.DataFrame, training: list[Pair]) -> Evaluator:
    """The next evaluator: it goes on from the one before, on seeds and on the pairs which that one rated best."""
    settings = run.settings.curation
    best = (
        candidates.join(before.ratings, on="pair_id", how="inner")
        .filter(pl.col("p_level_3") >= settings.minimum_top_probability)
        .sort(["p_level_3", "pair_id"], descending=[True, False])
        .head(settings.maximum_added_pairs)
    )
    evaluator, _ = train_evaluator(
        run.model,
        training,
        run.settings.evaluator.model_copy(update={"epochs": settings.round_epochs}),
        run.unfinished / f"evaluator-{number}",
        added=_as_pairs(best),
        start_from=before.evaluator.adapter,
        progress=run.progress,
    )
    return evaluator


def _as_pairs(pairs: pl.DataFrame) -> list[Pair]:
    return [Pair(*row) for row in pairs.select("pair_id", "instruction", "response").iter_rows()]


def _history(round_: Round, *, used: bool) -> dict[str, Any]:
    shares = round_.ratings.select(pl.col(name).mean() for name in PROBABILITIES).row(0) if len(round_.ratings) else ()
    return {
        "round": round_.number,
        "used": used,
        **round_.validation.figures(),
        "mean level probabilities of candidates": [round(float(share), 4) for share in shares],
    }


STAGE = Stage(
    "refined_pairs",
    "5",
    run,
    upstream=("seed_pairs", "candidate_pairs", "evaluator"),
    settings=("curation", "evaluator"),
    prompts=("reverse",),
)
