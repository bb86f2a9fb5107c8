"""Train a LoRA adapter or all weights with transformers' Trainer: serves the reverse model, the evaluator and the tuned model."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from xinstr_core.engines.models import ModelReference, adapter_hash, training_method
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.identity import content_key, fingerprint
from xinstr_core.progress import Progress, silent
from xinstr_core.schemas.shared import TrainingFigures
from xinstr_core.settings import TrainingSettings
from xinstr_core.store import write_text
from xinstr_core.training.rows import Example, RejectedRow, TrainingRow, build_rows, collate

SUMMARY = "training.json"
_VERSION = "1"  # of this module: raised by hand when the same rows train another model
_COMPLETE = "complete"
_SHARD_SIZE = "5GB"  # of the files that all weights are written to; a float32 model of 7B parameters has six
_GROUPED_BATCHES = 8  # batches whose rows are sorted by length together: little padding, and still a random order


@dataclass(frozen=True)
class Earlier:
    """What an earlier run left of a training: its folder, and the identity of what it was trained on."""

    folder: Path
    identity: str


@dataclass(frozen=True)
class TrainedAdapter:
    """The folder of a finished adapter or model, its loss curve as [step, mean loss], and the [key, reason, tokens] of rejected rows.

    `identity` is of everything that it learned from: see training_identity().
    """

    folder: Path
    losses: list[list[float]]
    rows: int
    tokens_seen: int
    rejected: list[list[Any]]
    identity: str = ""

    def figures(self) -> TrainingFigures:
        return TrainingFigures(
            rows=self.rows, tokens_seen=self.tokens_seen, losses=self.losses, rejected_rows=self.rejected
        )


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
    is what `earlier` left, where it learned from the same. Raises
    StageError when no example can be trained on, or when `start_from` was trained by the other method.
    """
    identity = training_identity(engines.base, examples, settings, start_from)
    if earlier is not None and earlier.identity == identity and not folder.exists():
        _copy(earlier.folder, folder)
    if folder.exists():
        return TrainedAdapter(folder, **json.loads((folder / SUMMARY).read_text("utf-8")), identity=identity)
    import torch
    from transformers import Trainer, TrainingArguments, set_seed

    set_seed(settings.seed)
    tokenizer = engines.tokenizer
    rows, rejected = build_rows(tokenizer, examples, settings.maximum_tokens)
    if not rows:
        raise StageError(
            f"none of {len(examples)} training rows can be used ({_reasons(rejected)}): raise maximum_tokens or check the data"
        )
    ordered = training_order(rows, settings)
    steps = math.ceil(len(ordered) / settings.batch_rows)
    logged = max(1, steps // 40)
    checkpoints = folder.with_name(folder.name + "-checkpoints")
    trainer = Trainer(
        model=_trainable_model(engines, settings, start_from),
        train_dataset=[{"input_ids": row.input_ids, "labels": row.labels} for row in ordered],
        data_collator=partial(collate, tokenizer.pad_token_id),
        callbacks=[_callback(progress)],
        args=TrainingArguments(
            output_dir=str(checkpoints),
            max_steps=steps,
            per_device_train_batch_size=settings.batch_rows,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=max(1, round(0.03 * steps)),  # 3 %, the value common to the recipes we follow
            max_grad_norm=1.0,
            bf16=engines.base.precision == "bfloat16",
            use_cpu=not torch.cuda.is_available(),  # Trainer refuses bfloat16 on a CPU that it was not told to use
            train_sampling_strategy="sequential",  # training_order() has shuffled; this alone resumes bit by bit
            # Saved where a loss is logged: a restart forgets the losses since the last log, and would log another mean.
            save_steps=math.ceil(max(20, steps // 4) / logged) * logged,
            logging_steps=logged,
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            seed=settings.seed,
        ),
    )
    trainer.remove_callback(_printer())
    trainer.train(resume_from_checkpoint=_complete_checkpoint(checkpoints))
    summary: dict[str, Any] = {
        "losses": [[entry["step"], round(entry["loss"], 4)] for entry in trainer.state.log_history if "loss" in entry],
        "rows": len(rows),
        "tokens_seen": sum(len(row.input_ids) for row in ordered),
        "rejected": [[row.key, row.reason, row.tokens] for row in rejected],
    }
    _save(trainer.model, engines.base, settings, summary, folder)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainedAdapter(folder, **summary, identity=identity)


def training_identity(
    base: ModelReference, examples: Sequence[Example], settings: TrainingSettings, start_from: Path | None
) -> str:
    """What a training learns from: base model, rows in their order, settings, and what it goes on from."""
    rows = hashlib.sha256()
    for example in examples:
        rows.update(content_key(example.key, example.prompt, example.completion).encode())
    return fingerprint(
        {
            "version": _VERSION,
            "base": base.fingerprint,
            "rows": rows.hexdigest(),
            "settings": settings.model_dump(include=set(TrainingSettings.model_fields)),
            "start from": adapter_hash(start_from) if start_from else None,
        }
    )


def _copy(source: Path, folder: Path) -> None:
    """A folder's copy, whole or not at all."""
    partial_folder = folder.with_name(folder.name + "-partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    shutil.copytree(source, partial_folder)
    partial_folder.replace(folder)


def training_order(rows: Sequence[TrainingRow], settings: TrainingSettings) -> list[TrainingRow]:
    """Every row that is trained on, in order, over all epochs: the same for the same seed, a restart included.

    Each epoch is shuffled, sorted by length within groups of batches, and its batches shuffled again. Grouping gave
    1.8 times the rows a second of random batches on CPU.
    """
    rng = random.Random(f"training order {settings.seed}")
    wanted = max(1, math.ceil(len(rows) * settings.epochs))
    ordered: list[TrainingRow] = []
    while len(ordered) < wanted:
        epoch = rng.sample(list(rows), len(rows))
        group = settings.batch_rows * _GROUPED_BATCHES
        batches = []
        for start in range(0, len(epoch), group):
            grouped = sorted(epoch[start : start + group], key=lambda row: len(row.input_ids))
            batches += [grouped[i : i + settings.batch_rows] for i in range(0, len(grouped), settings.batch_rows)]
        rng.shuffle(batches)
        ordered += [row for batch in batches for row in batch]
    return ordered[:wanted]


def _trainable_model(engines: Engines, settings: TrainingSettings, start_from: Path | None) -> Any:
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
    return get_peft_model(
        model,
        LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def _save(model: Any, base: ModelReference, settings: TrainingSettings, summary: dict[str, Any], folder: Path) -> None:
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
    model.config.use_cache = True  # off only while it was trained
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


def _callback(progress: Progress) -> Any:
    from transformers import TrainerCallback

    class ReportAndMark(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                progress(state.global_step, state.max_steps, loss=float(logs["loss"]))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Called when all files of a checkpoint are written: the mark makes it one that a restart may trust.

            Older ones go after that and not before, as Trainer's own limit does it: a kill in the middle of a removal
            would leave a marked checkpoint without some of its files, and nothing better.
            """
            written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (written / _COMPLETE).touch()
            for checkpoint in written.parent.glob("checkpoint-*"):
                if checkpoint != written:
                    shutil.rmtree(checkpoint)

    return ReportAndMark()


def _complete_checkpoint(checkpoints: Path) -> str | None:
    """The last checkpoint that was written whole; half-written ones are removed."""
    for checkpoint in checkpoints.glob("checkpoint-*"):
        if not (checkpoint / _COMPLETE).exists():
            shutil.rmtree(checkpoint)
    found = sorted(checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.removeprefix("checkpoint-")))
    return str(found[-1]) if found else None


def _printer() -> Any:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _reasons(rejected: Sequence[RejectedRow]) -> str:
    reasons = sorted({row.reason for row in rejected})
    return ", ".join(f"{sum(row.reason == reason for row in rejected)} {reason}" for reason in reasons)
