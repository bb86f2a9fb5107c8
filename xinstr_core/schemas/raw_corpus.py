"""raw_corpus: documents of one language that are what they claim to be, and every reject with its reason."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from xinstr_core.schemas.declaration import Column, Contract, Figures, Funnel, Table, figure
from xinstr_core.schemas.shared import DOC_ID, LANGUAGE, ROWS, SHARE, Advises

ASSET = "raw_corpus"
PLACE = Column("place", pl.String, "where it was read: file and record")
# Of one text each. The limits are a language's own, from its pack; corpus/quality.py measures.
FEATURES = tuple(
    Column(name, pl.Float64, meaning, unit=SHARE, minimum=0, maximum=1)
    for name, meaning in {
        "link_share": "characters inside addresses and link targets, one of them aside: it may be the source",
        "markup_share": "characters of markup, code and formulas",
        "symbol_share": "visible characters that are neither letters nor marks",
        "digit_share": "digits among visible characters",
        "script_share": "letters of the language's script among letters",
        "menu_share": "characters in rows of five or more short lines of which none ends a sentence",
        "bare_line_share": "lines without a letter or digit, one of them aside: rules, empty headings",
        "spaced_mark_share": "commas and full stops with a space before them, one of them aside: tokenised text",
        "repeated_line_share": "characters in lines that stood there before",
        "repeated_phrase_share": "phrases of five words, or twenty letters, that stood there before",
        "stop_word_share": "words that are among the language's most frequent ones",
        "cohesion_share": "other words that a sentence before has as well; 1 for fewer than ten sentences",
    }.items()
)
# Of the filters that were fitted for the language, the one that speaks most against a text (corpus/learned_filter.py).
LEARNED = (
    Column(
        "learned_filter", pl.String, "which learned filter the score is of; null where none was asked", nullable=True
    ),
    Column(
        "learned_score",
        pl.Float64,
        "log-odds of being what that filter refuses; the limit is in the pack; null where none was asked",
        nullable=True,
    ),
)

DOCUMENTS = Table(
    ASSET,
    "documents",
    "Documents of the language that were kept: each a span of a record, untouched.",
    (
        DOC_ID,
        LANGUAGE,
        Column("text", pl.String, "the document itself: what a pair has as its response"),
        Column("source", pl.String, "where it is from, as the record says"),
        Column("url", pl.String, "address of the page, as the record says"),
        Column("licence", pl.String, "licence, as the record or the language's entry says"),
        PLACE,
        Column(
            "span_start", pl.Int64, "first character of the span in the record's text", unit="characters", minimum=0
        ),
        Column("span_end", pl.Int64, "character after its last one", unit="characters", minimum=0),
        Column("n_chars", pl.Int64, "length", unit="characters", minimum=1),
        Column("repaired", pl.Boolean, "whether text in a wrong encoding was repaired before it was read"),
        Column(
            "lid_label",
            pl.String,
            "likeliest language, the mean over the identifiers that ship and know the corpus's own; over both where none does",
        ),
        Column(
            "lid_score",
            pl.Float64,
            "probability of the corpus's own language, the mean over the identifiers that know it; where none does, that it is not English",
            minimum=0,
            maximum=1,
        ),
        *FEATURES,
        *LEARNED,
    ),
    view=ASSET,
    sample=("doc_id", "text", "lid_score"),
)
# Of the corpus stage and, with the same columns, of seed_pairs.
REJECT_COLUMNS = (
    LANGUAGE,
    PLACE,
    Column("reason", pl.String, "why it was refused"),
    Column("value", pl.String, "what was measured, or what it repeats"),
    Column("threshold", pl.String, "the limit that it broke"),
    Column("excerpt", pl.String, "its first 200 characters, masked where they hold personal data"),
)
REJECTED = Table(
    ASSET,
    "rejected",
    "Documents and spans that were refused, each with its first reason.",
    (*REJECT_COLUMNS, *LEARNED),
    view="rejected_documents",
)
DUPLICATES = Table(
    ASSET,
    "duplicates",
    "Documents that repeat an earlier one, whole or in part.",
    (
        LANGUAGE,
        Column("doc_id", pl.String, "key of the document that repeats"),
        PLACE,
        Column("kind", pl.String, "how it repeats", values=("exact_duplicate", "near_duplicate", "overlap")),
        Column("duplicate_of", pl.String, "key of the document that it repeats"),
        Column("kept", pl.String, "key of the one that stays; null where nothing of them does", nullable=True),
        Column("similarity", pl.Float64, "Jaccard similarity, or the share that also stands in the other", unit=SHARE),
        Column("refused", pl.Boolean, "whether it was refused for it"),
    ),
    view="duplicates",
)


class CorpusFunnel(Funnel):
    came: ClassVar = "documents and spans"
    left: ClassVar = "kept"


class CorpusFigures(Advises, Figures):
    records: int = figure("records", "records that were read", unit=ROWS)
    funnel: CorpusFunnel = figure("funnel", "documents and spans by what became of them", unit=ROWS)
    passed_over: dict[str, int] = figure(
        "records passed over",
        "records of archives that hold no page, by type; they are no part of the funnel",
        unit=ROWS,
    )
    identifiers: int = figure(
        "identifiers",
        "identifiers that know the language, what its pack taught and a model that the settings name included; 0: any text of its script that is not English passes",
    )
    licences: dict[str, int] = figure("licences", "kept documents by licence", unit=ROWS)


RAW_CORPUS = Contract(
    ASSET,
    "Documents of the language that are what they claim to be; every reject with its reason.",
    CorpusFigures,
    tables=(DOCUMENTS, REJECTED, DUPLICATES),
)
