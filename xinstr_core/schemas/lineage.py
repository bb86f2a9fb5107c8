"""lineage and tuned_models: what the catalogue adds to the tables of the assets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from xinstr_core.schemas import candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Column, Table, declarations
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.shared import LANGUAGE
from xinstr_core.schemas.tuned_model import TunedFrom

CATALOGUE = "catalogue"

TUNED_MODELS = Table(
    CATALOGUE,
    "tuned_models",
    "Where the tuned model of each language is, and what it was made of. What an older release did not store is null.",
    (
        LANGUAGE,
        Column("model", pl.String, f"folder of {ADAPTER.meaning}", nullable=True),
        *(Column(name, pl.String, one.meaning, nullable=True) for name, one in declarations(TunedFrom).items()),
    ),
    view="tuned_models",
)


@dataclass(frozen=True)
class TracedColumn:
    """A column of the lineage, and the one that it is in the table that it comes from."""

    column: Column
    table: Table
    source: str


_RENAMED = {"text": "document", "place": "input_record", "model": "tuned_model"}


def _traced(table: Table, *names: str) -> Iterator[TracedColumn]:
    """Columns as their table declares them; null where the pair did not come so far, or its document is gone."""
    for column in table.columns_of(names):
        yield TracedColumn(
            replace(column, name=_RENAMED.get(column.name, column.name), nullable=True), table, column.name
        )


TRACED = (
    *_traced(candidate_pairs.PAIRS, "pair_id", "language"),
    *_traced(DOCUMENTS, "doc_id", "text", "source", "url", "licence", "place"),
    *_traced(candidate_pairs.PAIRS, "sample", "opening", "instruction", "status", "detail"),
    *_traced(refined_pairs.PAIRS, "p_level_1", "p_level_2", "p_level_3", "rating", "instruction_quality", "pair_fit"),
    *_traced(refined_pairs.PAIRS, "verdict", "kept", "round", "evaluator"),
    *_traced(SELECTED, "topic", "cluster_id", "rank_in_cluster", "split"),
    *_traced(TUNED_MODELS, "model"),
)
LINEAGE = Table(
    CATALOGUE,
    "lineage",
    "Every pair back to its document, and on to the model that learned from it.",
    tuple(traced.column for traced in TRACED),
    view="lineage",
)
