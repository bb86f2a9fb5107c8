"""What it took: time, memory, tokens and money, by stage and by role."""

from __future__ import annotations

import polars as pl

from xinstr_core.progress import duration
from xinstr_core.reporting.blocks import Block, Cell, Listing, Paragraph, Section, cell
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import bars
from xinstr_core.reporting.drawing import draw
from xinstr_core.schemas.declaration import declarations
from xinstr_core.schemas.shared import ROWS, Cost, EngineUse
from xinstr_core.text import without_folders

_OF_ROLES = ("rows", "prompt_tokens", "completion_tokens", "retries", "seconds", "gpu_seconds", "money")


def section(built: Built) -> Section:
    costs = dict(built.costs())
    if not costs:
        return Section("cost", "Cost", [Paragraph("Nobody measured what these builds took.")])
    told, of_roles = declarations(Cost), declarations(EngineUse)
    stages = [(asset.replace("_", " "), cost.seconds, ROWS) for asset, cost in costs.items()]
    spent = pl.DataFrame(
        [(asset, cost.seconds, cost.peak_memory) for asset, cost in costs.items()],
        schema={"stage": pl.String, told["seconds"].label: pl.Float64, told["peak_memory"].label: pl.Int64},
        orient="row",
    )
    uses = [(asset, role, use) for asset, cost in costs.items() for role, use in cost.engines.items()]
    blocks: list[Block] = [Paragraph(total(built)), draw("cost", "Seconds by stage", bars(stages, "seconds"), spent)]
    if uses:
        rows = [
            [
                Cell(asset),
                Cell(role),
                Cell(without_folders(use.engine)),
                *(cell(getattr(use, name)) for name in _OF_ROLES),
            ]
            for asset, role, use in uses
        ]
        columns = ("stage", "role", of_roles["engine"].label, *(of_roles[name].label for name in _OF_ROLES))
        blocks.append(Listing("Engines by stage and role", columns, rows))
    note = "Each stage tells of the run that made what is stored; rows that an earlier run had done already cost nothing in it. Money is by the prices of the settings."
    return Section("cost", "Cost", [*blocks, Paragraph(note, "note")])


def total(built: Built) -> str:
    """Time, tokens and money of all stages in a sentence."""
    costs = [cost for _, cost in built.costs()]
    uses = [use for cost in costs for use in cost.engines.values()]
    money = sum(use.money for use in uses)
    return (
        f"In all {duration(sum(cost.seconds for cost in costs))}, {sum(use.prompt_tokens for use in uses):,} tokens read and "
        f"{sum(use.completion_tokens for use in uses):,} written by engines, "
        + (f"money {money:,.2f}." if money else "no money: no engine has a price.")
    )
