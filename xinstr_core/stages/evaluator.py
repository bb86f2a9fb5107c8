"""evaluator: the first rater of pairs, trained on seeds and validated on held-out ones before it may gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from xinstr_core.curation.ablation import ablate
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.evaluator import Evaluator, adapter_tasks, train_evaluator
from xinstr_core.curation.generated import Generated, by_pair, generated_instructions
from xinstr_core.curation.rating_set import Material, build_rating_set, shuffled_pairs
from xinstr_core.curation.reverse import written_by
from xinstr_core.curation.signals import SignalLog
from xinstr_core.curation.splits import split_material, split_pairs
from xinstr_core.curation.validation import validate
from xinstr_core.curation.written import as_table, from_table, written_responses
from xinstr_core.engines.encoders import encoder_identity
from xinstr_core.engines.encoding import encode
from xinstr_core.identity import fingerprint
from xinstr_core.languages import Language
from xinstr_core.schemas.evaluator import (
    EVALUATOR,
    GENERATED,
    GENERATED_RAW,
    HELD_OUT,
    SHUFFLED,
    WRITTEN,
    EvaluatorFigures,
    adapter_folder,
)
from xinstr_core.schemas.seed_pairs import IS_IN_LANGUAGE, SEED_PAIRS, SEEDS
from xinstr_core.stages.reverse_model import choose_seeds
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import Partition, StageOutput
from xinstr_core.training.adapter import TrainedAdapter
from xinstr_core.workspace import Workspace

ENOUGH = 100  # seeds with a response in the language, from which on English ones are examples of the wrong language

# What signals train that need no adapter.
NO_TRAINING = TrainedAdapter(Path(), losses=[], rows=0, tokens_seen=0, rejected=[])


@dataclass(frozen=True)
class RatingSeeds:
    """The seeds that an evaluator learns from, those that only validate it, and what flaws of each are made of beside.

    `seconds` is what models needed to write for a construction, by construction.
    """

    training: list[Pair]
    held_out: list[Pair]
    material: Material
    held_out_material: Material
    seconds: dict[str, float] = field(default_factory=dict, compare=False)


def files(workspace: Workspace, language: Language) -> dict[str, str | None]:
    """How instructions of seeds are written and judged, where they are."""
    settings = workspace.settings(language)
    if "generated" not in settings.evaluator.constructions:
        return {"generated": None}
    encoder = encoder_identity(settings.diversity.encoder, workspace.model(language))
    return {"generated": fingerprint({"encoder": encoder, "written": written_by(settings.generation)})}


@stage(
    gives=EVALUATOR,
    takes=(SEED_PAIRS,),
    version="13",
    settings=("evaluator",),
    prompts=("reverse", "rating", "response_seed"),
    roles=("reader", "reverse", "rater", "writer", "encoder"),
    files=files,
)
def train_and_validate(run: StageRun) -> StageOutput:
    settings = run.settings.evaluator
    seeds, log = rating_seeds(run), SignalLog(run.rows / "signals", run.previous)
    generated, raw = GENERATED.schema.to_frame(), GENERATED_RAW.schema.to_frame()

    def write(adapter: Path, pairs: Sequence[Pair]) -> Generated:
        """For the heads' pairs, and for those that validate."""
        nonlocal generated, raw
        asked = [*pairs, *seeds.held_out]
        generated, raw = generated_instructions(
            run.engines, adapter, asked, run.settings.generation, run.row_log(GENERATED_RAW), run.progress
        )
        return by_pair(generated)

    trained = train_evaluator(
        run.engines,
        seeds.training,
        settings,
        run.unfinished,
        language=run.language,
        log=log,
        material=seeds.material,
        write=write if "generated" in settings.constructions else None,
        earlier={task: run.earlier(adapter_folder(task)) for task in adapter_tasks(settings)},
        progress=run.progress,
    )
    evaluator = trained.evaluator
    seeds = replace(seeds, held_out_material=replace(seeds.held_out_material, instructions=by_pair(generated)))
    rated, shuffled = rate_held_out(run, evaluator, seeds, log)
    validation = validate(rated, shuffled)
    first, *others = trained.trainings.values() or [NO_TRAINING]
    return StageOutput(
        tables={
            HELD_OUT.name: rated,
            SHUFFLED.name: shuffled,
            WRITTEN.name: as_table(seeds.material.responses),
            GENERATED.name: generated,
            GENERATED_RAW.name: raw,
            **evaluator.tables(),
            **log.tables,
        },
        folders=evaluator.folders(),
        figures=EvaluatorFigures(
            **dict(validation.figures()),
            constructions=ablate(trained.signals, trained.rated, rated, seeds.seconds, settings),
            seed_pairs=len(seeds.training) + len(seeds.held_out),
            minimum_accuracy=settings.minimum_accuracy,
            may_gate=validation.may_gate(settings),
            advice=validation.advice(settings),
            **dict(first.figures()),
            further_trainings={other.folder.name: other.figures() for other in others},
            trained_on={adapter_folder(task): adapter.identity for task, adapter in trained.trainings.items()},
        ),
    )


def rate_held_out(
    run: StageRun, evaluator: Evaluator, seeds: RatingSeeds, log: SignalLog
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The held-out rows of the rating set, and held-out pairs shuffled, rated: what an evaluator is validated on."""
    rated = build_rating_set(seeds.held_out, run.settings.evaluator.constructions, seeds.held_out_material)
    return (
        evaluator.rate_rated(rated, seeds.held_out, log, run.progress),
        evaluator.rate_rated(shuffled_pairs(seeds.held_out), seeds.held_out, log, run.progress),
    )


def rating_seeds(run: StageRun, evaluator: Partition | None = None) -> RatingSeeds:
    """Seeds split by key. Those whose response is longer than a training row may be are left out.

    What models write to them is taken from the `evaluator` that is built already, or written now.
    """
    settings = run.settings.evaluator
    seeds = run.read(SEEDS)
    english, in_language = seeds.filter(~IS_IN_LANGUAGE), seeds.filter(IS_IN_LANGUAGE)
    separate = len(in_language) >= ENOUGH
    tokenizer = run.engines.tokenizer
    chosen = choose_seeds(in_language if separate else seeds, settings.maximum_seed_pairs)
    pairs, foreign = (
        [pair for pair in as_pairs(rows) if len(encode(tokenizer, pair.response)) <= settings.maximum_tokens]
        for rows in (chosen, english.sort("pair_id").head(len(chosen) if separate else 0))
    )
    written, seconds = (
        (from_table(evaluator.read(WRITTEN.name)), {})
        if evaluator
        else written_responses(run.engines, pairs, settings, run.language, run.unfinished, run.progress)
    )
    training, held_out = split_pairs(pairs, settings.held_out_share)
    generated = by_pair(evaluator.read(GENERATED.name)) if evaluator else {}
    material = split_material(Material(written, foreign, generated), settings.held_out_share)
    return RatingSeeds(training, held_out, *material, seconds)


def as_pairs(rows: pl.DataFrame) -> list[Pair]:
    return [Pair(*row) for row in rows.select("pair_id", "instruction", "response").iter_rows()]
