"""Direct preference optimisation: a trained model learns which of two completions of a prompt is the better one.

Rafailov et al. 2023, arXiv 2305.18290, equation 7. No second model is held: what the model that it starts from says of each
completion is computed once, before the first step, and kept beside the checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from xinstr_core.engines.models import ModelReference, adapter_hash
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.files import write_text
from xinstr_core.identity import content_key, fingerprint
from xinstr_core.progress import Progress, silent
from xinstr_core.schemas.tuned_model import MarginFigures, PreferenceTrainingFigures
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.adapter import (
    SUMMARY,
    Earlier,
    copy_whole,
    mending,
    save_trained,
    told_reasons,
    trainable_model,
    trainable_rows,
)
from xinstr_core.training.batches import labels_of, training_steps
from xinstr_core.training.budget import kept_budget
from xinstr_core.training.objective import Score, Weighed
from xinstr_core.training.rows import Example, RejectedRow, TrainingRow
from xinstr_core.training.steps import Training

_VERSION = "1"  # of this module: raised by hand when the same preferences train another model
_REFERENCE = "reference.json"


@dataclass(frozen=True)
class Preference:
    """Two completions of one prompt, of which `chosen` is the better one. What is `held_out` is measured on alone."""

    key: str
    prompt: str
    chosen: str
    rejected: str
    held_out: bool = False


@dataclass(frozen=True)
class PreferenceLoss:
    """-log sigmoid(beta x margin) + likelihood_weight x the mean cross entropy of a label of the chosen side.

    The margin is log p(chosen) - log p(rejected), less the same by the model that is started from (arXiv 2305.18290,
    equation 7). The second term keeps the chosen side likely (RPO, arXiv 2404.19733, equation 1; per label of the completion).
    """

    beta: float
    likelihood_weight: float


@dataclass(frozen=True)
class TrainedPreferences:
    """The folder of a finished adapter or model, what the training tells, and the identity of what it learned from."""

    folder: Path
    figures: PreferenceTrainingFigures
    identity: str


@dataclass(frozen=True)
class Sides:
    """Both completions of a preference as rows, each with a key of its own."""

    chosen: TrainingRow
    rejected: TrainingRow


class PreferenceObjective:
    """The mean of PreferenceLoss over the pairs of a step, in which the rows of a pair stand one after the other.

    Its gradient is a weight times that of the log-probability of each row. The weights come of a first pass without
    gradients, so that rows go through the model as in any training, and take no more memory than there.
    """

    def __init__(self, loss: PreferenceLoss, pairs: Sequence[Sides], reference: Mapping[str, float]) -> None:
        self._loss = loss
        self._reference = reference
        self._other = {pair.chosen.key: pair.rejected.key for pair in pairs}
        self._other |= {rejected: chosen for chosen, rejected in self._other.items()}

    def usable(self, rows: Sequence[TrainingRow]) -> list[TrainingRow]:
        """Those whose other side is there too, both with a reference."""
        held = {row.key for row in rows} & self._reference.keys()
        return [row for row in rows if {row.key, self._other[row.key]} <= held]

    def weigh(self, rows: Sequence[TrainingRow], score: Score) -> Weighed | None:
        scores = score(rows)
        if scores is None:
            return None
        weights, loss, share = dict[str, float](), 0.0, 2 / len(rows)
        for chosen, rejected in zip(rows[::2], rows[1::2], strict=True):
            won, lost = (scores[row.key] - self._reference[row.key] for row in (chosen, rejected))
            margin, kept = self._loss.beta * (won - lost), self._loss.likelihood_weight / labels_of([chosen])
            pull = self._loss.beta * math.exp(-_softplus(margin))  # beta x sigmoid(-margin)
            weights[chosen.key], weights[rejected.key] = share * (pull + kept), -share * pull
            loss += share * (_softplus(-margin) - kept * scores[chosen.key])
        return Weighed(weights, loss)


def train_preferences(
    engines: Engines,
    preferences: Sequence[Preference],
    settings: TrainingSettings,
    loss: PreferenceLoss,
    folder: Path,
    *,
    start_from: Path,
    earlier: Earlier | None = None,
    progress: Progress = silent,
) -> TrainedPreferences:
    """Continue what train_adapter() left in `start_from` on `preferences`, and write what is learned to `folder`.

    Written, resumed and taken from `earlier` as by train_adapter(); a step has `settings.batch_rows` pairs. A pair of which a
    side cannot be trained on, or whose sides are the same, is left out. Raises StageError where none is left to learn from.
    """
    identity = preference_identity(engines.base, preferences, settings, loss, start_from)
    if earlier is not None and earlier.identity == identity and not folder.exists():
        copy_whole(earlier.folder, folder)
    if folder.exists():
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
        return TrainedPreferences(folder, PreferenceTrainingFigures.read(summary), identity)
    import torch

    pairs, rejected = _pairs(engines, preferences, settings)
    learned = {p.key: pairs[p.key] for p in preferences if p.key in pairs and not p.held_out}
    measured = [pairs[p.key] for p in preferences if p.key in pairs and p.held_out]
    if not learned:
        raise StageError(
            f"none of {len(preferences)} preference pairs can be learned from ({told_reasons(rejected) or 'all are held out'}): "
            f"each needs two different responses that can be trained on: {mending(rejected)}, or set tuning.preferences "
            "to [] to tune without"
        )
    torch.manual_seed(settings.seed)
    model = trainable_model(engines, settings, start_from)
    rows = [row for pair in (*learned.values(), *measured) for row in (pair.chosen, pair.rejected)]
    checkpoints = folder.with_name(folder.name + "-checkpoints")
    budget = kept_budget(checkpoints, model, min(len(row.input_ids) for row in rows))
    training = Training(
        model, settings, getattr(torch, engines.base.precision), engines.tokenizer.pad_token_id, budget, checkpoints
    )
    reference = _reference(training, rows, checkpoints)
    training.objective = PreferenceObjective(loss, [*learned.values()], reference)
    order = training_steps([pair.chosen for pair in learned.values()], settings)
    by_chosen = {pair.chosen.key: pair for pair in learned.values()}
    steps = [[side for row in step for side in (row, by_chosen[row.key].rejected)] for step in order]
    losses = training.run(steps, partial(progress, doing=f"training {folder.name}")).losses
    if (speed := training.speed()) is not None:
        engines.trainings[folder.name] = speed
    kept = [row for number, step in enumerate(steps, 1) for row in step if training.budget.takes(number, row.key)]
    rejected += [RejectedRow(key, "out_of_memory", tokens) for key, (_, tokens) in training.budget.too_large.items()]
    figures = PreferenceTrainingFigures(
        losses=losses,
        tokens_seen=sum(len(row.input_ids) for row in kept),
        rejected_sides=[[row.key, row.reason, row.tokens] for row in rejected],
        **dict(_margins(training, measured, reference)),
    )
    save_trained(model, engines.base, settings, figures.model_dump(), folder)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainedPreferences(folder, figures, identity)


def preference_identity(
    base: ModelReference,
    preferences: Sequence[Preference],
    settings: TrainingSettings,
    loss: PreferenceLoss,
    start_from: Path,
) -> str:
    """What a preference training learns from: base model, pairs in their order, settings, loss, and what it goes on from."""
    rows = hashlib.sha256()
    for one in preferences:
        rows.update(content_key(one.key, one.prompt, one.chosen, one.rejected, str(one.held_out)).encode())
    return fingerprint(
        {
            "version": _VERSION,
            "base": base.fingerprint,
            "rows": rows.hexdigest(),
            "settings": settings.model_dump(include=set(TrainingSettings.model_fields)),
            "loss": asdict(loss),
            "start from": adapter_hash(start_from),
        }
    )


def _pairs(
    engines: Engines, preferences: Sequence[Preference], settings: TrainingSettings
) -> tuple[dict[str, Sides], list[RejectedRow]]:
    """Pairs whose two sides can be trained on, by key, and the sides that cannot."""
    of_side = {
        side: {p.key: Example(f"{p.key}-{side}", p.prompt, getattr(p, side)) for p in preferences}
        for side in ("chosen", "rejected")
    }
    rows, rejected = trainable_rows(engines, [e for sides in of_side.values() for e in sides.values()], settings)
    by_key = {row.key: row for row in rows}
    pairs = dict[str, Sides]()
    for one in preferences:
        chosen, other = (by_key.get(of_side[side][one.key].key) for side in ("chosen", "rejected"))
        if chosen is None or other is None:
            continue
        if chosen.input_ids == other.input_ids:
            rejected.append(RejectedRow(other.key, "same_as_chosen", len(other.input_ids)))
        else:
            pairs[one.key] = Sides(chosen, other)
    return pairs, rejected


def _reference(training: Training, rows: Sequence[TrainingRow], checkpoints: Path) -> dict[str, float]:
    """Log-probability of each row by the model that is started from, by key; kept, since no later step can give it."""
    path = checkpoints / _REFERENCE
    if not path.exists():
        write_text(path, json.dumps(training.score(rows)))
    return dict(json.loads(path.read_text("utf-8")))


def _margins(training: Training, pairs: Sequence[Sides], before: Mapping[str, float]) -> MarginFigures:
    """What held-out pairs say, those that fit into memory before and after."""
    after = training.score([side for pair in pairs for side in (pair.chosen, pair.rejected)])
    pairs = [pair for pair in pairs if {pair.chosen.key, pair.rejected.key} <= before.keys() & after.keys()]

    def gained(row: TrainingRow) -> float:
        return after[row.key] - before[row.key]

    def likelier(scores: Mapping[str, float]) -> float | None:
        return _share([_a_label(scores, pair.chosen) > _a_label(scores, pair.rejected) for pair in pairs])

    return MarginFigures(
        held_out_triples=len(pairs),
        chosen_likelier_before=likelier(before),
        chosen_likelier=likelier(after),
        margin_accuracy=_share([gained(pair.chosen) > gained(pair.rejected) for pair in pairs]),
    )


def _a_label(scores: Mapping[str, float], row: TrainingRow) -> float:
    return scores[row.key] / labels_of([row])


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _softplus(value: float) -> float:
    """log(1 + exp(value)), also where exp(value) is infinite."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
