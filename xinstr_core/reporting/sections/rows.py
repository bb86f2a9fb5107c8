"""What the pairs look like."""

from __future__ import annotations

from xinstr_core.reporting.blocks import Paragraph, Section
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.samples import of_pairs
from xinstr_core.schemas.refined_pairs import PAIRS


def section(built: Built) -> Section:
    samples = of_pairs(built.read(PAIRS))
    if not samples:
        return Section("samples", "Samples", [Paragraph("No pair was rated: there is none to show.", "warning")])
    hint = Paragraph(
        "Long texts are cut. `xinstr lineage PAIR` tells everything of a pair by its key, from its document to the model.",
        "note",
    )
    return Section("samples", "Samples", [hint, *samples])
