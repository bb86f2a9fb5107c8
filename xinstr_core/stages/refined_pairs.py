"""refined_pairs: every accepted pair rated, over rounds of label, keep and retrain. All rated rows stay; `kept` decides.

A round's evaluator goes on from the one before it, with the pairs that it would keep as further level-3 rows. It
counts only if it is at least as good on the held-out seeds; else its round is discarded and the figures say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.curation.evaluator import (
    PROBABILITIES,
    Validation,
    rate,
    rate_rated,
    rating_prompt,
    split_pairs,
    train_evaluator,
    validate,
)
from xinstr_core.curation.instructions import ACCEPTED
from xinstr_core.curation.rating_set import Pair, build_rating_set
from xinstr_core.engines.base import Request
from xinstr_core.engines.transformers_engine import adapter_hash
from xinstr_core.stages.evaluator import seed_pairs_as_pairs
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import ShardLog, StageOutput


@dataclass(frozen=True)
class Round:
    """One evaluator, how it does on the held-out seeds, and what it says of every candidate."""

    number: int
    adapter: Path
    validation: Validation
    ratings: pl.DataFrame


def run(run: StageRun) -> StageOutput:
    candidates = run.inputs["candidate_pairs"].scan("pairs").filter(pl.col("status") == ACCEPTED).collect()
    evaluator = run.inputs["evaluator"]
    training, held_out = split_pairs(
        seed_pairs_as_pairs(run.inputs["seed_pairs"].read("seeds"), run.settings.evaluator.maximum_seed_pairs),
        run.settings.evaluator.held_out_share,
    )
    trusted = bool(evaluator.figures["may gate"])
    rounds = [_round(run, 1, evaluator.folder("adapter"), candidates, held_out)]
    history = [_history(rounds[0], used=True)]
    # A rater that may not gate may not teach either: its "best" pairs are no better than others.
    for number in range(2, (run.settings.curation.rounds if trusted else 1) + 1):
        adapter = _retrain(run, number, rounds[-1], candidates, training)
        after = _round(run, number, adapter, candidates, held_out)
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
            evaluator=pl.lit(adapter_hash(final.adapter)),
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


def _round(run: StageRun, number: int, adapter: Path, candidates: pl.DataFrame, held_out: list[Pair]) -> Round:
    requests = [
        Request(pair_id, rating_prompt(instruction, response))
        for pair_id, instruction, response in candidates.select("pair_id", "instruction", "response").iter_rows()
    ]
    held_out_rows = rate_rated(
        run.model, adapter, build_rating_set(held_out), ShardLog(run.unfinished / f"held_out-{number}")
    )
    ratings = rate(run.model, adapter, requests, ShardLog(run.unfinished / f"ratings-{number}"), run.progress)
    return Round(number, adapter, validate(held_out_rows), ratings)


def _retrain(run: StageRun, number: int, before: Round, candidates: pl.DataFrame, training: list[Pair]) -> Path:
    """The next evaluator's adapter: trained on seeds and on the best pairs of the round before."""
    settings = run.settings.curation
    best = (
        candidates.join(before.ratings, on="pair_id", how="inner")
        .filter(pl.col("p_level_3") >= settings.minimum_top_probability)
        .sort(["p_level_3", "pair_id"], descending=[True, False])
        .head(settings.maximum_added_pairs)
    )
    added = [Pair(row["pair_id"], row["instruction"], row["response"]) for row in best.iter_rows(named=True)]
    round_settings = run.settings.evaluator.model_copy(update={"epochs": settings.round_epochs})
    return train_evaluator(
        run.model,
        build_rating_set([*training, *added], seed=number),
        round_settings,
        run.unfinished / f"adapter-{number}",
        start_from=before.adapter,
    ).folder


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
    "3",
    run,
    upstream=("seed_pairs", "candidate_pairs", "evaluator"),
    settings=("curation", "evaluator"),
    prompts=("rating",),
)
