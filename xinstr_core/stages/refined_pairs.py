"""refined_pairs: every accepted pair rated, over rounds of label, keep and retrain. All rated rows stay; `kept` decides.

A round's evaluator goes on from the one before it, and learns from the pairs which that one rated best too. It counts
only if it is better on the held-out seeds; else it is discarded, and the figures say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from xinstr_core.curation.evaluator import Evaluator, train_evaluator
from xinstr_core.curation.instructions import ACCEPTED
from xinstr_core.curation.signals import SignalLog, Signals
from xinstr_core.curation.validation import PROBABILITIES, Validation
from xinstr_core.settings import CurationSettings
from xinstr_core.stages.evaluator import RatingSeeds, as_pairs, judge, rating_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput


@dataclass(frozen=True)
class Round:
    """One evaluator, how it does on the held-out seeds, and what it says of every candidate."""

    number: int
    evaluator: Evaluator
    validation: Validation
    ratings: pl.DataFrame
    signals: Signals


def run(run: StageRun) -> StageOutput:
    settings = run.settings.curation
    candidates = run.inputs["candidate_pairs"].scan("pairs").filter(pl.col("status") == ACCEPTED).collect()
    first = run.inputs["evaluator"]
    seeds = rating_seeds(run)
    trusted = bool(first.figures["may gate"])
    rounds = [_round(run, 1, Evaluator.load(run.model, first, run.settings.evaluator), candidates, seeds)]
    history = [_history(rounds[0], "used")]
    # A rater that may not gate may not teach either: its "best" pairs are no better than others.
    for number in range(2, (settings.rounds if trusted else 1) + 1):
        after = _round(run, number, _retrain(run, number, rounds[-1], candidates, seeds), candidates, seeds)
        if after.validation.log_loss >= rounds[-1].validation.log_loss:
            history.append(_history(after, "discarded: no better than the round before"))
            break
        agreement = _agreement(rounds[-1].ratings, after.ratings, settings)
        stop = agreement >= settings.stop_agreement
        said = f"used; keeps or drops {agreement:.3f} of the pairs as the round before"
        history.append(_history(after, f"{said}: the last" if stop else said))
        rounds.append(after)
        if stop:
            break

    final = rounds[-1]
    pairs = _keep(candidates, final, settings, trusted=trusted)
    readings = {
        f"{name}_signals": pl.concat([round_.signals.readings[name] for round_ in rounds])
        .unique("row_key")
        .sort("row_key")
        for name in final.signals.readings
    }
    return StageOutput(
        tables={
            "pairs": pairs,
            "ratings": pl.concat([r.ratings.with_columns(round=pl.lit(r.number)) for r in rounds]),
            **readings,
        },
        figures={
            "funnel": _funnel(pairs),
            "curated": trusted,
            "advice": first.figures["advice"],
            "rounds": history,
        },
    )


def _round(run: StageRun, number: int, evaluator: Evaluator, candidates: pl.DataFrame, seeds: RatingSeeds) -> Round:
    _, validation = judge(run, evaluator, seeds)
    log = SignalLog(run.rows / "candidates", run.previous)
    ratings, signals = evaluator.rate(as_pairs(candidates), log, run.progress)
    return Round(number, evaluator, validation, ratings, signals)


def _retrain(run: StageRun, number: int, before: Round, candidates: pl.DataFrame, seeds: RatingSeeds) -> Evaluator:
    """The next evaluator: it goes on from the one before, on seeds and on the pairs which that one rated best."""
    settings = run.settings.curation
    best = (
        candidates.join(before.ratings, on="pair_id")
        .filter(_passes(settings))
        .sort(["p_level_3", "pair_id"], descending=[True, False])
        .head(settings.maximum_added_pairs)
    )
    evaluator, _ = train_evaluator(
        run.model,
        seeds.training,
        run.settings.evaluator.model_copy(update={"epochs": settings.round_epochs}),
        run.unfinished / f"evaluator-{number}",
        material=seeds.material,
        added=as_pairs(best),
        start_from=before.evaluator.readers.adapters,
        progress=run.progress,
    )
    return evaluator


def _passes(settings: CurationSettings) -> pl.Expr:
    """Whether a rated pair is good enough by its level and by both scores."""
    return (
        (pl.col("p_level_3") >= settings.minimum_top_probability)
        & (pl.col("instruction_quality") >= settings.minimum_instruction_quality)
        & (pl.col("pair_fit") >= settings.minimum_pair_fit)
    )


def _keep(candidates: pl.DataFrame, final: Round, settings: CurationSettings, *, trusted: bool) -> pl.DataFrame:
    """Every candidate with its rating and `verdict`: kept, what it fell short in, or that its text has a better one."""
    failed = pl.DataFrame(
        sorted(final.signals.failed.items()), schema={"pair_id": pl.String, "failure": pl.String}, orient="row"
    )
    verdict = (
        pl.when(pl.col("failure").is_not_null())
        .then(pl.lit("rating_failed"))
        .when(pl.lit(trusted) & (pl.col("p_level_3") < settings.minimum_top_probability))
        .then(pl.lit("below_level_3"))
        .when(pl.lit(trusted) & (pl.col("instruction_quality") < settings.minimum_instruction_quality))
        .then(pl.lit("poor_instruction"))
        .when(pl.lit(trusted) & (pl.col("pair_fit") < settings.minimum_pair_fit))
        .then(pl.lit("poor_fit"))
        .otherwise(pl.lit(""))
    )
    rating = pl.sum_horizontal(
        *(level * pl.col(name) for level, name in enumerate(PROBABILITIES, start=1)), ignore_nulls=False
    )
    rated = (
        candidates.select("language", "pair_id", "doc_id", "sample", "instruction", "response")
        .join(final.ratings, on="pair_id", how="left")
        .join(failed, on="pair_id", how="left")
        .with_columns(
            rating=rating,
            round=pl.lit(final.number),
            evaluator=pl.lit(final.evaluator.fingerprint),
            verdict=verdict,
        )
    )
    # One instruction a text: the best of those that pass.
    order = [pl.col("verdict") != "", -pl.col("rating"), pl.col("sample"), pl.col("pair_id")]
    best = pl.col("pair_id").sort_by(order).first().over("doc_id") == pl.col("pair_id")
    beaten = (
        pl.when(pl.col("verdict") != "")
        .then(pl.col("verdict"))
        .when(best)
        .then(pl.lit("kept"))
        .otherwise(pl.lit("not_best"))
    )
    return rated.with_columns(verdict=beaten).with_columns(kept=pl.col("verdict") == "kept").sort("pair_id")


def _funnel(pairs: pl.DataFrame) -> dict[str, int]:
    counts = dict(pairs["verdict"].value_counts(sort=True).iter_rows())
    lost = {f"- {verdict}": count for verdict, count in counts.items() if verdict != "kept"}
    return {"accepted pairs": len(pairs), **lost, "kept": counts.get("kept", 0)}


def _agreement(before: pl.DataFrame, after: pl.DataFrame, settings: CurationSettings) -> float:
    """Share of the pairs that two rounds keep alike or drop alike; 1 for no pairs."""
    keeps = [ratings.select("pair_id", keep=_passes(settings)) for ratings in (before, after)]
    both = keeps[0].join(keeps[1], on="pair_id")
    return int((both["keep"] == both["keep_right"]).sum()) / len(both) if len(both) else 1.0


def _history(round_: Round, outcome: str) -> dict[str, Any]:
    shares = round_.ratings.select(pl.col(name).mean() for name in PROBABILITIES).row(0) if len(round_.ratings) else ()
    return {
        "round": round_.number,
        "used": outcome.startswith("used"),
        "outcome": outcome,
        **round_.validation.figures(),
        "mean level probabilities of candidates": [round(float(share), 4) for share in shares],
    }


STAGE = Stage(
    "refined_pairs",
    "6",
    run,
    upstream=("seed_pairs", "candidate_pairs", "evaluator"),
    settings=("curation", "evaluator"),
    prompts=("reverse", "rating", "response_seed"),
)
