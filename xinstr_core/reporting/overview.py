"""All languages beside each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.reporting.blocks import Block, Cell, Listing, Paragraph, cell
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import interval_chart
from xinstr_core.reporting.drawing import draw
from xinstr_core.reporting.summary import Summary
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import declarations
from xinstr_core.schemas.metrics import BASE, TUNED, WRONG_LANGUAGE
from xinstr_core.schemas.shared import SHARE
from xinstr_core.schemas.tuned_model import TunedFrom
from xinstr_core.store import Store

COLUMNS = (
    "language", "better than base", "curated", "publishable", "kept pairs", "selected", "precision of kept pairs",
    "measures after tuning", WRONG_LANGUAGE.name, "licences", "cost", "preset", declarations(TunedFrom)["base_model"].label, "built",
)  # fmt: skip


@dataclass(frozen=True)
class Language:
    """A language with its row and what the charts show of it; or why it has no report."""

    tag: str
    name: str = ""
    row: tuple[Cell, ...] = ()
    behind: tuple[str, ...] = ()
    wrong_language: tuple[tuple[str, float, float | None, float | None], ...] = ()
    precision: tuple[float, float | None, float | None] | None = None
    trouble: str = ""


def languages(store: Store) -> list[Language]:
    """Every language of which something is stored, by its key."""
    tags = sorted({tag for asset in CONTRACTS for tag in store.languages(asset)})
    return [_language(store, tag) for tag in tags]


def _language(store: Store, tag: str) -> Language:
    try:
        summary = Summary(Built.of(store, tag))
        by_question = {finding.question: finding.answer for finding in summary.findings}
        answers = [Cell(answer.value) for answer in by_question.values()][:3]
        precision = summary.precision
        return Language(
            tag,
            summary.built.language,
            (
                *answers,
                cell(summary.kept),
                cell(summary.selected),
                Cell(str(precision) if precision else "not measured", number=True),
                Cell(summary.clearly_better, number=True),
                Cell(_wrong(summary), number=True),
                Cell(summary.licences),
                Cell(summary.time_and_money, number=True),
                cell(summary.preset),
                cell(summary.base_model),
                _built(summary),
            ),
            tuple(summary.built.behind()),
            tuple((model, one.value, one.low, one.high) for model, one in summary.wrong_language_of_both),
            (precision.value, precision.low, precision.high) if precision else None,
        )
    except InputError as error:
        return Language(tag, trouble=str(error))


def _built(summary: Summary) -> Cell:
    if not summary.built.behind():
        return cell(summary.ended)
    return Cell(", ".join(part for part in (summary.ended, "mixes two builds") if part))


def _wrong(summary: Summary) -> str:
    found = dict(summary.wrong_language_of_both)
    values = [f"{found[model].value:.3f}" if model in found else "-" for model in (BASE, TUNED)]
    return " → ".join(values)


def overview_blocks(found: Sequence[Language], page: str, linked: Collection[str] | None) -> list[Block]:
    """The table, charts of what can be compared, and what has no report.

    `page` is the address of a language's report, `linked` the languages that have theirs there: None for all.
    """
    built = [one for one in found if one.row]
    blocks: list[Block] = []
    if built:
        links = {one.tag: page.format(tag=one.tag) for one in built if linked is None or one.tag in linked}
        rows = [[Cell(f"{one.name} ({one.tag})", link=links.get(one.tag, "")), *one.row] for one in built]
        blocks.append(Listing("Languages with a report", COLUMNS, rows))
        if mixed := [f"{one.name} ({'; '.join(one.behind)})" for one in built if one.behind]:
            said = f"What is said of these mixes two builds: {', '.join(mixed)}. `xinstr build` brings them up to date."
            blocks.append(Paragraph(said, "warning"))
        blocks += _charts(built)
    else:
        blocks.append(
            Paragraph("No language is built to its report yet: `xinstr build LANGUAGE` builds one.", "warning")
        )
    if troubled := [one for one in found if one.trouble]:
        rows = [[Cell(one.tag), Cell(one.trouble)] for one in troubled]
        blocks.append(Listing("Languages without a report", ("language", "why"), rows))
    return blocks


def _charts(built: Sequence[Language]) -> Iterator[Block]:
    wrong = [(one.name, *measured) for one in built for measured in one.wrong_language]
    if wrong:
        title = f"{WRONG_LANGUAGE.name.capitalize()} of base and tuned model, 95 % intervals"
        yield draw("wrong-language", title, interval_chart(wrong, SHARE, (BASE, TUNED)), _numbers(wrong, "model"))
    precise = [(one.name, "kept pairs", *one.precision) for one in built if one.precision]
    if precise:
        chart = interval_chart(precise, SHARE, ("kept pairs",))
        yield draw("precision", "Precision of the kept pairs, 95 % intervals", chart, _numbers(precise, "of"))


def _numbers(rows: Sequence[tuple[str, str, float, float | None, float | None]], whose: str) -> pl.DataFrame:
    schema = {"language": pl.String, whose: pl.String, **dict.fromkeys(("value", "low", "high"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")
