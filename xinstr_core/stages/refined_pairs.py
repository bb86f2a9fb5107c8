"""refined_pairs: every accepted pair rated, over rounds of label, keep and retrain. All rated rows stay; `kept` decides.

A round's evaluator goes on from the one before it, and learns from the pairs which that one rated best too. It counts
only if it is better on the held-out seeds and may still gate; else it is discarded, and the figures say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from xinstr_core.curation.evaluator import Evaluator, train_evaluator
from xinstr_core.curation.instructions import ACCEPTED
from xinstr_core.curation.signals import SignalLog, Signals
from xinstr_core.curation.validation import PROBABILITIES, Validation, validate
from xinstr_core.engines.resume import KEY
from xinstr_core.settings import CurationSettings, Settings
from xinstr_core.stages.evaluator import RatingSeeds, as_pairs, rate_held_out, rating_seeds
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput


@dataclass(frozen=True)
class Round:
    """One evaluator, how it does on the held-out seeds, what it says of every candidate, and what becomes of it."""

    number: int
    evaluator: Evaluator
    validation: Validation
    ratings: pl.DataFrame
    signals: Signals
    outcome: str = "used"

    @property
    def used(self) -> bool:
        return self.outcome.startswith("used")

    def figures(self) -> dict[str, Any]:
        ratings = self.ratings
        shares = ratings.select(pl.col(name).mean() for name in PROBABILITIES).row(0) if len(ratings) else ()
        return {
            "round": self.number,
            "used": self.used,
            "outcome": self.outcome,
            **self.validation.figures(),
            "mean level probabilities of candidates": [round(float(share), 4) for share in shares],
        }


def run(run: StageRun) -> StageOutput:
    settings = run.settings.curation
    candidates = run.inputs["candidate_pairs"].scan("pairs").filter(pl.col("status") == ACCEPTED).collect()
    first = run.inputs["evaluator"]
    # A rater that may not gate may not teach either: its "best" pairs are no better than others.
    trusted = bool(first.figures["may gate"])
    rounds = _rounds(run, candidates, settings.rounds if trusted else 1)
    final = next(round_ for round_ in reversed(rounds) if round_.used)
    pairs = _keep(candidates, final, settings, trusted=trusted)
    return StageOutput(
        tables={
            "pairs": pairs,
            "ratings": pl.concat([r.ratings.with_columns(round=pl.lit(r.number)) for r in rounds if r.used]),
            **_readings(rounds),
        },
        figures={
            "funnel": _funnel(pairs),
            "curated": trusted,
            "advice": first.figures["advice"],
            "rounds": [round_.figures() for round_ in rounds],
        },
    )


def _rounds(run: StageRun, candidates: pl.DataFrame, most: int) -> list[Round]:
    """Rounds of label, keep and retrain, at most so many. The last one may be discarded, all others are used."""
    first = run.inputs["evaluator"]
    seeds = rating_seeds(run, first)
    validation = validate(first.read("held_out"), first.read("shuffled"))
    rounds = [_rate(run, 1, Evaluator.load(run.model, first, run.settings.evaluator), validation, candidates)]
    for number in range(2, most + 1):
        before = rounds[-1]
        evaluator = _retrain(run, number, before, candidates, seeds)
        validation = validate(*rate_held_out(run, evaluator, seeds))
        after = _rate(run, number, evaluator, validation, candidates)
        outcome, last = _outcome(before, after, run.settings)
        rounds.append(replace(after, outcome=outcome))
        if last:
            break
    return rounds


def _rate(run: StageRun, number: int, evaluator: Evaluator, validation: Validation, candidates: pl.DataFrame) -> Round:
    log = SignalLog(run.rows / "candidates", run.previous)
    ratings, signals = evaluator.rate(as_pairs(candidates), log, run.progress)
    return Round(number, evaluator, validation, ratings, signals)


def _outcome(before: Round, after: Round, settings: Settings) -> tuple[str, bool]:
    """(what becomes of a round and why, whether it is the last)."""
    if after.validation.log_loss >= before.validation.log_loss:
        return "discarded: no better than the round before", True
    if not after.validation.may_gate(settings.evaluator):
        return "discarded: not accurate enough to gate", True
    agreement = _agreement(before.ratings, after.ratings, settings.curation)
    said = f"used; keeps or drops {agreement:.3f} of the pairs as the round before"
    last = agreement >= settings.curation.stop_agreement
    return f"{said}: the last" if last else said, last


def _retrain(run: StageRun, number: int, before: Round, candidates: pl.DataFrame, seeds: RatingSeeds) -> Evaluator:
    """The next evaluator: it goes on from the one before, on seeds and on the pairs which that one rated best.

    Of each text only the best pair is taken, as only one will be kept.
    """
    settings = run.settings.curation
    best = (
        candidates.join(before.ratings, on="pair_id")
        .filter(_passes(settings))
        .sort(["p_level_3", "pair_id"], descending=[True, False])
        .unique("doc_id", keep="first", maintain_order=True)
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
    counts = Counter(pairs["verdict"])
    lost = {f"- {verdict}": count for verdict, count in counts.most_common() if verdict != "kept"}
    return {"accepted pairs": len(pairs), **lost, "kept": counts["kept"]}


def _agreement(before: pl.DataFrame, after: pl.DataFrame, settings: CurationSettings) -> float:
    """Share of the pairs that two rounds keep alike or drop alike; 1 for no pairs."""
    keeps = [ratings.select("pair_id", keep=_passes(settings)) for ratings in (before, after)]
    both = keeps[0].join(keeps[1], on="pair_id")
    return int((both["keep"] == both["keep_right"]).sum()) / len(both) if len(both) else 1.0


def _readings(rounds: Sequence[Round]) -> dict[str, pl.DataFrame]:
    """What was read in all rounds, by table: a later run that rates the same rows does not read them again."""
    return {
        f"{name}_signals": pl.concat([round_.signals.readings[name] for round_ in rounds]).unique(KEY).sort(KEY)
        for name in rounds[0].signals.readings
    }


STAGE = Stage(
    "refined_pairs",
    "7",
    run,
    upstream=("seed_pairs", "candidate_pairs", "evaluator"),
    settings=("curation", "evaluator"),
    prompts=("reverse", "rating"),
)
