"""seed_pairs: the (English instruction, response) pairs that the reverse model and the evaluator learn from."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import polars as pl

from xinstr_core.schemas.declaration import Column, Contract, Figures, Funnel, Table, figure
from xinstr_core.schemas.raw_corpus import REJECT_COLUMNS
from xinstr_core.schemas.shared import INSTRUCTION, LANGUAGE, ROWS, SEED_ID

ASSET = "seed_pairs"
Origin = Literal["native", "native_instruction_translated", "response_translated", "parallel", "english"]
IN_ENGLISH: Origin = "english"  # the response is no text of the language
IS_IN_LANGUAGE = pl.col("origin") != IN_ENGLISH
ORIGIN = Column(
    "origin",
    pl.String,
    "which side people wrote in the language and which was translated; parallel: people translated the text, and a model "
    "wrote the instruction of its English side",
    values=get_args(Origin),
)

SEEDS = Table(
    ASSET,
    "seeds",
    "Seed pairs: an English instruction and a response, each checked.",
    (
        LANGUAGE,
        SEED_ID,
        INSTRUCTION,
        Column("response", pl.String, "the answer, in the language unless `origin` says english"),
        Column("source", pl.String, "where it is from, as the record says"),
        Column("licence", pl.String, "licence, as the record says"),
        Column("native", pl.Boolean, "whether the response is in the language and no machine translated it"),
        ORIGIN,
        Column(
            "original",
            pl.String,
            "the translated side before translation, of parallel documents the English side; null where nothing was",
            nullable=True,
        ),
        Column("translator", pl.String, "identity of the translation model; null where nothing was", nullable=True),
    ),
    view=ASSET,
    sample=("instruction", "response", "origin"),
)
REJECTED = Table(
    ASSET, "rejected", "Records that gave no seed pair, each with its reason.", REJECT_COLUMNS, view="rejected_seeds"
)


class SeedFunnel(Funnel):
    came: ClassVar = "records"
    left: ClassVar = "kept"


class SeedFigures(Figures):
    seed_pairs: int = figure("seed pairs", "pairs that were kept", unit=ROWS)
    native: int = figure("native", "pairs whose response people wrote in the language", unit=ROWS)
    english_only: bool = figure("english only", "whether no pair has a response in the language")
    by_origin: dict[str, int] = figure("by origin", "pairs by how they came about", unit=ROWS)
    funnel: SeedFunnel = figure("funnel", "records by what became of them", unit=ROWS)


SEED_PAIRS = Contract(
    ASSET,
    "(English instruction, response) pairs that people wrote: the reverse model and the evaluator learn from them.",
    SeedFigures,
    tables=(SEEDS, REJECTED),
)
