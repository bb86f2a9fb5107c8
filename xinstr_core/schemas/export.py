"""What an export gives: training rows in the formats that others load, every one with where it is from.

A column that a stage declares is taken from there, so it says here what it says in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from xinstr_core.schemas import candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Column, Table
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.schemas.shared import INSTRUCTION, PROBABILITIES, RIGHT, SCORES
from xinstr_core.schemas.tuned_model import PREFERENCES as TRIPLES
from xinstr_core.schemas.tuned_model import TRAINING_ROWS

EXPORT = "export"
VERSIONED = ("raw_corpus", "candidate_pairs", "refined_pairs", "diversified_set")  # assets that a row came through
_TURNS = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


@dataclass(frozen=True)
class TakenColumn:
    """A column of the export, and the one that it is in the table that it is taken from."""

    column: Column
    table: Table
    source: str


_RENAMED = {"model": "reverse_model", "seed": "sampling_seed"}


def _taken(table: Table, *names: str) -> Iterator[TakenColumn]:
    for column in table.columns_of(names):
        given = replace(
            column,
            name=_RENAMED.get(column.name, column.name),
            nullable=column.nullable or column.optional,
            optional=False,
        )
        yield TakenColumn(given, table, column.name)


# Of a pair, in the order of its rows; instruction and response stand in the columns of a format.
PAIR = (
    *_taken(SELECTED, "pair_id", "language", "split", "source_tag"),
    *_taken(DOCUMENTS, "doc_id", "source", "url", "licence"),
    *_taken(refined_pairs.PAIRS, *PROBABILITIES, "rating", *SCORES, RIGHT),
    *_taken(candidate_pairs.PAIRS, "gain"),
    *_taken(refined_pairs.PAIRS, "verdict", "round", "evaluator"),
    *_taken(SELECTED, "topic", "cluster_id", "distance_to_centre", "rank_in_cluster"),
    *_taken(candidate_pairs.PAIRS, "sample", "opening", "prompt_version", "model", "seed"),
)
SEED_PAIR = tuple(
    _taken(SEEDS, "pair_id", "language", "origin", "source", "licence", "native", "original", "translator")
)
TRIPLE = tuple(_taken(TRIPLES, "triple_id", "kind", "pair_id", "language", "split", "source_tag", "rejected_id"))

_BASE = (
    Column("base_model", pl.String, "name of the model that the reverse model and the evaluator were trained from"),
    Column("base_model_fingerprint", pl.String, "of its weights, configuration and tokenizer, and of how it was held"),
    Column("xinstr_version", pl.String, "release of xinstr that wrote this row"),
)
_VERSIONS = tuple(
    Column(
        f"{asset}_version",
        pl.String,
        f"of the content of {asset} that the row came through; equal content, equal version",
    )
    for asset in VERSIONED
)
_ORIGIN = next(column for column in TRAINING_ROWS.columns if column.name == "origin")
_PAIR = (*(one.column for one in PAIR), _ORIGIN, *_BASE, *_VERSIONS)
_SEED = (*(one.column for one in SEED_PAIR), _BASE[-1])

_MESSAGES = Column("messages", _TURNS, "the instruction as the user's turn, and the response as the assistant's")
_ASKED = (
    INSTRUCTION,
    Column(
        "input",
        pl.String,
        "what the instruction is about beside itself: always empty, as these instructions stand alone",
    ),
)
CHAT = Table(EXPORT, "chat", "Pairs as chat messages, as TRL's SFTTrainer takes them.", (_MESSAGES, *_PAIR))
ALPACA = Table(
    EXPORT,
    "alpaca",
    "The same pairs as instruction, input and output.",
    (*_ASKED, Column("output", pl.String, "the response"), *_PAIR),
)
SEED_CHAT = Table(EXPORT, "seeds", "Seed pairs in the language, as chat messages.", (_MESSAGES, *_SEED))

_REJECTED_SIDE = (
    Column(
        "rejected_source",
        pl.String,
        "source of the text that the rejected side is made of; null where a model wrote it",
        nullable=True,
    ),
    Column("rejected_url", pl.String, "its address; null where a model wrote it", nullable=True),
    Column("rejected_licence", pl.String, "its licence; null where a model wrote it", nullable=True),
)
_TRIPLE = (
    *(one.column for one in TRIPLE),
    *(one.column for one in PAIR if one.table is DOCUMENTS and one.source != "doc_id"),
    *_REJECTED_SIDE,
    *_BASE,
)
PREFERENCES = Table(
    EXPORT,
    "preferences",
    "Natural responses beside worse ones to the same instruction, as TRL's DPOTrainer takes them.",
    (
        Column("prompt", _TURNS, "the instruction as the user's turn"),
        Column("chosen", _TURNS, "the response of the pair as the assistant's turn"),
        Column("rejected", _TURNS, "the worse response as the assistant's turn"),
        *_TRIPLE,
    ),
)
ALPACA_PREFERENCES = Table(
    EXPORT,
    "alpaca_preferences",
    "The same triples as plain texts.",
    (*_ASKED, *TRIPLES.columns_of(("chosen", "rejected")), *_TRIPLE),
)
EXPORTED: Sequence[Table] = (CHAT, ALPACA, PREFERENCES, ALPACA_PREFERENCES, SEED_CHAT)
