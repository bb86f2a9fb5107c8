"""The steps of a training: rows in micro-batches that fit into memory, one update of the weights a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from xinstr_core.engines.encoding import maximum_positions
from xinstr_core.engines.memory import unless_out_of_memory
from xinstr_core.errors import StageError
from xinstr_core.progress import Progress
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.batches import collate, micro_batches, padded_tokens
from xinstr_core.training.budget import Budget
from xinstr_core.training.checkpoints import load_checkpoint, save_checkpoint
from xinstr_core.training.loss import backward, log_probabilities
from xinstr_core.training.objective import Likelihood, Objective, Weighed
from xinstr_core.training.rows import TrainingRow

_CLIPPED_NORM = 1.0  # of all gradients together, as in the recipes we follow
_WARMUP_SHARE = 0.03  # of the steps, the value common to the recipes we follow


class Training:
    """A model, its optimizer, and how much of a step goes through it at once."""

    def __init__(
        self, model: Any, settings: TrainingSettings, dtype: Any, pad_token: int, budget: Budget, checkpoints: Path
    ) -> None:
        import torch

        self._model = model
        self._settings = settings
        self._dtype = dtype
        self._pad_token = pad_token
        self._positions = maximum_positions(model.config)
        self.budget = budget
        self._checkpoints = checkpoints
        self.objective: Objective = Likelihood()
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(self._trained, weight_decay=0.0, fused=True)

    def run(self, steps: Sequence[Sequence[TrainingRow]], progress: Progress) -> list[list[float]]:
        """Make every step, from the last checkpoint on, and give the loss curve as [step, mean loss].

        The loss of a step is the mean over all of its labels, however they are split. A step that does not fit into
        memory is begun again with less at once; a row that does not fit by itself is left out from there on. StageError
        where a loss is not finite, or no row is left.
        """
        self._model.train()
        state = load_checkpoint(self._checkpoints, self._model, self._optimizer)
        logged = max(1, len(steps) // 40)
        # Where a loss is logged: so a checkpoint holds no loss that stands in no point of the curve yet.
        saved = math.ceil(max(20, len(steps) // 4) / logged) * logged
        recent: list[float] = []
        for number in range(state.step + 1, len(steps) + 1):
            recent += self._step(number, len(steps), steps[number - 1])
            state.step = number
            if number % logged == 0 and recent:
                mean = sum(recent) / len(recent)
                recent.clear()
                state.losses.append([number, round(mean, 4)])
                progress(number, len(steps), loss=mean)
            if number % saved == 0:
                save_checkpoint(self._checkpoints, self._model, self._optimizer, state)
        if not state.losses:
            raise StageError(
                f"no row of {len(steps)} steps fits into memory: lower maximum_tokens, set method = "
                '"lora", or take a smaller base model'
            )
        return state.losses

    def _step(self, number: int, steps: int, rows: Sequence[TrainingRow]) -> list[float]:
        """Update the weights once. The loss, or none where every row was too large."""
        import torch

        loss = self._gradients(number, rows)
        if loss is None:
            return []
        norm = float(torch.nn.utils.clip_grad_norm_(self._trained, _CLIPPED_NORM))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            keys = ", ".join(row.key for row in rows)
            advice = (
                "nothing was learned yet, so the base model itself gives no numbers: fetch it again, or take these rows out"
                if number == 1
                else "lower learning_rate, or take these rows out; the last checkpoint is kept"
            )
            raise StageError(
                f"the loss of step {number} of {steps} is {loss:.4g}, of its gradients {norm:.4g}, rows {keys}: {advice}"
            )
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * learning_rate_share(number, steps)
        self._optimizer.step()
        return [loss]

    def _gradients(self, number: int, rows: Sequence[TrainingRow]) -> float | None:
        """Leave the gradients of a step's mean loss at the weights, and give that loss."""
        import torch

        while True:
            kept = self.objective.usable([row for row in rows if self.budget.takes(number, row.key)])
            if not kept:
                return None
            self._optimizer.zero_grad(set_to_none=True)
            torch.manual_seed(self._settings.seed + number)  # dropout: the same in a restarted step or training
            weighed = self.objective.weigh(kept, partial(self._scores, number))
            loss = None if weighed is None else self._passes(number, kept, weighed)
            if loss is not None:
                return loss

    def _passes(self, number: int, rows: Sequence[TrainingRow], weighed: Weighed) -> float | None:
        """Forward and backward of a step's rows: its loss, or None where memory ran out."""
        loss = 0.0
        for batch in micro_batches(rows, self.budget.at(number)):
            summed = self._pass(batch, self.budget.at(number), weighed.rows)
            if summed is None:
                self._lower(number, batch)
                return None
            if isinstance(weighed.rows, float):
                loss += summed * weighed.rows
        return loss if weighed.loss is None else weighed.loss

    def _pass(self, batch: Sequence[TrainingRow], tokens: int, weights: float | Mapping[str, float]) -> float | None:
        """Forward and backward of a few rows: their summed loss, or None where memory ran out."""
        import torch

        checkpoint_activations(self._model, self._checkpointed(batch, tokens))

        def summed_loss(rows: Sequence[TrainingRow]) -> float:
            weight = (
                weights
                if isinstance(weights, float)
                else torch.tensor([weights[row.key] for row in rows], device=self._model.device)
            )
            return float(backward(self._model, **self._tensors(rows), weight=weight, dtype=self._dtype))

        return unless_out_of_memory(summed_loss, batch)

    def score(self, rows: Sequence[TrainingRow]) -> dict[str, float]:
        """The summed natural log-probability of each row's labels, by key; without rows that do not fit into memory."""
        found: dict[str, float] | None = None
        while found is None:
            found = self._scores(1, [row for row in rows if self.budget.takes(1, row.key)])
        return found

    def _scores(self, number: int, rows: Sequence[TrainingRow]) -> dict[str, float] | None:
        """The same as the model is used, without dropout; None where memory ran out."""

        def sums(rows: Sequence[TrainingRow]) -> list[float]:
            return log_probabilities(self._model, **self._tensors(rows), dtype=self._dtype).tolist()  # type: ignore[no-any-return]

        learns, found = self._model.training, dict[str, float]()
        self._model.eval()
        for batch in micro_batches(rows, self.budget.at(number)):
            made = unless_out_of_memory(sums, batch)
            if made is None:
                self._lower(number, batch)
                return None
            found |= dict(zip((row.key for row in batch), made, strict=True))
        self._model.train(learns)
        return found

    def _tensors(self, rows: Sequence[TrainingRow]) -> dict[str, Any]:
        made = collate(self._pad_token, rows, self._positions)
        return {name: tensor.to(self._model.device) for name, tensor in made.items()}

    def _checkpointed(self, batch: Sequence[TrainingRow], tokens: int) -> bool:
        """By setting or by need: a row that is longer than what goes through at once."""
        setting = self._settings.activation_checkpointing
        return setting == "on" or (setting == "auto" and padded_tokens(batch) > tokens)

    def _lower(self, number: int, batch: Sequence[TrainingRow]) -> None:
        """After memory ran out: half as much at once, or without the row that was alone and had all help there is."""
        tokens = self.budget.at(number)
        if len(batch) == 1 and (self._settings.activation_checkpointing == "off" or self._checkpointed(batch, tokens)):
            self.budget = self.budget.without(number, batch[0].key, len(batch[0].input_ids))
        else:
            self.budget = self.budget.lowered(number, min(tokens, padded_tokens(batch)) // 2)
        self.budget.write(self._checkpoints)


def learning_rate_share(step: int, steps: int) -> float:
    """Of the peak, in a step from 1 on: from nothing over the warm-up, then down to nothing along half a cosine."""
    done, warmup = step - 1, max(1, round(_WARMUP_SHARE * steps))
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / max(1, steps - warmup)))


def checkpoint_activations(model: Any, switched_on: bool) -> None:
    """Keep the input of each layer alone, and compute the layer again on the way back: only in training mode."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    if switched_on:
        whole.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    else:
        whole.activation_checkpointing_disable()
