"""Train a LoRA adapter or all weights: serves the reverse model, the evaluator and the tuned model."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from xinstr_core.engines.device import device
from xinstr_core.engines.encoding import maximum_positions
from xinstr_core.engines.fit import check_fits
from xinstr_core.engines.models import (
    ModelReference,
    adapter_hash,
    check_ends,
    read_config,
    training_method,
)
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError, StageError
from xinstr_core.files import write_text
from xinstr_core.identity import content_key, fingerprint
from xinstr_core.progress import Progress, silent
from xinstr_core.schemas.shared import TrainingFigures, TrainingSpeed
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.batches import hold_out, training_steps
from xinstr_core.training.budget import kept_budget
from xinstr_core.training.loss import check_head, check_packing
from xinstr_core.training.processes import ALONE, Team, train_together
from xinstr_core.training.rows import CHANGED_BY_TEMPLATE, Example, RejectedRow, TrainingRow, build_rows
from xinstr_core.training.schedule import best_step
from xinstr_core.training.steps import Training

SUMMARY = "training.json"
_VERSION = "3"  # of this module: raised by hand when the same rows train another model
_SHARD_SIZE = "5GB"  # of the files that all weights are written to; a float32 model of 7B parameters has six
_CHECKED_TOKENS = 16  # enough to see how a model makes its logits


@dataclass(frozen=True)
class Earlier:
    """What an earlier run left of a training: its folder, and the identity of what it was trained on."""

    folder: Path
    identity: str


@dataclass(frozen=True)
class TrainedAdapter:
    """The folder of a finished adapter or model, its loss curve as [step, mean loss], and the [key, reason, tokens] of rejected rows.

    `held_out` are the keys of rows that early stopping held out, `held_out_losses` their loss curve. `identity` is of
    everything that it learned from: see training_identity().
    """

    folder: Path
    losses: list[list[float]]
    rows: int
    tokens_seen: int
    rejected: list[list[Any]]
    held_out: list[str] = field(default_factory=list)
    held_out_losses: list[list[float]] = field(default_factory=list)
    identity: str = ""

    def figures(self) -> TrainingFigures:
        return TrainingFigures(
            rows=self.rows,
            tokens_seen=self.tokens_seen,
            losses=self.losses,
            rejected_rows=self.rejected,
            held_out_losses=self.held_out_losses,
            learned_step=best_step(self.held_out_losses) if self.held_out_losses else None,
        )


@dataclass(frozen=True)
class Lesson:
    """What is to be trained: the arguments of train_adapter(), as every process of a training gets them."""

    examples: Sequence[Example]
    settings: TrainingSettings
    folder: Path
    start_from: Path | None


def train_adapter(
    engines: Engines,
    examples: Sequence[Example],
    settings: TrainingSettings,
    folder: Path,
    *,
    start_from: Path | None = None,
    earlier: Earlier | None = None,
    progress: Progress = silent,
) -> TrainedAdapter:
    """Train on `examples` and write what is learned to `folder`; `start_from`, such a folder, continues that training.

    `settings.method` decides what is trained and written: a LoRA adapter, or all weights in float32 with their
    configuration. load_trained_model() reads both; the tokenizer is the base's. Checkpoints go beside `folder`, so a
    killed training goes on where it stopped and ends with the same bytes; a finished `folder` is taken as it is, and so
    is what `earlier` left, where it learned from the same. Raises StageError when no example can be trained on, when
    `start_from` was trained by the other method, or when memory does not hold one row.
    """
    identity = training_identity(engines.base, examples, settings, start_from)
    if earlier is not None and earlier.identity == identity and not folder.exists():
        copy_whole(earlier.folder, folder)
    lesson = Lesson(examples, settings, folder, start_from)
    if not folder.exists() and settings.processes > 1:
        _train_by_several(engines, lesson, progress)
    elif not folder.exists():
        _train(engines, lesson, ALONE, progress)
    return TrainedAdapter(folder, **json.loads((folder / SUMMARY).read_text("utf-8")), identity=identity)


def _train_by_several(engines: Engines, lesson: Lesson, progress: Progress) -> None:
    """Let as many processes train and write as the settings say, and keep what they told last of their speed."""
    engines.release()
    locks = engines.take_gpus(lesson.settings.processes)
    settings, last = lesson.settings, dict[str, float]()
    copies = settings.processes if device() == "cpu" else 1
    check_fits(engines.base, "float32" if settings.method == "full" else engines.base.precision, copies)

    def tell(done: int, total: int, **told: Any) -> None:
        last.update(told.get("figures", {}))
        progress(done, total, **told)

    train_together(partial(_train_in_team, engines.base, lesson), settings.processes, tell, locks)
    if speed := {name: last[name] for name in TrainingSpeed.model_fields if name in last}:
        engines.trainings[lesson.folder.name] = TrainingSpeed(**speed)


def _train_in_team(base: ModelReference, lesson: Lesson, team: Team, progress: Progress) -> None:
    """What one of the processes of a training does, with engines of its own."""
    with Engines(Settings(), base) as engines:
        _train(engines, lesson, team, progress)


def _train(engines: Engines, lesson: Lesson, team: Team, progress: Progress) -> None:
    """Train and write the lesson's folder, or of a team that does so its own part."""
    import torch

    examples, settings, folder = lesson.examples, lesson.settings, lesson.folder
    tokenizer = engines.tokenizer
    positions = maximum_positions(read_config(engines.base))
    rows, rejected = trainable_rows(engines, examples, settings)
    if not rows:
        few = f"the base model has positions for {positions} tokens alone: take another one, or shorter texts"
        advice = few if positions and positions < settings.maximum_tokens else mending(rejected)
        raise StageError(f"none of {len(examples)} training rows can be used ({told_reasons(rejected)}): {advice}")
    held_out: list[TrainingRow] = []
    if settings.early_stop_patience:
        rows, held_out = hold_out(rows, settings.early_stop_share)
    torch.manual_seed(settings.seed)
    model = trainable_model(engines, settings, lesson.start_from)
    check_head(model, rows[0].input_ids[:_CHECKED_TOKENS])
    if settings.packing:
        check_packing(model, rows[0].input_ids[:_CHECKED_TOKENS])
    checkpoints = folder.with_name(folder.name + "-checkpoints")
    team.gathered("loaded")  # so that free memory is what all models leave
    shortest, sharing = min(len(row.input_ids) for row in rows), team.size if model.device.type == "cpu" else 1
    budget = team.leader_first(lambda: kept_budget(checkpoints, model, shortest, sharing))
    training = Training(
        model, settings, getattr(torch, engines.base.precision), tokenizer.pad_token_id, budget, checkpoints, team
    )
    steps = training_steps(rows, settings)
    state = training.run(steps, partial(progress, doing=f"training {folder.name}"), held_out)
    if (speed := training.speed()) is not None:
        engines.trainings[folder.name] = speed
    kept = [
        row
        for number, batch in enumerate(steps[: state.step], 1)
        for row in batch
        if training.budget.takes(number, row.key)
    ]
    rejected += [RejectedRow(key, "out_of_memory", tokens) for key, (_, tokens) in training.budget.too_large.items()]
    summary: dict[str, Any] = {
        "losses": state.losses,
        "rows": sum(row.key not in training.budget.too_large for row in rows),
        "tokens_seen": sum(len(row.input_ids) for row in kept),
        "rejected": [[row.key, row.reason, row.tokens] for row in rejected],
    }
    if held_out:
        summary |= {"held_out": [row.key for row in held_out], "held_out_losses": state.held_out_losses}
    if team.leads:
        save_trained(model, engines.base, settings, summary, folder)
        shutil.rmtree(checkpoints, ignore_errors=True)


def trainable_rows(
    engines: Engines, examples: Sequence[Example], settings: TrainingSettings
) -> tuple[list[TrainingRow], list[RejectedRow]]:
    """Rows that the base model can take, and the examples of which it can take none (build_rows()).

    InputError where the tokenizer ends or pads texts with a token that the model does not have.
    """
    config = read_config(engines.base)
    check_ends(engines.base, engines.tokenizer, config.vocab_size)
    maximum_tokens = min(settings.maximum_tokens, maximum_positions(config) or settings.maximum_tokens)
    return build_rows(engines.prompt_format, examples, maximum_tokens, config.vocab_size)


def training_identity(
    base: ModelReference, examples: Sequence[Example], settings: TrainingSettings, start_from: Path | None
) -> str:
    """What a training learns from: base model, rows in their order, settings, and what it goes on from.

    How many processes share the work changes rounding alone, as the split of a step does.
    """
    rows = hashlib.sha256()
    for example in examples:
        rows.update(content_key(example.key, example.prompt, example.completion).encode())
    return fingerprint(
        {
            "version": _VERSION,
            "base": base.fingerprint,
            "rows": rows.hexdigest(),
            "settings": settings.model_dump(include=TrainingSettings.model_fields.keys() - {"processes"}),
            "start from": adapter_hash(start_from) if start_from else None,
        }
    )


def copy_whole(source: Path, folder: Path) -> None:
    """A folder's copy, whole or not at all."""
    partial_folder = folder.with_name(folder.name + "-partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    shutil.copytree(source, partial_folder)
    partial_folder.replace(folder)


def trainable_model(engines: Engines, settings: TrainingSettings, start_from: Path | None) -> Any:
    """What is trained in float32: all weights, or an adapter beside the base, which is held in its precision."""
    if start_from is not None and training_method(start_from) != settings.method:
        raise StageError(
            f'{start_from.name} was trained with method = "{training_method(start_from)}" and cannot be continued with '
            f'method = "{settings.method}": set the method it had, or build it anew'
        )
    model = engines.trainable(settings.method, start_from)
    return model if settings.method == "full" or start_from is not None else _with_adapter(model, settings)


def _with_adapter(model: Any, settings: TrainingSettings) -> Any:
    from peft import LoraConfig, get_peft_model

    # alpha = 2 x rank and all linear layers: the setting that LoRA studies find least sensitive to the rank
    adapter = LoraConfig(
        r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    try:
        return get_peft_model(model, adapter)
    except ValueError as error:
        raise InputError(
            f"LoRA knows no layers that it can adapt in {type(model).__name__}, of which this base model is: set "
            'method = "full" in reverse_model, evaluator and tuning, or take another base model'
        ) from error


def save_trained(
    model: Any, base: ModelReference, settings: TrainingSettings, summary: dict[str, Any], folder: Path
) -> None:
    """What was trained and the summary, the same bytes on every machine: no path, no set order. Whole or not at all."""
    partial_folder = folder.with_name(folder.name + "-partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    if settings.method == "lora":
        _save_adapter(model, base, partial_folder)
    else:
        _save_all_weights(model, partial_folder)
    write_text(partial_folder / SUMMARY, json.dumps(summary, indent=1))
    partial_folder.replace(folder)


def _save_all_weights(model: Any, folder: Path) -> None:
    """In float32, as trained: a further training and every score go on from exactly these weights.

    bfloat16 would take half the disk, lose small steps, and move a token's score by up to 0.08 nats (tuned pocket model).
    """
    model.save_pretrained(folder, max_shard_size=_SHARD_SIZE)


def _save_adapter(model: Any, base: ModelReference, folder: Path) -> None:
    """Without a model card, and with the base model's name in place of its path."""
    model.peft_config["default"].base_model_name_or_path = (
        Path(base.name).name if Path(base.name).is_dir() else base.name
    )
    model.save_pretrained(folder, save_embedding_layers=False)  # else peft asks the hub about the base model
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    configuration = json.loads(path.read_text("utf-8"))
    configuration["target_modules"] = sorted(configuration["target_modules"])
    write_text(path, json.dumps(configuration, indent=1, sort_keys=True))


def mending(rejected: Sequence[RejectedRow]) -> str:
    """What to do about rows of which none is left."""
    if {row.reason for row in rejected} == {CHANGED_BY_TEMPLATE}:
        return 'mend the chat template of the base model, which changes texts, or set prompt_format = "plain"'
    return "raise maximum_tokens or check the data"


def told_reasons(rejected: Sequence[RejectedRow]) -> str:
    """How many rows were rejected for which reason, as a person reads it."""
    reasons = sorted({row.reason for row in rejected})
    return ", ".join(f"{sum(row.reason == reason for row in rejected)} {reason}" for reason in reasons)
