"""tuned_model: the base model tuned to answer English instructions in the language."""

from __future__ import annotations

import polars as pl

from xinstr_core.engines.tokenizer_files import write_tokenizer
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, IS_FOR_TRAINING, SELECTED
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.seed_pairs import IS_IN_LANGUAGE, SEED_PAIRS, SEEDS
from xinstr_core.schemas.shared import SEED, WEB
from xinstr_core.schemas.tuned_model import TOKENIZER, TRAINING_ROWS, TUNED_MODEL, TunedFigures
from xinstr_core.settings import TuningSettings
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example


@stage(
    gives=TUNED_MODEL,
    takes=(DIVERSIFIED_SET, SEED_PAIRS),
    version="5",
    settings=("tuning",),
    prompts=("response_web", "response_seed"),
)
def tune(run: StageRun) -> StageOutput:
    settings = run.settings.tuning
    rows = run.scan(SELECTED).filter(IS_FOR_TRAINING).collect()
    seeds = seeds_in_language(run.scan(SEEDS), settings)
    examples = tuning_examples(rows, seeds, run.language.name)
    folder, earlier = run.unfinished / ADAPTER.name, run.earlier(ADAPTER.name)
    trained = train_adapter(run.engines, examples, settings, folder, earlier=earlier, progress=run.progress)
    write_tokenizer(run.model, run.engines.tokenizer, run.unfinished / TOKENIZER.name)
    return StageOutput(
        tables={TRAINING_ROWS.name: _provenance(rows, seeds, trained)},
        folders={ADAPTER.name: trained.folder, TOKENIZER.name: run.unfinished / TOKENIZER.name},
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
            trained_on={ADAPTER.name: trained.identity},
        ),
    )


def seeds_in_language(seeds: pl.LazyFrame, settings: TuningSettings) -> pl.DataFrame:
    """Those that are learned from beside the selection: none unless they are included."""
    found = seeds.filter(IS_IN_LANGUAGE).sort("pair_id").collect()
    return found if settings.include_seeds else found.clear()


def tuning_examples(rows: pl.DataFrame, seeds: pl.DataFrame, language: str) -> list[Example]:
    """Selected pairs and seed pairs, each under its own response prompt; `language` is its English name."""
    return [*_examples("response_web", rows, language), *_examples("response_seed", seeds, language)]


def _provenance(rows: pl.DataFrame, seeds: pl.DataFrame, trained: TrainedAdapter) -> pl.DataFrame:
    """Where every row that was trained on comes from: `origin` is "web", or how its seed pair came about."""
    web = rows.select("pair_id", "source_tag", origin=pl.lit(WEB))
    given = seeds.select("pair_id", "origin", source_tag=pl.lit(SEED)).select(web.columns)
    left_out = [*(key for key, *_ in trained.rejected), *trained.held_out]
    return pl.concat([web, given]).filter(~pl.col("pair_id").is_in(left_out)).sort("source_tag", "pair_id")


def _examples(template: str, rows: pl.DataFrame, language: str) -> list[Example]:
    response_prompt = prompt(template)
    return [
        Example(
            row["pair_id"], response_prompt.render(instruction=row["instruction"], language=language), row["response"]
        )
        for row in rows.iter_rows(named=True)
    ]
