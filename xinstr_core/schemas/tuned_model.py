"""tuned_model: the base model tuned to answer English instructions in the language."""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

from xinstr_core.schemas.declaration import Column, Contract, Declared, Figures, Folder, Table, figure
from xinstr_core.schemas.diversified_set import Split
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.shared import (
    INSTRUCTION,
    LANGUAGE,
    NATS,
    ROW_KEY,
    ROWS,
    SHARE,
    SOURCE_TAG,
    TOKENS,
    TrainedOn,
    TrainingFigures,
)

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
PREFERENCES = Table(
    ASSET,
    "preferences",
    "Natural responses beside worse ones to the same instruction, which the model learned to prefer; none where tuning.preferences is empty.",
    (
        LANGUAGE,
        Column("triple_id", pl.String, "key of the triple: follows from its pair, the kind and the rejected side"),
        Column(
            "kind",
            pl.String,
            "what the rejected side is: another text, a text in another language, the beginning of the chosen one that goes on in another language, the chosen one cut off, or what weaker models or the base model wrote",
        ),
        Column("pair_id", pl.String, "key of the pair, or of the seed pair, whose response is the chosen side"),
        INSTRUCTION,
        Column("chosen", pl.String, "the response of the pair"),
        Column("rejected_id", pl.String, "key of the pair that the rejected side is made of, or written for"),
        Column("rejected", pl.String, "the worse response"),
        SOURCE_TAG,
        Column("split", pl.String, "whether it is learned from or only measures", values=get_args(Split)),
    ),
    view="preferences",
    sample=("kind", "instruction", "chosen", "rejected"),
)
UNTUNED = Table(
    ASSET,
    "untuned",
    "What the base model wrote for the preferences of that kind, by row key: a later run takes what serves.",
    (ROW_KEY, Column("written", pl.String, "the response")),
)
BEFORE_PREFERENCES = Folder(
    "adapter-before-preferences",
    "what preferences were learned from: the base tuned on pairs alone; kept where method is lora",
)
TOKENIZER = Folder(
    "tokenizer",
    "the base's tokenizer, with its chat template where it has one, and a generation config",
)


class TunedFrom(Declared):
    """What a tuned model was made of."""

    base_model: str = figure("base model", "name of the model that was tuned")
    data_fingerprint: str = figure("data fingerprint", "of the selection that it learned from")


class MarginFigures(Declared):
    """What held-out triples say of a preference training."""

    held_out_triples: int = figure(
        "held-out triples",
        "those of pairs that are in no triple that it learned from; tuning before has learned their responses",
        unit=ROWS,
    )
    chosen_likelier_before: float | None = figure(
        "chosen side likelier before",
        "held-out triples whose chosen side had the higher log-probability a token before; null without any",
        unit=SHARE,
        better="higher",
    )
    chosen_likelier: float | None = figure(
        "chosen side likelier", "the same afterwards", unit=SHARE, better="higher", compared_with="the share before"
    )
    margin_accuracy: float | None = figure(
        "margin accuracy",
        "held-out triples whose chosen side gained more log-probability than the rejected one",
        unit=SHARE,
        better="higher",
        compared_with="0.5 by chance",
    )


class PreferenceTrainingFigures(MarginFigures):
    """What a preference training tells."""

    losses: list[list[float]] = figure(
        "preference losses",
        "mean loss of the steps since the last entry, as [step, loss]; 0.69 where no side is preferred",
        unit=NATS,
    )
    tokens_seen: int = figure("tokens of both sides", "of all triples over all epochs, prompts included", unit=TOKENS)
    rejected_sides: list[list[str | int]] = figure(
        "rejected sides", "sides that could not be trained on, as [key of the triple and side, reason, tokens]"
    )


class PreferenceFigures(PreferenceTrainingFigures):
    """What the preference training of a tuned model tells."""

    triples: dict[str, int] = figure("triples by kind", "of the rejected side, held-out ones included", unit=ROWS)


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
    preference: PreferenceFigures | None = figure(
        "preference training", "what came after tuning; null where tuning.preferences is empty", default=None
    )


TUNED_MODEL = Contract(
    ASSET,
    "The base model with an adapter that follows instructions in the language.",
    TunedFigures,
    tables=(TRAINING_ROWS, PREFERENCES, UNTUNED),
    folders=(ADAPTER, BEFORE_PREFERENCES, TOKENIZER),
)
