"""The comparison models: each arm tuned as the tuned model was, on rows of its own choice (arms.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError, StageError
from xinstr_core.evaluation.arms import SEED_ONLY, SELECTED, arm_rows, arm_size, repeated
from xinstr_core.languages import Language
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.eval_report import ArmFigures
from xinstr_core.schemas.shared import SEED, WEB
from xinstr_core.settings import Arm, TuningSettings
from xinstr_core.training.adapter import Earlier, train_adapter, trainable_rows
from xinstr_core.training.rows import Example


@dataclass(frozen=True)
class ArmMaterial:
    """What arms choose from: `pairs` of drawable(), the `selected` rows for training, and seed pairs in the language."""

    pairs: pl.DataFrame
    selected: pl.DataFrame
    seeds: pl.DataFrame


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

    @property
    def folder(self) -> str:
        """Under what name a partition keeps its training."""
        return _folder(self.arm)

    def figures(self) -> ArmFigures:
        return ArmFigures(pairs=self.pairs, seeds=self.seeds, rows=self.rows)


@dataclass(frozen=True)
class ArmTraining:
    """How arms are trained: in `folder`, unless `earlier` gives what an earlier run left under the arm's name."""

    engines: Engines
    settings: TuningSettings
    language: Language
    folder: Path
    earlier: Callable[[str], Earlier | None]
    progress: Progress

    def train(self, wanted: Sequence[Arm], material: ArmMaterial, tuned: ArmModel) -> list[ArmModel]:
        """Every wanted arm, and before them the selected one: the others are compared with it.

        All have the same number of training rows, and so of steps. Rows that are too long for the model make room for
        repetitions of others. `tuned` is the tuned model, which serves where the selected arm would be trained on the
        same rows and no preferences came after. Raises StageError when no pair was selected, InputError for seed_only without seeds.
        """
        size, mix_seeds = arm_size(material.pairs, material.selected), self.settings.include_seeds
        if size == 0:
            raise StageError("no pair was selected, so there is nothing to compare: set evaluation.arms to []")
        if SEED_ONLY in wanted and material.seeds.is_empty():
            raise InputError(
                f"arm {SEED_ONLY} needs seed pairs with responses in {self.language.name}: take it out of evaluation.arms"
            )
        count = size + (len(material.seeds) if mix_seeds else 0)
        arms = [] if size < len(material.selected) or self.settings.preferences else [tuned]
        return arms + [
            self._train(
                arm,
                arm_rows(arm, material.pairs, material.selected, material.seeds, size, mix_seeds=mix_seeds),
                count,
            )
            for arm in dict.fromkeys((SELECTED, *wanted))
            if arm not in {model.arm for model in arms}
        ]

    def _train(self, arm: Arm, rows: pl.DataFrame, count: int) -> ArmModel:
        examples = [
            Example(
                key, prompt(template_of(tag)).render(instruction=instruction, language=self.language.name), response
            )
            for key, instruction, response, tag in rows.iter_rows()
        ]
        rejected = {row.key for row in trainable_rows(self.engines, examples, self.settings)[1]}
        usable = [example for example in examples if example.key not in rejected]
        if not usable:
            raise StageError(
                f"none of the {len(examples)} rows of arm {arm} can be trained on: raise tuning.maximum_tokens"
            )
        name = _folder(arm)
        trained = train_adapter(
            self.engines,
            repeated(usable, count),
            self.settings,
            self.folder / name,
            earlier=self.earlier(name),
            progress=self.progress,
        )
        tags = rows.filter(~pl.col("pair_id").is_in(list(rejected)))["source_tag"]
        seeds = int((tags == SEED).sum())
        template = taught_template(seeds)
        return ArmModel(arm, trained.folder, template, len(tags) - seeds, seeds, trained.rows, trained.identity)


def kept_arms(arms: Sequence[ArmModel], settings: TuningSettings) -> list[ArmModel]:
    """Those that a partition keeps, so that a further arm costs one training. Whole models are too large for that."""
    return [arm for arm in arms if arm.identity and settings.method == "lora"]


def template_of(source_tag: str) -> str:
    """The response prompt of rows of that kind."""
    return "response_seed" if source_tag == SEED else "response_web"


def taught_template(seed_rows: int) -> str:
    """The response prompt that a model is asked with which learned from so many seed pairs, and from curated ones."""
    return template_of(SEED if seed_rows else WEB)


def _folder(arm: Arm) -> str:
    return f"arm-{arm}"
