"""candidate_pairs: for every text English instructions that it would answer."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from xinstr_core.schemas.declaration import Column, Contract, Figures, Funnel, Table, figure
from xinstr_core.schemas.shared import (
    DOC_ID,
    INSTRUCTION,
    LANGUAGE,
    NATS_A_TOKEN,
    PAIR_ID,
    RESPONSE,
    ROW_KEY,
    ROWS,
    TOKENS,
)

ASSET = "candidate_pairs"
ACCEPTED = "accepted"  # the status of an instruction against which nothing was said
LITTLE_GAIN = "text_adds_little"  # below generation.minimum_gain
LOWER_GAIN = "others_gain_more"  # beyond generation.chosen_candidates
IS_ACCEPTED = pl.col("status") == ACCEPTED
SAMPLE = Column("sample", pl.Int64, "which of its text's instructions it is", minimum=0)

PAIRS = Table(
    ASSET,
    "pairs",
    "Every instruction that was tried for a text, accepted or not; one row too for a text that gets none.",
    (
        LANGUAGE,
        PAIR_ID,
        DOC_ID,
        SAMPLE,
        Column("opening", pl.String, "the first words that it had to begin with; else null", nullable=True),
        INSTRUCTION,
        RESPONSE,
        Column("prompt_version", pl.String, "version of the reverse prompt"),
        Column("model", pl.String, "fingerprint of the reverse model"),
        Column("seed", pl.Int64, "of sampling", minimum=0),
        Column(
            "raw_output",
            pl.String,
            "what the model wrote, before anything parsed it; null where it was not asked or failed",
            nullable=True,
        ),
        Column(
            "gain",
            pl.Float64,
            "what the text adds to the mean log-probability of the instruction's tokens for the reverse model; null where "
            "it was not measured",
            unit=NATS_A_TOKEN,
            nullable=True,
        ),
        Column("status", pl.String, f"{ACCEPTED}, or the reason against it"),
        Column("detail", pl.String, "what the reason is about; null where it says all", nullable=True),
    ),
    view=ASSET,
    sample=("pair_id", "instruction", "response", "gain", "status", "detail"),
)
RAW = Table(
    ASSET,
    "raw",
    "Raw answers of the reverse model by row key: a later run takes those that it would ask for again.",
    (
        ROW_KEY,
        Column("raw_output", pl.String, "what the model wrote"),
        Column("prompt_tokens", pl.Int64, "length of the prompt", unit=TOKENS, minimum=0),
        Column("completion_tokens", pl.Int64, "length of the answer", unit=TOKENS, minimum=0),
        Column("finished", pl.Boolean, "whether it ended by itself and not at the limit"),
    ),
)
GAINS = Table(
    ASSET,
    "gains",
    "What a text adds to an instruction for the reverse model, by row key.",
    (
        ROW_KEY,
        Column(
            "gain", pl.Float64, "mean log-probability of its tokens after the text minus without", unit=NATS_A_TOKEN
        ),
    ),
)
OPENINGS = Table(
    ASSET,
    "openings",
    "The real requests' openings that suit each text, by row key.",
    (ROW_KEY, Column("openings", pl.List(pl.String), "the openings, the one that suits best first")),
)


class CandidateFunnel(Funnel):
    came: ClassVar = "instructions"
    left: ClassVar = ACCEPTED


class CandidateFigures(Figures):
    funnel: CandidateFunnel = figure(
        "funnel", "instructions, and texts that get none, by what became of them", unit=ROWS
    )
    documents: int = figure("documents", "texts that were looked at", unit=ROWS)
    flawed_texts: dict[str, int] = figure(
        "texts that open in the middle", "texts that get no instruction, by flaw", unit=ROWS
    )
    prompt_tokens: int = figure(
        "prompt tokens", "read by the reverse model, rows of earlier runs included", unit=TOKENS
    )
    completion_tokens: int = figure("completion tokens", "written by it, rows of earlier runs included", unit=TOKENS)


CANDIDATE_PAIRS = Contract(
    ASSET,
    "English instructions for every document; the document stays untouched as the response.",
    CandidateFigures,
    tables=(PAIRS, RAW, GAINS, OPENINGS),
)
