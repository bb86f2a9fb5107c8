"""The steps of a training: rows in micro-batches that fit into memory, one update of the weights a step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from xinstr_core.engines.encoding import maximum_positions
from xinstr_core.engines.machine import machine_rate
from xinstr_core.engines.memory import unless_out_of_memory
from xinstr_core.errors import StageError
from xinstr_core.progress import Progress
from xinstr_core.schemas.shared import TrainingSpeed
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.batches import collate, labels_of, micro_batches, pack, packed_tokens, packs, padded_tokens
from xinstr_core.training.budget import Budget
from xinstr_core.training.checkpoints import State, load_checkpoint, save_checkpoint
from xinstr_core.training.loss import backward, log_probabilities
from xinstr_core.training.objective import Likelihood, Objective, Weighed
from xinstr_core.training.pace import Pace, Work
from xinstr_core.training.processes import ALONE, Team
from xinstr_core.training.rows import TrainingRow
from xinstr_core.training.schedule import best_step, has_stopped, learning_rate_share
from xinstr_core.training.snapshots import keep_snapshot, load_mean, save_snapshot, spread_steps

_CLIPPED_NORM = 1.0  # of all gradients together, as in the recipes we follow
_LOOKS = 10  # at held-out rows over a training: each costs a third of a pass over them


class Training:
    """A model, its optimizer, and how much of a step goes through it at once."""

    def __init__(
        self,
        model: Any,
        settings: TrainingSettings,
        dtype: Any,
        pad_token: int,
        budget: Budget,
        checkpoints: Path,
        team: Team = ALONE,
    ) -> None:
        import torch

        self._model = model
        self._settings = settings
        self._dtype = dtype
        self._pad_token = pad_token
        self._positions = maximum_positions(model.config)
        self.budget = budget
        self._checkpoints = checkpoints
        self._team = team
        self.objective: Objective = Likelihood()
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.pace = Pace(Work.of(model))
        self._optimizer = torch.optim.AdamW(self._trained, weight_decay=settings.weight_decay, fused=True)

    def run(
        self, steps: Sequence[Sequence[TrainingRow]], progress: Progress, held_out: Sequence[TrainingRow] = ()
    ) -> State:
        """Make every step, from the last checkpoint on, leave in the model what is learned, and give how far it went.

        The loss of a step is the mean over all of its labels, however they are split. A step that does not fit into
        memory is begun again with less at once; a row that does not fit by itself is left out from there on. What is
        learned are the last weights, or the mean of several (`averaged_checkpoints`), or with `held_out` rows those of
        their lowest loss. StageError where a loss is not finite, or no row is left.
        """
        self._model.train()
        state = self._team.leader_first(lambda: load_checkpoint(self._checkpoints, self._model, self._optimizer))
        settings = self._settings
        averaged = spread_steps(len(steps), settings.averaged_share, settings.averaged_checkpoints)
        averaged = averaged if settings.averages else []
        looked = spread_steps(len(steps), 1.0, _LOOKS) if held_out else []
        logged = max(1, len(steps) // 40)
        # Where a loss is logged: so a checkpoint holds no loss that stands in no point of the curve yet.
        saved = math.ceil(max(20, len(steps) // 4) / logged) * logged
        recent: list[float] = []
        tell = partial(progress, total=len(steps), unit="steps", found=state.step)
        tell(state.step)
        for number in range(state.step + 1, len(steps) + 1):
            if has_stopped(state.held_out_losses, settings.early_stop_patience):
                break
            started = time.monotonic()
            recent += self._step(number, len(steps), steps[number - 1])
            self.pace.seconds += time.monotonic() - started
            state.step = number
            if number % logged == 0 and recent:
                mean = sum(recent) / len(recent)
                recent.clear()
                state.losses.append([number, round(mean, 4)])
                tell(number, figures={"loss": mean, **self._told()})
            else:
                tell(number)
            if number in averaged and self._team.leads:
                save_snapshot(self._checkpoints, self._model, number)
            if number in looked:
                self._look(state, held_out)
            if number % saved == 0 and self._team.leads:
                save_checkpoint(self._checkpoints, self._model, self._optimizer, state)
                if state.held_out_losses:
                    keep_snapshot(self._checkpoints, best_step(state.held_out_losses))
        if not state.losses:
            raise StageError(
                f"no row of {len(steps)} steps fits into memory: lower maximum_tokens, set method = "
                '"lora", or take a smaller base model'
            )
        learned = averaged or ([best_step(state.held_out_losses)] if looked else [])
        if learned and self._team.leads:
            load_mean(self._checkpoints, self._model, learned)
        return state

    def _look(self, state: State, held_out: Sequence[TrainingRow]) -> None:
        """Add the mean loss of held-out rows to the curve, and keep the weights where it is the lowest so far."""
        # The leader's, so that all processes stop alike.
        state.held_out_losses.append([state.step, self._team.gathered(self.mean_loss(held_out))[0]])
        if best_step(state.held_out_losses) == state.step and self._team.leads:
            save_snapshot(self._checkpoints, self._model, state.step)

    def mean_loss(self, rows: Sequence[TrainingRow]) -> float:
        """A label's, of those rows that fit into memory; nothing is learned from them here."""
        scores = self.score(rows)
        if not scores:
            raise StageError("no held-out row fits into memory: lower maximum_tokens, or set early_stop_patience = 0")
        return -sum(scores.values()) / labels_of([row for row in rows if row.key in scores])

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
                else "lower learning_rate, or take these rows out"
            )
            if any(self._checkpoints.glob("checkpoint-*")):
                advice += "; the last checkpoint is kept"
            raise StageError(
                f"the loss of step {number} of {steps} is {loss:.4g}, of its gradients {norm:.4g}, rows {keys}: {advice}"
            )
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * learning_rate_share(number, steps, self._settings)
        self._optimizer.step()
        return [loss]

    def _gradients(self, number: int, rows: Sequence[TrainingRow]) -> float | None:
        """Leave the gradients of a step's mean loss at the weights, and give that loss."""
        import torch

        while True:
            kept = self.objective.usable([row for row in rows if self.budget.takes(number, row.key)])
            self._optimizer.zero_grad(set_to_none=True)
            torch.manual_seed(self._settings.seed + number)  # dropout: the same in a restarted step or training
            weighed = self.objective.weigh(kept, partial(self._scores, number)) if kept else Weighed(0.0)
            loss = None if weighed is None else self._passes(number, self._team.part(kept), weighed)
            losses = [] if loss is None else self._together(loss)
            if losses:
                return sum(losses) if kept else None

    def _together(self, loss: float) -> list[float]:
        """Sum the gradients of all processes, and give their losses: none where one left out a row, so all begin again."""
        losses, budgets = zip(*self._team.gathered((loss, self.budget)), strict=True)
        agreed = self.budget.agreed(budgets)
        if agreed != self.budget:
            self.budget = agreed
            self._keep_budget()
        if any(one.too_large != agreed.too_large for one in budgets):
            return []
        self._team.sum_gradients(self._trained)
        return list(losses)

    def _passes(self, number: int, rows: Sequence[TrainingRow], weighed: Weighed) -> float | None:
        """Forward and backward of a step's rows: its loss, or None where memory ran out."""
        loss = 0.0
        for batch in self._split(rows, self.budget.at(number)):
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

        def through(rows: Sequence[TrainingRow]) -> float:
            weight = (
                weights
                if isinstance(weights, float)
                else torch.tensor([weights[row.key] for row in rows], device=self._model.device)
            )
            tensors = self._tensors(rows, packed=self._settings.packing)
            return float(backward(self._model, **tensors, weight=weight, dtype=self._dtype))

        summed = unless_out_of_memory(through, batch)
        if summed is not None:
            self.pace.add(batch, self._tokens(batch))
        return summed

    def speed(self) -> TrainingSpeed | None:
        """Of the steps that were made here, against what the machine does in matrix products; None without any."""
        together = Pace.together(self._team.gathered(self.pace))
        return together.speed(self._team.size * machine_rate(str(self._dtype).removeprefix("torch.")))

    def _told(self) -> dict[str, float]:
        """Of the speed, as far as it is known so far."""
        speed = self.speed()
        return speed.model_dump() if speed else {}

    def _split(self, rows: Sequence[TrainingRow], tokens: int) -> list[list[TrainingRow]]:
        return (packs if self._settings.packing else micro_batches)(rows, tokens)

    def _tokens(self, rows: Sequence[TrainingRow]) -> int:
        return (packed_tokens if self._settings.packing else padded_tokens)(rows)

    def _tensors(self, rows: Sequence[TrainingRow], *, packed: bool) -> dict[str, Any]:
        made = pack(self._pad_token, rows) if packed else collate(self._pad_token, rows, self._positions)
        return {name: tensor.to(self._model.device) for name, tensor in made.items()}

    def score(self, rows: Sequence[TrainingRow]) -> dict[str, float]:
        """The summed natural log-probability of each row's labels, by key; without rows that do not fit into memory."""
        found: dict[str, float] | None = None
        while found is None:
            found = self._scores(1, [row for row in rows if self.budget.takes(1, row.key)])
        return found

    def _scores(self, number: int, rows: Sequence[TrainingRow]) -> dict[str, float] | None:
        """The same as the model is used, without dropout; None where memory ran out."""

        def sums(rows: Sequence[TrainingRow]) -> list[float]:
            tensors = self._tensors(rows, packed=False)
            return log_probabilities(self._model, **tensors, dtype=self._dtype).tolist()  # type: ignore[no-any-return]

        learns, found = self._model.training, dict[str, float]()
        self._model.eval()
        try:
            for batch in micro_batches(rows, self.budget.at(number)):
                made = unless_out_of_memory(sums, batch)
                if made is None:
                    self._lower(number, batch)
                    return None
                found |= dict(zip((row.key for row in batch), made, strict=True))
        finally:
            self._model.train(learns)
        return found

    def _checkpointed(self, batch: Sequence[TrainingRow], tokens: int) -> bool:
        """By setting or by need: a row that is longer than what goes through at once."""
        setting = self._settings.activation_checkpointing
        return setting == "on" or (setting == "auto" and self._tokens(batch) > tokens)

    def _lower(self, number: int, batch: Sequence[TrainingRow]) -> None:
        """After memory ran out: half as much at once, or without the row that was alone and had all help there is."""
        tokens = self.budget.at(number)
        if len(batch) == 1 and (self._settings.activation_checkpointing == "off" or self._checkpointed(batch, tokens)):
            self.budget = self.budget.without(number, batch[0].key, len(batch[0].input_ids))
        else:
            self.budget = self.budget.lowered(number, min(tokens, self._tokens(batch)) // 2)
        self._keep_budget()

    def _keep_budget(self) -> None:
        if self._team.leads:
            self.budget.write(self._checkpoints)


def checkpoint_activations(model: Any, switched_on: bool) -> None:
    """Keep the input of each layer alone, and compute the layer again on the way back: only in training mode."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    if switched_on:
        whole.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    else:
        whole.activation_checkpointing_disable()
