"""What the selection is worth beside models that were tuned on other pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from xinstr_core.evaluation.arms import ARMS, CHOICES
from xinstr_core.evaluation.gaps import Gap
from xinstr_core.reporting.blocks import Block, Cell, Drawn, Listing, Paragraph, Section, cell, with_interval
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import gap_chart
from xinstr_core.reporting.drawing import draw
from xinstr_core.reporting.sections.measures import BETTER_WAY
from xinstr_core.schemas.declaration import declarations
from xinstr_core.schemas.eval_report import EVAL_REPORT, ArmFigures
from xinstr_core.schemas.metrics import METRIC, METRICS


def section(built: Built) -> Section | None:
    arms = built.figures(EVAL_REPORT).arms
    if not arms:
        return None
    gaps = [gap for gap in built.gaps if gap.reference in ARMS]
    blocks: list[Block] = [
        Paragraph(
            "Further models, tuned like the tuned model (without preferences after it) and all on as many rows and steps: "
            f"{_pairs(arms)}, or what the table says in their place."
        ),
        _trained(arms),
        *_charts(gaps),
    ]
    if gaps:
        blocks += [_gaps(gaps), Paragraph(_how_to_read(built), "note")]
    return Section("arms", "What the selection is worth", [*blocks, _measured(built)])


def _pairs(arms: dict[str, ArmFigures]) -> str:
    own = "equally many pairs of each arm's own choice"
    return f"the same seed pairs, and {own}" if any(arm.seeds for arm in arms.values()) else f"no seed pairs, and {own}"


def _trained(arms: dict[str, ArmFigures]) -> Listing:
    told = declarations(ArmFigures)
    choices = {str(name): said for name, said in CHOICES.items()}
    rows = [
        [Cell(name), cell(choices.get(name)), *(_shown(value) for _, value in arm.told())] for name, arm in arms.items()
    ]
    return Listing("What each arm was tuned on", ("arm", "its pairs", *(one.label for one in told.values())), rows)


def _shown(value: Any) -> Cell:
    if isinstance(value, dict):
        return Cell(", ".join(f"{name} {count}" for name, count in value.items()))
    return Cell(f"{value:.3g}", number=True) if isinstance(value, float) else cell(value)


def _charts(gaps: Sequence[Gap]) -> Iterator[Drawn]:
    for place, unit in enumerate(dict.fromkeys(metric.unit for metric in METRICS)):
        of_unit = [gap for gap in gaps if METRIC[gap.metric].unit == unit]
        if of_unit:
            rows = [
                (f"{gap.metric} ({gap.prompts})", f"{gap.reference} - {gap.arm}", *gap.advantage) for gap in of_unit
            ]
            schema = {
                "measure": pl.String,
                "arms": pl.String,
                **dict.fromkeys(("advantage", "low", "high"), pl.Float64),
            }
            numbers = pl.DataFrame(rows, schema=schema, orient="row")
            title = f"Advantage of the first arm over the second, 95 % intervals: {unit}"
            yield draw(f"gaps-{place}", title, gap_chart(of_unit, unit), numbers, _sides(of_unit))


def _sides(gaps: Sequence[Gap]) -> str:
    """How the chart is read; the tables have differences with the sign that they have."""
    said = "To the right of the dashed line the first is better."
    if lower := [*dict.fromkeys(gap.metric for gap in gaps if gap.better == "lower")]:
        said += f" Where lower is better ({', '.join(lower)}) that is the second minus the first."
    return said


def _gaps(gaps: Sequence[Gap]) -> Listing:
    rows = [
        [
            Cell(gap.reference),
            Cell(gap.arm),
            Cell(gap.metric),
            Cell(gap.prompts),
            Cell(gap.verdict),
            with_interval(gap.difference, gap.low, gap.high, sign=True),
            cell(gap.n),
            Cell(BETTER_WAY[METRIC[gap.metric].better]),
        ]
        for gap in gaps
    ]
    columns = ("arm", "against", "measure", "prompts", "verdict", "difference", "n", "which way")
    return Listing("One arm against another, and what may be concluded", columns, rows, folded=True)


def _how_to_read(built: Built) -> str:
    settings = built.evaluation
    return (
        "95 % intervals of the mean difference, case by case: of shares Agresti and Min's, of other means percentile bootstrap "
        f"over {settings.bootstrap_samples:,} resamples. Of fewer than {settings.minimum_cases} cases nothing is concluded. Each "
        "arm was trained once: what another order of its rows would change is not in them."
    )


def _measured(built: Built) -> Listing:
    measured = sorted((one for one in built.measures if one.model in ARMS), key=lambda one: (one.metric, one.prompts))
    rows = [
        [Cell(one.metric), Cell(one.prompts), Cell(one.model), with_interval(one.value, one.low, one.high), cell(one.n)]
        for one in measured
    ]
    return Listing("Every measure of every arm", ("measure", "prompts", "arm", "value", "n"), rows, folded=True)
