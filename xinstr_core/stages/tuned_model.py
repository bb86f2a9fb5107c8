"""tuned_model: the base model tuned to answer English instructions in the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.preferences import (
    Make,
    TaughtPair,
    Triple,
    choose_triples,
    cut,
    language_switch,
    other_text,
    written,
    wrong_language,
)
from xinstr_core.curation.written import answers, from_table
from xinstr_core.engines.resume import KEY
from xinstr_core.engines.tokenizer_files import write_tokenizer
from xinstr_core.evaluation.arm_models import template_of
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, HELD_OUT, IS_FOR_TRAINING, SELECTED, TRAIN
from xinstr_core.schemas.evaluator import EVALUATOR, WRITTEN
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.seed_pairs import IS_IN_LANGUAGE, SEED_PAIRS, SEEDS
from xinstr_core.schemas.shared import SEED, WEB
from xinstr_core.schemas.tuned_model import (
    BEFORE_PREFERENCES,
    PREFERENCES,
    TOKENIZER,
    TRAINING_ROWS,
    TUNED_MODEL,
    UNTUNED,
    PreferenceFigures,
    TunedFigures,
)
from xinstr_core.settings import PreferenceKind, TuningSettings
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.preference import Preference, PreferenceLoss, TrainedPreferences, train_preferences
from xinstr_core.training.rows import Example

# Seeds whose text of before the translation is the response in English: of others it is the instruction.
IS_TRANSLATED = pl.col("origin").is_in(["response_translated", "parallel"])


@stage(
    gives=TUNED_MODEL,
    takes=(EVALUATOR, DIVERSIFIED_SET, SEED_PAIRS),
    version="5",
    settings=("tuning",),
    prompts=("response_web", "response_seed"),
    roles=("writer",),
)
def tune(run: StageRun) -> StageOutput:
    settings = run.settings.tuning
    rows = run.scan(SELECTED).filter(IS_FOR_TRAINING).collect()
    seeds = seeds_in_language(run.scan(SEEDS), settings)
    pairs = taught_pairs(rows, seeds)
    triples, untuned = _triples(run, pairs)
    tuned = BEFORE_PREFERENCES if triples else ADAPTER
    examples = tuning_examples(pairs, run.language.name)
    trained = train_adapter(
        run.engines,
        examples,
        settings,
        run.unfinished / tuned.name,
        earlier=run.earlier(BEFORE_PREFERENCES.name) or run.earlier(ADAPTER.name),
        progress=run.progress,
    )
    preferred = _prefer(run, triples, trained) if triples else None
    write_tokenizer(run.model, run.engines.tokenizer, run.unfinished / TOKENIZER.name)
    folders = {ADAPTER.name: preferred.folder if preferred else trained.folder}
    identities = {ADAPTER.name: preferred.identity if preferred else trained.identity}
    if preferred and settings.method == "lora":  # all weights of a model are too large to be kept twice
        folders[BEFORE_PREFERENCES.name], identities[BEFORE_PREFERENCES.name] = trained.folder, trained.identity
    return StageOutput(
        tables={
            TRAINING_ROWS.name: _provenance(rows, seeds, trained, triples),
            PREFERENCES.name: _as_table(triples, run.language.tag),
            UNTUNED.name: untuned,
        },
        folders={**folders, TOKENIZER.name: run.unfinished / TOKENIZER.name},
        figures=TunedFigures(
            curated_rows=len(rows),
            seed_rows=len(seeds),
            seed_rows_by_origin=dict(seeds["origin"].value_counts(sort=True).iter_rows()),
            base_model=run.model.name,
            base_model_fingerprint=run.model.fingerprint,
            prompt_format=run.model.prompt_format,
            system_text=run.model.system_text,
            data_fingerprint=run.inputs[DIVERSIFIED_SET.asset].version,
            **dict(trained.figures()),
            preference=_preference_figures(triples, preferred) if preferred else None,
            trained_on=identities,
        ),
    )


def seeds_in_language(seeds: pl.LazyFrame, settings: TuningSettings) -> pl.DataFrame:
    """Those that are learned from beside the selection: none unless they are included."""
    found = seeds.filter(IS_IN_LANGUAGE).sort("pair_id").collect()
    return found if settings.include_seeds else found.clear()


def taught_pairs(rows: pl.DataFrame, seeds: pl.DataFrame) -> list[TaughtPair]:
    """Selected pairs and seed pairs, each of which has its own response prompt."""
    return [*_taught(rows, WEB), *_taught(seeds, SEED)]


def tuning_examples(pairs: Sequence[TaughtPair], language: str) -> list[Example]:
    """What a model learns of them; `language` is its English name."""
    return [Example(pair.key, _prompt(pair, language), pair.response) for pair in pairs]


def _taught(rows: pl.DataFrame, source_tag: str) -> list[TaughtPair]:
    wanted = rows.select("pair_id", "instruction", "response")
    return [TaughtPair(key, instruction, response, source_tag) for key, instruction, response in wanted.iter_rows()]


def _prompt(pair: TaughtPair, language: str) -> str:
    return prompt(template_of(pair.source_tag)).render(instruction=pair.instruction, language=language)


def _provenance(
    rows: pl.DataFrame, seeds: pl.DataFrame, trained: TrainedAdapter, triples: Sequence[Triple]
) -> pl.DataFrame:
    """Where every row that was trained on comes from: `origin` is "web", or how its seed pair came about."""
    web = rows.select("pair_id", "source_tag", origin=pl.lit(WEB))
    given = seeds.select("pair_id", "origin", source_tag=pl.lit(SEED)).select(web.columns)
    preferred = {one.pair.key for one in triples if not one.held_out}
    left_out = [*(key for key, *_ in trained.rejected), *(key for key in trained.held_out if key not in preferred)]
    return pl.concat([web, given]).filter(~pl.col("pair_id").is_in(left_out)).sort("source_tag", "pair_id")


def _triples(run: StageRun, pairs: Sequence[TaughtPair]) -> tuple[list[Triple], pl.DataFrame]:
    """The wanted preference triples, before anything is trained, and what the base model wrote for them by row key."""
    settings, log = run.settings.tuning, run.row_log(UNTUNED)
    made = UNTUNED.schema.to_frame()
    if not settings.preferences:
        return [], made

    def untuned(asked: Sequence[TaughtPair]) -> Mapping[str, str]:
        nonlocal made
        found, rows = answers(
            run.engines.writer(),
            run.engines.identity("writer", run.model.fingerprint),
            asked,
            run.language,
            log,
            run.progress,
        )
        made = pl.concat([made, rows]).unique(KEY)
        return found

    weaker = from_table(run.read(WRITTEN)).get("weaker_response", {})
    seeds = run.read(SEEDS)
    translations = dict(seeds.filter(IS_TRANSLATED).drop_nulls("original").select("pair_id", "original").iter_rows())
    english = [
        Pair(*row) for row in seeds.filter(~IS_IN_LANGUAGE).select("pair_id", "instruction", "response").iter_rows()
    ]
    makers: dict[PreferenceKind, Make] = {
        "other_text": other_text(pairs),
        "wrong_language": wrong_language(translations, english),
        "language_switch": language_switch(english),
        "cut_off": cut,
        "weaker": written(lambda _: weaker),
        "untuned": written(untuned),
    }
    chosen = choose_triples(pairs, {kind: makers[kind] for kind in settings.preferences}, settings.preference_triples)
    return chosen, made.sort(KEY)


def _prefer(run: StageRun, triples: Sequence[Triple], tuned: TrainedAdapter) -> TrainedPreferences:
    """The tuned model, taught which side of each triple is the better one."""
    settings = run.settings.tuning
    preferences = [
        Preference(one.key, _prompt(one.pair, run.language.name), one.pair.response, one.worse.text, one.held_out)
        for one in triples
    ]
    return train_preferences(
        run.engines,
        preferences,
        settings.preference_training,
        PreferenceLoss(settings.preference_beta, settings.preference_likelihood_weight),
        run.unfinished / ADAPTER.name,
        start_from=tuned.folder,
        earlier=run.earlier(ADAPTER.name),
        progress=run.progress,
    )


def _as_table(triples: Sequence[Triple], language: str) -> pl.DataFrame:
    return PREFERENCES.frame(
        [
            {
                "language": language,
                "triple_id": one.key,
                "kind": one.kind,
                "pair_id": one.pair.key,
                "instruction": one.pair.instruction,
                "chosen": one.pair.response,
                "rejected_id": one.worse.key,
                "rejected": one.worse.text,
                "source_tag": one.pair.source_tag,
                "split": HELD_OUT if one.held_out else TRAIN,
            }
            for one in triples
        ]
    )


def _preference_figures(triples: Sequence[Triple], preferred: TrainedPreferences) -> PreferenceFigures:
    kinds = sorted(one.kind for one in triples)
    return PreferenceFigures(triples={kind: kinds.count(kind) for kind in kinds}, **dict(preferred.figures))
