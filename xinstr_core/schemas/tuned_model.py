"""tuned_model: the base model tuned to answer English instructions in the language."""

from __future__ import annotations

from typing import Literal

import polars as pl

from xinstr_core.schemas.declaration import Column, Contract, Declared, Figures, Folder, Table, figure
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.shared import ROWS, SOURCE_TAG, TrainedOn, TrainingFigures

ASSET = "tuned_model"

TRAINING_ROWS = Table(
    ASSET,
    "training_rows",
    "Every row that the model learned from, and where it comes from.",
    (
        Column("pair_id", pl.String, "key of the pair, or of the seed pair"),
        SOURCE_TAG,
        Column("origin", pl.String, "web, or how its seed pair came about"),
    ),
    view="training_rows",
)
TOKENIZER = Folder(
    "tokenizer",
    "the base's tokenizer, with its chat template where it has one, and a generation config",
)


class TunedFrom(Declared):
    """What a tuned model was made of."""

    base_model: str = figure("base model", "name of the model that was tuned")
    data_fingerprint: str = figure("data fingerprint", "of the selection that it learned from")


class TunedFigures(TunedFrom, TrainingFigures, TrainedOn, Figures):
    curated_rows: int = figure("curated rows", "selected pairs that it was given", unit=ROWS)
    seed_rows: int = figure("seed rows", "seed pairs that it was given", unit=ROWS)
    seed_rows_by_origin: dict[str, int] = figure("seed rows by origin", "of the seed pairs", unit=ROWS)
    base_model_fingerprint: str = figure(
        "base model fingerprint", "of its weights, configuration and tokenizer, and of how it is held and asked"
    )
    prompt_format: Literal["plain", "chat"] = figure(
        "prompt format", "plain: prompts are text; chat: turns of the tokenizer's chat template"
    )
    system_text: str = figure("system text", "the system turn before every prompt; empty: none was given")


TUNED_MODEL = Contract(
    ASSET,
    "The base model with an adapter that follows instructions in the language.",
    TunedFigures,
    tables=(TRAINING_ROWS,),
    folders=(ADAPTER, TOKENIZER),
)
