"""How varied the selection is, and the map of what it was chosen from."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from xinstr_core.reporting.blocks import Block, Cell, Listing, Paragraph, Section, cell
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import COLOURS, cluster_map
from xinstr_core.reporting.drawing import draw, listing
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, MAP, DiversityFigures


def section(built: Built) -> Section | None:
    figures, points = built.figures(DIVERSIFIED_SET), built.read(MAP)
    blocks: list[Block] = []
    if len(points):
        clusters = (
            points.sort("cluster_id", "pair_id")
            .group_by("cluster_id", maintain_order=True)
            .agg(
                pl.len().alias("on the map"),
                pl.col("selected").sum().alias("selected"),
                pl.col("instruction").first().alias("one of its instructions"),
            )
            .rename({"cluster_id": "cluster"})
        )
        title = f"Map of {len(points):,} instructions, {int(points['selected'].sum()):,} of them selected"
        blocks.append(
            draw(
                "map",
                title,
                cluster_map(points),
                listing(f"Clusters of: {title}", clusters),
                "Near each other are instructions that ask for the like. Full: selected; a ring: not. Points of a cluster share "
                f"their colour{', and so do clusters, for there are more of them than colours' if len(clusters) > len(COLOURS) else ''}.",
            )
        )
    if figures.diversity:
        blocks += _diversity(figures.diversity)
    if figures.topics:
        rows = [[Cell(topic), cell(share)] for topic, share in figures.topics.items()]
        blocks.append(Listing("Topics of the selection", ("topic", "share"), rows, folded=True))
    return Section("selection", "The selection", blocks) if blocks else None


def _diversity(found: DiversityFigures) -> Iterator[Block]:
    if found.warning:
        yield Paragraph(found.warning, "warning")
    rows = []
    for one, value in found.selected.told():
        random = found.random[one.name]
        drawn = f"{random.mean:.4g} [{random.low:.4g}, {random.high:.4g}]"
        rows.append(
            [
                Cell(one.label),
                Cell(f"{value:.4g}", number=True),
                Cell(drawn, number=True),
                Cell(found.verdicts[one.name]),
            ]
        )
    columns = ("measure of diversity", "selected", "as many at random: mean [lowest, highest]", "the selection is")
    yield Listing("How varied the selection is", columns, rows)
