"""The comparison models: each arm tuned as the tuned model was, on rows of its own choice (arms.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError, StageError
from xinstr_core.evaluation.arms import (
    ENGLISH_ONLY,
    PINCH,
    SEED_ONLY,
    SELECTED,
    TRANSFER_ARMS,
    arm_rows,
    arm_size,
    repeated,
)
from xinstr_core.evaluation.transfer import TransferMaterial
from xinstr_core.languages import Language
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.eval_report import ArmFigures
from xinstr_core.schemas.shared import SEED, WEB
from xinstr_core.settings import Arm, EvaluationSettings, TuningSettings
from xinstr_core.training.adapter import Earlier, train_adapter, trainable_rows
from xinstr_core.training.rows import Example


@dataclass(frozen=True)
class ArmMaterial:
    """What arms choose from: `pairs` of drawable(), the `selected` rows for training, seed pairs in the language, and others."""

    pairs: pl.DataFrame
    selected: pl.DataFrame
    seeds: pl.DataFrame
    transfer: TransferMaterial


@dataclass(frozen=True)
class ArmRows:
    """What an arm is tuned on, each row once, in ARM_SCHEMA with `answered_in`, the name of the language of its response.

    All are repeated together, or where some stand `once`, the others alone.
    """

    repeated: pl.DataFrame
    once: pl.DataFrame

    @property
    def all(self) -> pl.DataFrame:
        return pl.concat([self.once, self.repeated])


@dataclass(frozen=True)
class ArmModel:
    """A tuned arm: its adapter, the template of its prompts, and what it was tuned on (`pairs` and `seeds` are distinct).

    `languages` has its training rows by the language of the response.
    """

    arm: Arm
    adapter: Path
    template: str
    pairs: int
    seeds: int
    rows: int
    learning_rate: float
    languages: Mapping[str, int]
    identity: str = ""  # of what it was trained on; empty for the tuned model itself

    @property
    def folder(self) -> str:
        """Under what name a partition keeps its training."""
        return _folder(self.arm)

    def figures(self) -> ArmFigures:
        return ArmFigures(
            pairs=self.pairs,
            seeds=self.seeds,
            rows=self.rows,
            learning_rate=float(f"{self.learning_rate:.4g}"),  # a share of a rate has digits that mean nothing
            languages=dict(self.languages),
        )


@dataclass(frozen=True)
class ArmTraining:
    """How arms are trained: in `folder`, unless `earlier` gives what an earlier run left under the arm's name."""

    engines: Engines
    settings: TuningSettings
    evaluation: EvaluationSettings
    language: Language
    folder: Path
    earlier: Callable[[str], Earlier | None]
    progress: Progress

    def train(self, wanted: Sequence[Arm], material: ArmMaterial, tuned: ArmModel | None) -> list[ArmModel]:
        """Every wanted arm, and before them the selected one: the others are compared with it.

        All have the same number of training rows, and so of steps. Rows that are too long for the model make room for
        repetitions of others. `tuned` is the tuned model where it was made by these settings, which serves if the selected
        arm would be trained on the same rows and no preferences came after. Raises StageError when no pair was selected,
        InputError for an arm that lacks what it is made of, both before anything is trained.
        """
        size, mix_seeds = arm_size(material.pairs, material.selected), self.settings.include_seeds
        if size == 0:
            raise StageError("no pair was selected, so there is nothing to compare: set evaluation.arms to []")
        if SEED_ONLY in wanted and material.seeds.is_empty():
            raise InputError(
                f"arm {SEED_ONLY} needs seed pairs with responses in {self.language.name}: take it out of evaluation.arms"
            )
        count = size + (len(material.seeds) if mix_seeds else 0)
        material.transfer.check(wanted, count, self.evaluation)
        serves = size == len(material.selected) and not self.settings.preferences
        arms = [tuned] if tuned is not None and serves else []
        return arms + [
            self._train(arm, self._rows(arm, material, size), count)
            for arm in dict.fromkeys((SELECTED, *wanted))
            if arm not in {model.arm for model in arms}
        ]

    def _rows(self, arm: Arm, material: ArmMaterial, size: int) -> ArmRows:
        if arm in TRANSFER_ARMS:
            english = material.transfer.english_rows()
            mixed_in = material.transfer.pinch_rows(self.evaluation.pinch_rows) if arm == PINCH else english.clear()
            return ArmRows(english, mixed_in)
        rows = arm_rows(
            arm, material.pairs, material.selected, material.seeds, size, mix_seeds=self.settings.include_seeds
        ).with_columns(answered_in=pl.lit(self.language.name))
        return ArmRows(rows, rows.clear())

    def _settings(self, arm: Arm) -> TuningSettings:
        """Those of the tuned model, of which english_only has the learning rate lowered: see transfer.py."""
        if arm != ENGLISH_ONLY:
            return self.settings
        rate = self.settings.learning_rate * self.evaluation.english_learning_rate_share
        return self.settings.model_copy(update={"learning_rate": rate})

    def _train(self, arm: Arm, rows: ArmRows, count: int) -> ArmModel:
        settings = self._settings(arm)
        examples = {one.key: one for one in _examples(rows.all)}
        rejected = {row.key for row in trainable_rows(self.engines, list(examples.values()), settings)[1]}
        once, again = (
            [examples[key] for key in part["pair_id"] if key not in rejected] for part in (rows.once, rows.repeated)
        )
        if not again:
            raise StageError(
                f"none of the {len(examples)} rows of arm {arm} can be trained on: raise tuning.maximum_tokens"
            )
        name = _folder(arm)
        taught = [*once, *repeated(again, count - len(once))]
        trained = train_adapter(
            self.engines,
            taught,
            settings,
            self.folder / name,
            earlier=self.earlier(name),
            progress=self.progress,
        )
        used = rows.all.filter(pl.col("pair_id").is_in({one.key for one in taught}))
        seeds = int((used["source_tag"] == SEED).sum())
        answered_in = dict(used.select("pair_id", "answered_in").iter_rows())
        return ArmModel(
            arm,
            trained.folder,
            taught_template(seeds),
            len(used) - seeds,
            seeds,
            trained.rows,
            settings.learning_rate,
            dict(Counter(answered_in[one.key] for one in taught).most_common()),
            trained.identity,
        )


def kept_arms(arms: Sequence[ArmModel], settings: TuningSettings) -> list[ArmModel]:
    """Those that a partition keeps, so that a further arm costs one training. Whole models are too large for that."""
    return [arm for arm in arms if arm.identity and settings.method == "lora"]


def _examples(rows: pl.DataFrame) -> list[Example]:
    return [
        Example(key, prompt(template_of(tag)).render(instruction=instruction, language=language), response)
        for key, instruction, response, tag, language in rows.iter_rows()
    ]


def template_of(source_tag: str) -> str:
    """The response prompt of rows of that kind."""
    return "response_seed" if source_tag == SEED else "response_web"


def taught_template(seed_rows: int) -> str:
    """The response prompt that a model is asked with which learned from so many seed pairs, and from curated ones."""
    return template_of(SEED if seed_rows else WEB)


def _folder(arm: Arm) -> str:
    return f"arm-{arm}"
