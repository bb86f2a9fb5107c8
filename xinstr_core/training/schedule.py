"""How fast a training learns in a step, and after which step it has learned enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xinstr_core.settings import TrainingSettings


def best_step(held_out_losses: Sequence[Sequence[float]]) -> int:
    """Of [step, loss] that of the lowest loss, of equal ones the first."""
    return int(min(held_out_losses, key=lambda entry: entry[1])[0])


def has_stopped(held_out_losses: Sequence[Sequence[float]], patience: int) -> bool:
    """Whether so many losses in a row were no better than the lowest one before them."""
    return bool(held_out_losses) and best_step(held_out_losses) not in [step for step, _ in held_out_losses[-patience:]]


def learning_rate_share(step: int, steps: int, settings: TrainingSettings) -> float:
    """Of the peak, in a step from 1 on: from nothing over the warm-up, then by `settings.schedule`.

    The schedules of transformers (optimization.py); where there is a warm-up at all, it is one step at least.
    """
    done = step - 1
    warmup = max(1, round(settings.warmup_share * steps)) if settings.warmup_share else 0
    if done < warmup:
        return done / warmup
    progress = (done - warmup) / max(1, steps - warmup)
    match settings.schedule:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "linear":
            return 1 - progress
        case "constant":
            return 1.0
