"""Base against tuned: every measure with its interval, and what both models reply to the same prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from xinstr_core.evaluation.measures import NO_PROMPTS, Comparison, Measure
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.reporting.blocks import Block, Cell, Drawn, Listing, Paragraph, Section, cell, with_interval
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import interval_chart
from xinstr_core.reporting.drawing import draw
from xinstr_core.reporting.samples import of_replies
from xinstr_core.schemas.eval_report import EVAL_REPORT, REPLIES
from xinstr_core.schemas.metrics import BASE, METRIC, METRICS, TUNED

BETTER_WAY = {"higher": "higher is better", "lower": "lower is better", None: "neither way is better"}


def section(built: Built) -> Section:
    general = [one for one in built.comparisons if not METRIC[one.metric].of_embedded_world]
    if not general:
        said = Paragraph("Base and tuned model have no measure in common.", "warning")
        return Section("measures", "Base against tuned", [said])
    blocks: list[Block] = [*charts(general, "measures"), comparison_table(general)]
    blocks.append(Paragraph(how_to_read(built), "note"))
    blocks.append(Paragraph("No public benchmark was run: these are the measures of this project alone.", "note"))
    return Section("measures", "Base against tuned", [*blocks, *_by_prompts(built), *_every(built)])


def how_to_read(built: Built) -> str:
    settings = built.evaluation
    return (
        "95 % intervals: of shares Wilson's, of other means percentile bootstrap over "
        f"{settings.bootstrap_samples:,} resamples of the cases. The difference is tuned minus base, case by case, and what "
        f"the verdict goes by: what is hard for both cancels out. Of fewer than {settings.minimum_cases} cases nothing is "
        "concluded, and a mean that is no share has no interval; nor has one whose values are all the same."
    )


def charts(comparisons: Sequence[Comparison], key: str) -> Iterator[Drawn]:
    """A chart a unit, in which both models of a measure stand with their intervals."""
    for place, unit in enumerate(dict.fromkeys(metric.unit for metric in METRICS)):
        rows = [
            (_named(one), measure.model, measure.value, measure.low, measure.high)
            for one in comparisons
            if METRIC[one.metric].unit == unit
            for measure in (one.base, one.tuned)
        ]
        if rows:
            numbers = pl.DataFrame(
                rows,
                schema={
                    "measure": pl.String,
                    "model": pl.String,
                    **dict.fromkeys(("value", "low", "high"), pl.Float64),
                },
                orient="row",
            )
            chart = interval_chart(rows, unit, (BASE, TUNED))
            yield draw(f"{key}-{place}", f"Base and tuned model with 95 % intervals: {unit}", chart, numbers)


def comparison_table(comparisons: Sequence[Comparison]) -> Listing:
    rows = [
        [
            Cell(one.metric),
            Cell(one.prompts),
            Cell(one.verdict),
            with_interval(one.gap.difference, one.gap.low, one.gap.high, sign=True),
            cell(one.gap.n),
            with_interval(one.base.value, one.base.low, one.base.high),
            with_interval(one.tuned.value, one.tuned.low, one.tuned.high),
            Cell(BETTER_WAY[METRIC[one.metric].better]),
        ]
        for one in comparisons
    ]
    # What may be concluded comes first: narrow screens show the rest by scrolling.
    columns = ("measure", "prompts", "tuned is better", "difference", "n", "base", "tuned", "which way")
    return Listing("Base against tuned, and what may be concluded", columns, rows)


def _by_prompts(built: Built) -> Iterator[Block]:
    """The tuned model asked in English and in the language itself, and whether it learned from such instructions."""
    measured = {(one.metric, one.prompts): one for one in built.measures if one.model == TUNED}
    pairs: list[tuple[Measure, Measure]] = [
        (english, native)
        for (metric, asked), english in measured.items()
        if asked == ENGLISH and (native := measured.get((metric, built.tag))) and not METRIC[metric].of_embedded_world
    ]
    if not pairs:
        return
    rows = [
        [
            Cell(english.metric),
            with_interval(english.value, english.low, english.high),
            with_interval(native.value, native.low, native.high),
            cell(native.n),
        ]
        for english, native in pairs
    ]
    columns = ("measure of the tuned model", "English prompts", f"prompts in {built.language}", "n")
    yield Listing(f"Asked in English and in {built.language}", columns, rows)
    figures = built.figures(EVAL_REPORT)
    if figures.foreign_instructions:
        said = (
            f"{figures.foreign_instructions:,} of the {figures.training_instructions:,} instructions in training do not read as "
            f"English: the model may have seen instructions in {built.language}."
        )
        yield Paragraph(said, "warning")
    else:
        yield Paragraph(
            f"No instruction in {built.language} was in training: all {figures.training_instructions:,} were English, so replies "
            f"to prompts in {built.language} are zero-shot."
        )


def _every(built: Built) -> Iterator[Listing]:
    rows = [
        [
            Cell(one.metric),
            Cell(one.model),
            Cell(one.prompts),
            with_interval(one.value, one.low, one.high),
            cell(one.n),
            Cell(METRIC[one.metric].meaning),
        ]
        for one in built.measures
        if not METRIC[one.metric].of_embedded_world and one.model in (BASE, TUNED)
    ]
    if rows:
        yield Listing("Every measure", ("measure", "of", "prompts", "value", "n", "meaning"), rows, folded=True)


def replies(built: Built) -> Section | None:
    samples = of_replies(built.read(REPLIES), {ENGLISH: "English", built.tag: built.language})
    return Section("replies", "Replies, base beside tuned", samples) if samples else None


def _named(one: Comparison) -> str:
    return one.metric if one.prompts == NO_PROMPTS else f"{one.metric} ({one.prompts})"
