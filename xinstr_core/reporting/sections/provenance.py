"""Where the rows come from, and under which licences."""

from __future__ import annotations

import polars as pl

from xinstr_core.licences import UNKNOWN_LICENCE, asked_for
from xinstr_core.reporting.blocks import Block, Cell, Listing, Paragraph, Section, cell, percent
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.terms import Licences
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.seed_pairs import SEEDS

_MOST_SOURCES = 30


def section(built: Built) -> Section:
    rows = traced(built)
    if rows.is_empty():
        return Section(
            "licences",
            "Licences and provenance",
            [Paragraph("No row is left, so there is nothing to trace.", "warning")],
        )
    total = len(rows)
    licences = [
        [Cell(name), cell(count), Cell(percent(count / total), number=True), Cell(asked_for(name))]
        for name, count in _counted(rows, "licence")[:_MOST_SOURCES]
    ]
    sources = (
        rows.group_by("source", "licence")
        .len("rows")
        .sort("rows", "source", "licence", descending=[True, False, False])
    )
    of_seeds = built.read(SEEDS, "source", "licence", "origin").group_by("source", "licence", "origin").len("pairs")
    ordered = of_seeds.sort("pairs", "source", "licence", "origin", descending=[True, False, False, False])
    blocks: list[Block] = [
        Listing("Rows of the final set by licence", ("licence", "rows", "share", "asks for"), licences),
        Listing(
            _first(len(sources), "Rows of the final set by source"),
            ("source", "licence", "rows"),
            [[cell(value) for value in row] for row in sources.head(_MOST_SOURCES).iter_rows()],
        ),
        Listing(
            _first(len(ordered), "Seed pairs by source: models learned from them, they are no part of the set"),
            ("source", "licence", "origin", "pairs"),
            [[cell(value) for value in row] for row in ordered.head(_MOST_SOURCES).iter_rows()],
            folded=True,
        ),
        Paragraph(
            "Licences are what the records say, read by their names: this is no legal advice. What the base model's licence asks of the tuned model is not looked at here.",
            "note",
        ),
    ]
    return Section("licences", "Licences and provenance", blocks)


def traced(built: Built) -> pl.DataFrame:
    """source, url and licence of every row of the final set, held-out ones included; unknown where its document is gone."""
    chosen = built.read(SELECTED, "pair_id", "doc_id")
    documents = built.read(DOCUMENTS, "doc_id", "source", "url", "licence").unique("doc_id")
    return chosen.join(documents, on="doc_id", how="left").with_columns(
        pl.col("source", "licence").replace("", None).fill_null(UNKNOWN_LICENCE)
    )


def licences_of(built: Built) -> Licences:
    return Licences(dict(_counted(traced(built), "licence")))


def _counted(rows: pl.DataFrame, column: str) -> list[tuple[str, int]]:
    return list(rows.group_by(column).len("rows").sort("rows", column, descending=[True, False]).iter_rows())


def _first(count: int, caption: str) -> str:
    return f"{caption}, the first {_MOST_SOURCES} of {count:,}" if count > _MOST_SOURCES else caption
