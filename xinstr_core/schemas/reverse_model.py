"""reverse_model: what writes the English instruction that a text would answer."""

from __future__ import annotations

from xinstr_core.schemas.declaration import Contract, Figures, Folder, figure
from xinstr_core.schemas.shared import ROWS, TrainedOn, TrainingFigures

ADAPTER = Folder("adapter", "what was trained: a LoRA adapter, or all weights")


class ReverseModelFigures(TrainingFigures, TrainedOn, Figures):
    seed_pairs_by_origin: dict[str, int] = figure("seed pairs by origin", "pairs that it learned from", unit=ROWS)


REVERSE_MODEL = Contract(
    "reverse_model",
    "The model that writes the English instruction a text would answer, learned from reversed seeds.",
    ReverseModelFigures,
    folders=(ADAPTER,),
)
