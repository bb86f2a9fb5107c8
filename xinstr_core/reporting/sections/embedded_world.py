"""What the embedded world's oracle tells: it judges replies, pairs and instructions exactly, and says nothing of other text."""

from __future__ import annotations

from xinstr_core.evaluation.arms import ARMS
from xinstr_core.reporting.blocks import Block, Cell, Listing, Paragraph, Section, cell, with_interval
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.sections.measures import charts, comparison_table
from xinstr_core.schemas.metrics import BASE, METRIC, TUNED


def section(built: Built) -> Section | None:
    compared = [one for one in built.comparisons if METRIC[one.metric].of_embedded_world]
    others = [
        one for one in built.measures if METRIC[one.metric].of_embedded_world and one.model not in {BASE, TUNED, *ARMS}
    ]
    if not compared and not others:
        return None
    blocks: list[Block] = [
        Paragraph(
            "The text is generated, and its maker knows what every text is about: these figures hold for that world alone.",
            "note",
        )
    ]
    if compared:
        blocks += [*charts(compared, "gold"), comparison_table(compared)]
    if others:
        rows = [
            [Cell(one.metric), Cell(one.model), with_interval(one.value, one.low, one.high), cell(one.n)]
            for one in others
        ]
        blocks.append(Listing("Of pairs and instructions", ("measure", "of", "value", "n"), rows))
    return Section("gold", "Against the gold of the embedded world", blocks)
