"""The signals of a pair, which ratings are read from, and the tables of the readings that gave them.

What each group is and why: curation/signals.py.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from xinstr_core.schemas.declaration import Column, Table
from xinstr_core.schemas.shared import LEVELS, NATS, NATS_A_TOKEN, RATINGS, ROW_KEY, SHARE


def _log_probability(name: str, meaning: str, unit: str = NATS_A_TOKEN) -> Column:
    return Column(name, pl.Float64, meaning, unit, maximum=0)


RESPONSE = (
    _log_probability("response_mean", "mean log-probability of the response for the untouched base model"),
    _log_probability("response_weakest_stretch", "lowest mean of eight tokens of the response in a row"),
    _log_probability("response_lowest", "mean of the response's five lowest tokens"),
    _log_probability("response_end", "log-probability that the response ends where it does", NATS),
)
GIVEN = (
    _log_probability(
        "instruction_mean", "mean log-probability of the instruction after its response, its end included"
    ),
    _log_probability(
        "instruction_lowest", "lowest token of the instruction after its response, its end included", NATS
    ),
)
ALONE = (
    _log_probability("alone_mean", "mean log-probability of the instruction where no text stands"),
    _log_probability("alone_lowest", "lowest token of the instruction where no text stands", NATS),
    _log_probability("alone_end", "log-probability that the instruction ends where it does", NATS),
)
GAIN = (
    Column("gain_mean", pl.Float64, "what the response adds to the instruction's log-probability", NATS_A_TOKEN),
    Column("gain_total", pl.Float64, "the same over all tokens of the instruction", NATS),
    Column("gain_lowest", pl.Float64, "the same of the token to which it adds least", NATS),
    Column(
        "near_margin",
        pl.Float64,
        "mean log-probability of the instruction after its response, minus that after the near text, or none, that gives most",
        NATS_A_TOKEN,
    ),
    Column(
        "answer_gain",
        pl.Float64,
        "what the instruction adds to the log-probability of how the response opens, for the untouched base model",
        NATS_A_TOKEN,
    ),
)
COHERENCE = (
    Column(
        "order_gain",
        pl.Float64,
        "mean log-probability of the response's opening, minus that of its words in another order, for the untouched base model",
        NATS_A_TOKEN,
    ),
    Column(
        "ending_gain",
        pl.Float64,
        "what the first half of the response adds to the log-probability of the second, for the untouched base model",
        NATS_A_TOKEN,
    ),
    Column("ending_share", pl.Float64, "share of the second half's tokens that the first makes likelier", SHARE),
    Column(
        "ending_words",
        pl.Float64,
        "share of the runs of four characters of the half that has fewer which stand in the other, too",
        SHARE,
    ),
    Column(
        "opening_asked", pl.Float64, "what the first half alone adds to the instruction's log-probability", NATS_A_TOKEN
    ),
    Column(
        "ending_asked", pl.Float64, "what the second half alone adds to the instruction's log-probability", NATS_A_TOKEN
    ),
)
GROUNDING = (
    Column(
        "missing_word", pl.Float64, "rarity of the rarest word of the instruction that its response lacks; 0 for none"
    ),
)
HALVES_ALIKE = Column("halves_alike", pl.Float64, "cosine of both halves of the response around the seeds' centre")
NEIGHBOURS = (
    Column("shared_request", pl.Float64, "share of the request that the seeds with the nearest texts share", SHARE),
    HALVES_ALIKE,
)
LEVEL = tuple(
    _log_probability(f"label_{level}", f"log-probability that an adapter would write level {level}", NATS)
    for level in LEVELS
)
SIGNALS = (*GIVEN, *RESPONSE, *ALONE, *GAIN, *COHERENCE, *GROUNDING, *NEIGHBOURS, *LEVEL)

TOKENS_READ = (
    Column("tokens", pl.List(pl.Float64), "log-probability of every token of the instruction", NATS),
    Column("end", pl.Float64, "log-probability that it ends where it does", NATS),
)

# What one pass of one model over one side of the pairs reads.
READINGS: dict[str, tuple[Column, ...]] = {
    "response": RESPONSE,
    "given": TOKENS_READ,
    "alone": TOKENS_READ,
    "answer": GAIN[-1:],
    "order": COHERENCE[:1],
    "ending": COHERENCE[1:3],
    "neighbours": (
        Column("nearest", pl.List(pl.String), "keys of the seeds with the nearest texts, nearest first"),
        HALVES_ALIKE,
    ),
    "level": LEVEL,
}


def signal_table(reading: str, asset: str = "") -> Table:
    """What one reading read, by row key: a later run that rates the same rows does not read them again.

    `asset` may be left out where name and columns are all that matters.
    """
    columns = (ROW_KEY, *READINGS[reading])
    return Table(asset, f"{reading}_signals", f"What the reading `{reading}` read, by row key.", columns)


def signal_tables(asset: str) -> tuple[Table, ...]:
    return tuple(signal_table(reading, asset) for reading in READINGS)


def ratings_and_signals(*, nullable: bool) -> tuple[Column, ...]:
    """The columns of a table of ratings; the signals of a group stand there where the group is switched on."""
    signals = (replace(column, optional=True) for column in SIGNALS)
    return tuple(replace(column, nullable=nullable) for column in (*RATINGS, *signals))
