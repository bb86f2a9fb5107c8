"""evaluator: the first rater of pairs, validated on held-out seeds before it may gate."""

from __future__ import annotations

import polars as pl

from xinstr_core.schemas.candidate_pairs import RAW
from xinstr_core.schemas.declaration import Column, Contract, Declared, Figures, Folder, Table, figure
from xinstr_core.schemas.shared import (
    INSTRUCTION,
    LEVELS,
    NATS,
    RIGHT,
    ROWS,
    SCORES,
    SEED_ID,
    SHARE,
    Advises,
    TrainedOn,
    TrainingFigures,
    ValidationFigures,
)
from xinstr_core.schemas.signals import ratings_and_signals, signal_tables

ASSET = "evaluator"
NO, YES = "no", "yes"
HEADS = {"level": LEVELS, **dict.fromkeys((*SCORES, RIGHT), (NO, YES))}  # what each head tells apart

RATED_COLUMNS = (
    Column("pair_id", pl.String, "key of the rating-set row: follows from the seed pair and the construction"),
    Column("seed_id", pl.String, "key of the seed pair that it was made of"),
    Column("level", pl.String, "its true level", values=LEVELS),
    Column("construction", pl.String, "what was done to the seed pair; own for the pair as it stands"),
    Column(
        "instruction_good",
        pl.Boolean,
        "whether the instruction is a good one; null where the construction says nothing of it",
        nullable=True,
    ),
    Column(
        "fits",
        pl.Boolean,
        "whether the response fits it; null where the construction says nothing of it",
        nullable=True,
    ),
    *ratings_and_signals(nullable=True),  # a row that could not be read has none
)
HELD_OUT = Table(
    ASSET,
    "held_out",
    "Held-out rows of the rating set with truth, ratings and signals.",
    RATED_COLUMNS,
    sample=("pair_id", "construction", "level", "p_level_3", "instruction_quality", "pair_fit"),
)
SHUFFLED = Table(
    ASSET, "shuffled", "Held-out responses under the instruction of another pair: what fits least.", RATED_COLUMNS
)
WRITTEN = Table(
    ASSET,
    "written",
    "Responses that models wrote to the seeds' instructions, for the constructions that need them.",
    (
        Column("construction", pl.String, "which construction it is for"),
        Column("pair_id", pl.String, "key of the seed pair"),
        Column("written", pl.String, "the response"),
    ),
)
GENERATED = Table(
    ASSET,
    "generated",
    "Instructions that the evaluator's adapter wrote of texts of seeds that it has not seen, beside the seeds' own.",
    (
        SEED_ID,
        Column("sample", pl.Int64, "which of its text's instructions it is", minimum=0),
        INSTRUCTION,
        Column("own", pl.String, "what people asked of its text, of several what comes nearest"),
        Column("similarity", pl.Float64, "cosine of both for the encoder of diversity.encoder"),
        Column("level", pl.String, "its level by that", values=LEVELS),
    ),
)
GENERATED_RAW = Table(
    ASSET, "generated_raw", "The raw answers behind them by row key: a later run takes those that serve.", RAW.columns
)
RARE_WORDS = Table(
    ASSET,
    "rare_words",
    "In how many of the seeds' instructions each word stands.",
    (
        Column("word", pl.String, "the word; empty in the row that counts all instructions"),
        Column("instructions", pl.Int64, "instructions that have it", unit=ROWS, minimum=0),
    ),
)
NEIGHBOURS = Table(
    ASSET,
    "neighbours",
    "Seed pairs with the base model's vectors of their texts.",
    (
        Column("pair_id", pl.String, "key of the seed pair"),
        Column("instruction", pl.String, "its instruction"),
        Column("response", pl.String, "its response"),
        Column("vector", pl.List(pl.Float32), "unit vector of the response"),
    ),
)


def head_table(head: str) -> Table:
    """The weights of a head: one row a signal and one of intercepts."""
    weights = tuple(
        Column(f"weight_{name}", pl.Float64, f"weight of the standardised signal for {name}") for name in HEADS[head]
    )
    return Table(
        ASSET,
        f"head_{head}",
        f"Logistic regression from signals to {head.replace('_', ' ')}.",
        (
            Column("signal", pl.String, "the signal, or intercept"),
            Column("mean", pl.Float64, "mean of the signal on the rows that it learned from"),
            Column("scale", pl.Float64, "standard deviation of the signal on them"),
            *weights,
        ),
    )


def adapter_folder(task: str) -> str:
    """Where the adapter that learned a task is kept."""
    return f"adapter-{task}"


class ConstructionFigures(Declared):
    """What a construction of the rating set costs, and what switching it off would lose."""

    rows: int = figure("rows that heads learned from", "rows of it that the heads learned from", unit=ROWS)
    held_out: int = figure("rows that validate", "held-out rows of it", unit=ROWS)
    seconds: float = figure(
        "seconds of writing", "what models needed in this run to write for it", unit="s", better="lower"
    )
    accuracy: float | None = figure(
        "rightly rated",
        "held-out rows of it whose likeliest level is the true one; null without any",
        unit=SHARE,
        better="higher",
    )
    accuracy_without: float | None = figure(
        "rightly rated without it", "the same by a head that has never seen the construction", unit=SHARE, default=None
    )
    log_loss_without: float | None = figure(
        "log loss more without it",
        "of all held-out rows, by that head; what switching it off would lose",
        unit=NATS,
        default=None,
    )


class EvaluatorFigures(ValidationFigures, TrainingFigures, Advises, TrainedOn, Figures):
    constructions: dict[str, ConstructionFigures] = figure(
        "constructions", "what every construction of the rating set costs and is worth", default={}
    )
    seed_pairs: int = figure("seed pairs of the rating set", "pairs that the rating set is made of", unit=ROWS)
    minimum_accuracy: float = figure(
        "minimum accuracy", "what it has to reach to gate, as evaluator.minimum_accuracy says", unit=SHARE
    )
    may_gate: bool = figure("may gate", "whether it may decide what is kept")
    further_trainings: dict[str, TrainingFigures] = figure(
        "further trainings", "what its other adapters tell, by folder", default={}
    )


EVALUATOR = Contract(
    ASSET,
    "Rater of pairs on three levels, validated on held-out seeds before it may gate.",
    EvaluatorFigures,
    tables=(
        HELD_OUT,
        SHUFFLED,
        WRITTEN,
        GENERATED,
        GENERATED_RAW,
        RARE_WORDS,
        NEIGHBOURS,
        *map(head_table, HEADS),
        *signal_tables(ASSET),
    ),
    folders=(Folder(adapter_folder("*"), "the adapter that learned a task: to write an instruction, or a level"),),
)
