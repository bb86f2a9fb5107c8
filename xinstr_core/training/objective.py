"""What a step of a training learns from its rows: how much each row counts in the gradients of that step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xinstr_core.training.batches import labels_of
from xinstr_core.training.rows import TrainingRow

# The summed log-probability of each row's labels, by key; None where memory ran out.
Score = Callable[[Sequence[TrainingRow]], Mapping[str, float] | None]


@dataclass(frozen=True)
class Weighed:
    """What the summed cross entropy of rows counts, of all alike or by key, and the loss where that is not their weighted sum."""

    rows: float | Mapping[str, float]
    loss: float | None = None


class Objective(Protocol):
    """What a training is to make small."""

    def usable(self, rows: Sequence[TrainingRow]) -> Sequence[TrainingRow]:
        """Those from which something can be learned where no others are at hand."""

    def weigh(self, rows: Sequence[TrainingRow], score: Score) -> Weighed | None:
        """What each of a step's usable rows counts; None where `score` gave none."""


class Likelihood:
    """The mean cross entropy over all labels of a step."""

    def usable(self, rows: Sequence[TrainingRow]) -> Sequence[TrainingRow]:
        return rows

    def weigh(self, rows: Sequence[TrainingRow], score: Score) -> Weighed:
        return Weighed(1 / labels_of(rows))
