"""refined_pairs: every accepted pair rated, over rounds of label, keep and retrain. All rated rows stay; `kept` decides.

A round's evaluator goes on from the one before it, and learns from the pairs which that one rated best too. It counts
only if it is better on the held-out seeds, may still gate and, where a precision is wanted, tells right instructions of
a model no worse; else it is discarded, and the figures say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from xinstr_core.curation.audited import Audited, audited, audited_levels, identity
from xinstr_core.curation.evaluator import Evaluator, TrainedEvaluator, adapter_tasks, train_evaluator
from xinstr_core.curation.limits import RATING, Checked, check, judged, passing
from xinstr_core.curation.near_texts import near_texts
from xinstr_core.curation.signals import NearTexts, SignalLog, Signals
from xinstr_core.curation.validation import Validation, validate
from xinstr_core.schemas import candidate_pairs
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS, IS_ACCEPTED
from xinstr_core.schemas.evaluator import EVALUATOR, HELD_OUT, SHUFFLED
from xinstr_core.schemas.refined_pairs import (
    KEPT,
    NOT_CURATED,
    PAIRS,
    REFINED_PAIRS,
    ROUND_RATINGS,
    AuditFigures,
    PairFunnel,
    PrecisionFigures,
    RefinedFigures,
    RoundFigures,
)
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.shared import PROBABILITIES, RIGHT, SCORES
from xinstr_core.settings import CurationSettings, Settings
from xinstr_core.stages.evaluator import RatingSeeds, as_pairs, rate_held_out, rating_seeds
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import TrainedAdapter

TEACHES = 0.9  # probability of level 3 from which a pair whose scores are good may teach: far from a mistake


@dataclass(frozen=True)
class Round:
    """One evaluator, how it does on the held-out seeds, what it says of every candidate, and what becomes of it.

    `trained` is what a round after the first has trained, by task.
    """

    number: int
    evaluator: Evaluator
    validation: Validation
    held_out: pl.DataFrame
    ratings: pl.DataFrame
    signals: Signals
    outcome: str = "used"
    trained: Mapping[str, TrainedAdapter] = field(default_factory=dict)

    @property
    def folders(self) -> dict[str, TrainedAdapter]:
        """Its trainings by the names under which a later run finds them."""
        return {_folder(self.number, task): adapter for task, adapter in self.trained.items()}

    @property
    def used(self) -> bool:
        return self.outcome.startswith("used")

    def figures(self) -> RoundFigures:
        ratings = self.ratings
        shares = ratings.select(pl.col(name).mean() for name in PROBABILITIES).row(0) if len(ratings) else ()
        return RoundFigures(
            round=self.number,
            used=self.used,
            outcome=self.outcome,
            **dict(self.validation.figures()),
            mean_probabilities=[round(float(share), 4) for share in shares],
        )


@stage(
    gives=REFINED_PAIRS,
    takes=(SEED_PAIRS, CANDIDATE_PAIRS, EVALUATOR),
    version="14",
    settings=("curation", "evaluator"),
    prompts=("reverse", "rating", "response_seed"),
    roles=("reader", "reverse", "rater", "writer", "encoder"),
    files=lambda workspace, language: {"audit": identity(audited_levels(workspace.home, language.tag))},
)
def curate(run: StageRun) -> StageOutput:
    settings = run.settings.curation
    candidates = run.scan(candidate_pairs.PAIRS).filter(IS_ACCEPTED).collect()
    first = run.figures(EVALUATOR)
    # A rater that may not gate may not teach either: its "best" pairs are no better than others.
    trusted = first.may_gate
    log = SignalLog(run.rows / "signals", run.previous)
    rounds = _Curation.of(run, candidates, log).rounds(settings.rounds if trusted else 1)
    final = next(round_ for round_ in reversed(rounds) if round_.used)
    checked = check(final.held_out, settings) if settings.wanted_precision else None
    would_keep, best = (_keep(candidates, final, settings, trusted=trusted) for trusted in (True, False))
    levels, proved = audited_levels(run.workspace.home, run.language.tag), would_keep
    promised = first.advice or (checked.advice(settings) if checked else "")
    said = audited(levels, would_keep.filter(KEPT)["pair_id"].to_list())
    if promised and said is None:
        # What a rating would keep may be nothing: people had what went on to label, and that is proved or not as it is.
        proved = best.with_columns(verdict=pl.col("verdict").replace(NOT_CURATED, KEPT))
        said = audited(levels, best.filter(KEPT)["pair_id"].to_list())
    advice = said.advice(settings) if said else promised
    trusted = not advice
    pairs = proved if trusted else best
    return StageOutput(
        tables={
            PAIRS.name: pairs,
            ROUND_RATINGS.name: pl.concat([r.ratings.with_columns(round=pl.lit(r.number)) for r in rounds if r.used]),
            **log.tables,
        },
        folders={name: adapter.folder for round_ in rounds for name, adapter in round_.folders.items()},
        figures=RefinedFigures(
            funnel=_funnel(pairs),
            curated=trusted,
            advice=advice,
            precision=_precision(would_keep, checked, settings) if checked else None,
            audit=_audit(said, promised, advice) if said else None,
            rounds=[round_.figures() for round_ in rounds],
            trained_on={name: adapter.identity for round_ in rounds for name, adapter in round_.folders.items()},
        ),
    )


@dataclass(frozen=True)
class _Curation:
    """What every round needs: the first evaluator, the candidates with the texts near theirs, by pair, and the seeds."""

    run: StageRun
    first: Evaluator
    candidates: pl.DataFrame
    near: NearTexts
    seeds: RatingSeeds
    log: SignalLog

    @classmethod
    def of(cls, run: StageRun, candidates: pl.DataFrame, log: SignalLog) -> _Curation:
        built = run.inputs[EVALUATOR.asset]
        first, seeds = (
            Evaluator.load(run.engines, built, run.settings.evaluator, run.language),
            rating_seeds(run, built),
        )
        texts = dict(candidates.select("doc_id", "response").unique("doc_id").sort("doc_id").iter_rows())
        near = near_texts(texts, texts.values()) if first.readers.reads_near_texts else {}  # texts that are read anyway
        of_pairs = {key: near.get(doc, ()) for key, doc in candidates.select("pair_id", "doc_id").iter_rows()}
        return cls(run, first, candidates, of_pairs, seeds, log)

    def rounds(self, most: int) -> list[Round]:
        """Rounds of label, keep and retrain, at most so many. The last one may be discarded, all others are used."""
        run = self.run
        proof = run.read(HELD_OUT), run.read(SHUFFLED)
        rounds = [self._rate(1, self.first, *proof)]
        for number in range(2, most + 1):
            before = rounds[-1]
            trained = self._retrain(number, before)
            proof = rate_held_out(run, trained.evaluator, self.seeds, self.log)
            after = self._rate(number, trained.evaluator, *proof)
            outcome, last = _outcome(before, after, run.settings)
            rounds.append(replace(after, outcome=outcome, trained=trained.trainings))
            if last:
                break
        return rounds

    def _rate(self, number: int, evaluator: Evaluator, held_out: pl.DataFrame, shuffled: pl.DataFrame) -> Round:
        ratings, signals = evaluator.rate(as_pairs(self.candidates), self.log, self.run.progress, near=self.near)
        return Round(number, evaluator, validate(held_out, shuffled), held_out, ratings, signals)

    def _retrain(self, number: int, before: Round) -> TrainedEvaluator:
        """The next evaluator: it goes on from the one before, on seeds and on the pairs which that one rated best.

        Of each text only the best pair is taken, as only one will be kept. The limits of what is kept do not enter: to
        move them must not cost a training. Where a precision is wanted, the instruction must be as surely right, too.
        """
        run, settings = self.run, self.run.settings.curation
        sure = [PROBABILITIES[-1]]
        if settings.wanted_precision and RIGHT in before.ratings.columns:
            sure = [RIGHT, *sure]
        best = (
            self.candidates.join(before.ratings, on="pair_id")
            .filter(pl.all_horizontal(pl.col(sure) >= TEACHES) & pl.all_horizontal(pl.col(SCORES) >= 0.5))
            .sort([sure[0], "pair_id"], descending=[True, False])
            .unique("doc_id", keep="first", maintain_order=True)
            .head(settings.maximum_added_pairs)
        )
        return train_evaluator(
            run.engines,
            self.seeds.training,
            run.settings.evaluator.model_copy(update={"epochs": settings.round_epochs}),
            run.unfinished / f"evaluator-{number}",
            language=run.language,
            log=self.log,
            material=self.seeds.material,
            added=as_pairs(best),
            start_from=before.evaluator.readers.adapters,
            earlier={task: run.earlier(_folder(number, task)) for task in adapter_tasks(run.settings.evaluator)},
            progress=run.progress,
        )


def _outcome(before: Round, after: Round, settings: Settings) -> tuple[str, bool]:
    """(what becomes of a round and why, whether it is the last)."""
    if after.validation.log_loss >= before.validation.log_loss:
        return "discarded: no better than the round before", True
    if not after.validation.may_gate(settings.evaluator):
        return "discarded: not accurate enough to gate", True
    if settings.curation.wanted_precision and _tells_right(after) < _tells_right(before):
        return "discarded: tells right instructions of a model worse than the round before", True
    agreement = _agreement(before.ratings, after.ratings, settings.curation)
    said = f"used; keeps or drops {agreement:.3f} of the pairs as the round before"
    last = agreement >= settings.curation.stop_agreement
    return f"{said}: the last" if last else said, last


def _tells_right(round_: Round) -> float:
    """How well right instructions of a model are told from wrong ones; by chance where nothing is known of them."""
    return round_.validation.areas.get("auc_generated", 0.5)


def _folder(number: int, task: str) -> str:
    return f"round-{number}-{task}"


def _keep(candidates: pl.DataFrame, final: Round, settings: CurationSettings, *, trusted: bool) -> pl.DataFrame:
    """Every candidate with its rating and `verdict`: see judged(). Where the rating is not trusted all that could be read go on."""
    failed = pl.DataFrame(
        sorted(final.signals.failed.items()), schema={"pair_id": pl.String, "failure": pl.String}, orient="row"
    )
    rated = (
        candidates.select("language", "pair_id", "doc_id", "sample", "instruction", "response")
        .join(final.ratings, on="pair_id", how="left")
        .join(failed, on="pair_id", how="left")
        .with_columns(rating=RATING, round=pl.lit(final.number), evaluator=pl.lit(final.evaluator.fingerprint))
    )
    return (
        judged(rated, settings, text="doc_id", trusted=trusted)
        .with_columns(kept=pl.col("verdict").is_in([KEPT, NOT_CURATED]))
        .sort("pair_id")
    )


def _precision(would_keep: pl.DataFrame, checked: Checked, settings: CurationSettings) -> PrecisionFigures:
    right = would_keep.filter("kept")[RIGHT].to_list() if RIGHT in would_keep.columns else []
    return PrecisionFigures(
        wanted=settings.wanted_precision,
        expected=round(sum(right) / len(right), 4) if right else None,
        limit=round(min(right), 4) if right else None,
        checked=checked.rows,
        checked_kept=checked.kept,
        precision=checked.precision,
        low=checked.low,
        high=checked.high,
        wrong=checked.wrong,
    )


def _audit(said: Audited, promised: str, advice: str) -> AuditFigures:
    overrules = bool(promised) != bool(advice)
    return AuditFigures(
        labelled=said.labelled,
        precision=said.precision,
        low=said.low,
        high=said.high,
        overrules=overrules,
        promised=promised or "curated",
    )


def _funnel(pairs: pl.DataFrame) -> PairFunnel:
    counts = Counter(pairs.filter(~pl.col("kept"))["verdict"])
    return PairFunnel(taken=len(pairs), lost=dict(counts.most_common()), kept=int(pairs["kept"].sum()))


def _agreement(before: pl.DataFrame, after: pl.DataFrame, settings: CurationSettings) -> float:
    """Share of the pairs that two rounds keep alike or drop alike; 1 for no pairs."""
    keeps = [passing(ratings, settings) for ratings in (before, after)]
    both = keeps[0].join(keeps[1], on="pair_id")
    return int((both["keep"] == both["keep_right"]).sum()) / len(both) if len(both) else 1.0
