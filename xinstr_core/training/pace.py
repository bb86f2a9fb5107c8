"""How fast a training is: tokens a second, what of them is padding, and what of the machine's products they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from xinstr_core.schemas.shared import TrainingSpeed
from xinstr_core.training.batches import labels_of
from xinstr_core.training.loss import head_of
from xinstr_core.training.rows import TrainingRow


@dataclass(frozen=True)
class Work:
    """Floating-point operations of a training, of each token in the layers and of each label in the head.

    6 a trained weight and token: 2 forward, 2 for the gradient of what went in, 2 for its own (Kaplan et al. 2020, arXiv
    2001.08361, section 2.1); so 4 of a frozen one beside an adapter. As for the utilisation of PaLM (arXiv 2204.02311,
    appendix B), layers that are computed again do not count; unlike there, nor do products of attention. The lookup of
    an embedding multiplies nothing, and logits are made of labels alone.
    """

    a_token: float
    a_label: float

    @classmethod
    def of(cls, model: Any) -> Self:
        embedding, head = model.get_input_embeddings().weight, head_of(model).weight
        apart = {id(embedding), id(head)}
        layers = [parameter for parameter in model.parameters() if id(parameter) not in apart]
        return cls(sum(map(_operations, layers)), _operations(head))


def _operations(weight: Any) -> float:
    return float(weight.numel() * (6 if weight.requires_grad else 4))


@dataclass
class Pace:
    """What went through a model in so many seconds of steps: of this process, a resumed training counts anew."""

    work: Work
    tokens: int = 0
    labels: int = 0
    padded: int = 0
    seconds: float = 0.0

    def add(self, rows: Sequence[TrainingRow], padded: int) -> None:
        """Rows that went through together, forward and back, and the tokens that they took with their padding."""
        self.tokens += sum(len(row.input_ids) for row in rows)
        self.labels += labels_of(rows)
        self.padded += padded

    @classmethod
    def together(cls, paces: Sequence[Self]) -> Self:
        """Of processes that worked at the same time."""
        return cls(
            paces[0].work,
            sum(one.tokens for one in paces),
            sum(one.labels for one in paces),
            sum(one.padded for one in paces),
            max(one.seconds for one in paces),
        )

    def speed(self, machine_rate: float) -> TrainingSpeed | None:
        """On a machine of so many floating-point operations a second; None where nothing was trained."""
        if not (self.tokens and self.seconds):
            return None
        operations = self.tokens * self.work.a_token + self.labels * self.work.a_label
        return TrainingSpeed(
            tokens_a_second=round(self.tokens / self.seconds, 1),
            trainable_tokens_a_second=round(self.labels / self.seconds, 1),
            padding_share=round(1 - self.tokens / self.padded, 4),
            model_flops_utilisation=round(operations / self.seconds / machine_rate, 4),
        )
