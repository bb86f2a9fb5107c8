"""The comparison models of eval_report: each arm tuned as the tuned model was, on rows of its own choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.errors import InputError, StageError
from xinstr_core.evaluation.arms import SEED_ONLY, SEED_TAG, SELECTED, WEB_TAG, arm_rows, arm_size, drawable, repeated
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import Arm, TuningSettings
from xinstr_core.stages.stage import StageRun
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example, build_rows

PAIR_COLUMNS = ("pair_id", "doc_id", "instruction", "response", "rating", "kept")


@dataclass(frozen=True)
class ArmModel:
    """A tuned arm: its adapter, the template of its prompts, and what it was tuned on (`pairs` and `seeds` are distinct)."""

    arm: Arm
    adapter: Path
    template: str
    pairs: int
    seeds: int
    rows: int
    identity: str = ""  # of what it was trained on; empty for the tuned model itself


def train_arms(run: StageRun) -> list[ArmModel]:
    """Every arm of the settings, the selected one first: the others are compared with it. None when none is asked for.

    All have the same number of training rows, and so of steps. Rows that are too long for the model make room for
    repetitions of others. Raises StageError when no pair was selected, InputError for seed_only without seeds.
    """
    wanted = run.settings.evaluation.arms
    if not wanted:
        return []
    selection = run.inputs["diversified_set"].read("rows")
    selected = selection.filter(pl.col("split") == "train")
    rated = run.inputs["refined_pairs"].scan("pairs").select(PAIR_COLUMNS).collect()
    pairs = drawable(rated, selection.filter(pl.col("split") == "heldout")["doc_id"])
    seeds = run.inputs["seed_pairs"].scan("seeds").filter(pl.col("origin") != "english").collect()
    size, mix_seeds = arm_size(pairs, selected), run.settings.tuning.include_seeds
    if size == 0:
        raise StageError("no pair was selected, so there is nothing to compare: set evaluation.arms to []")
    if SEED_ONLY in wanted and seeds.is_empty():
        raise InputError(
            f"arm {SEED_ONLY} needs seed pairs with responses in {run.language.name}: take it out of evaluation.arms"
        )
    count = size + (len(seeds) if mix_seeds else 0)
    arms = [] if size < len(selected) else [_tuned(run, selected, seeds if mix_seeds else seeds.clear())]
    return arms + [
        _train(run, arm, arm_rows(arm, pairs, selected, seeds, size, mix_seeds=mix_seeds), count)
        for arm in dict.fromkeys((SELECTED, *wanted))
        if arm not in {model.arm for model in arms}
    ]


def _tuned(run: StageRun, selected: pl.DataFrame, seeds: pl.DataFrame) -> ArmModel:
    """The tuned model itself, where the selected arm would be trained on the same rows."""
    tuned = run.inputs["tuned_model"]
    template = _template(SEED_TAG if len(seeds) else WEB_TAG)
    return ArmModel(SELECTED, tuned.folder("adapter"), template, len(selected), len(seeds), tuned.figures["rows"])


def _train(run: StageRun, arm: Arm, rows: pl.DataFrame, count: int) -> ArmModel:
    settings = run.settings.tuning
    examples = [
        Example(key, prompt(_template(tag)).render(instruction=instruction, language=run.language.name), response)
        for key, instruction, response, tag in rows.iter_rows()
    ]
    rejected = {row.key for row in build_rows(run.engines.tokenizer, examples, settings.maximum_tokens)[1]}
    usable = [example for example in examples if example.key not in rejected]
    if not usable:
        raise StageError(
            f"none of the {len(examples)} rows of arm {arm} can be trained on: raise tuning.maximum_tokens"
        )
    name = arm_folder(arm)
    folder, earlier = run.unfinished / name, run.earlier(name)
    trained = train_adapter(
        run.engines, repeated(usable, count), settings, folder, earlier=earlier, progress=run.progress
    )
    tags = rows.filter(~pl.col("pair_id").is_in(list(rejected)))["source_tag"]
    seeds = int((tags == SEED_TAG).sum())
    template = _template(SEED_TAG if seeds else tags[0])
    return ArmModel(arm, trained.folder, template, len(tags) - seeds, seeds, trained.rows, trained.identity)


def arm_folder(arm: Arm) -> str:
    """Under what name a partition keeps the training of an arm."""
    return f"arm-{arm}"


def kept_folders(arms: Sequence[ArmModel], settings: TuningSettings) -> dict[str, Path]:
    """What a partition keeps, so that a further arm costs one training: adapters. Whole models are too large for that."""
    trained = [arm for arm in arms if arm.identity and settings.method == "lora"]
    return {arm_folder(arm.arm): arm.adapter for arm in trained}


def _template(source_tag: str) -> str:
    return "response_seed" if source_tag == SEED_TAG else "response_web"
