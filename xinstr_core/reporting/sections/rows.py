"""What the pairs look like."""

from __future__ import annotations

import polars as pl

from xinstr_core.reporting.blocks import Paragraph, Section
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.samples import choose, of_pairs
from xinstr_core.schemas.refined_pairs import KEPT, PAIRS, RATING


def section(built: Built) -> Section:
    chosen = choose(built.read(PAIRS, "pair_id", RATING.name, KEPT))
    keys = [key for of_group in chosen.values() for key in of_group]
    samples = of_pairs(chosen, built.read(PAIRS, where=pl.col("pair_id").is_in(keys)))
    if not samples:
        return Section("samples", "Samples", [Paragraph("No pair was rated: there is none to show.", "warning")])
    hint = Paragraph(
        "Long texts are cut. `xinstr lineage PAIR` tells everything of a pair by its key, from its document to the model.",
        "note",
    )
    return Section("samples", "Samples", [hint, *samples])
