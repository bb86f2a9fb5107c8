"""What a person sees of a partition in the UI: figures, a funnel, plots and sample rows that cannot break out."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from xinstr_core.history import build_before, numbers
from xinstr_core.progress import Event
from xinstr_core.reporting.charts import confusion_chart, funnel_chart, histogram, loss_chart, reliability_chart
from xinstr_core.reporting.drawing import png
from xinstr_core.reporting.render import report_file
from xinstr_core.reporting.samples import beside
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import Declared, Figures, Funnel, Table, declarations, inside
from xinstr_core.schemas.diversified_set import DiversityFigures
from xinstr_core.schemas.eval_report import EVAL_REPORT, MEASURES, REPLIES
from xinstr_core.schemas.raw_corpus import REJECTED
from xinstr_core.schemas.refined_pairs import PAIRS, RATING
from xinstr_core.schemas.shared import Cost, TrainingFigures, ValidationFigures
from xinstr_core.store import Partition, Store
from xinstr_core.text import printable
from xinstr_dagster.figure_tables import diversity_rows, figure_rows, measure_rows
from xinstr_dagster.report_pages import report_address

SAMPLE_ROWS = 8
REJECTS_A_REASON = 4
CELL_CHARACTERS = 160


def escape_markdown(text: object, limit: int = CELL_CHARACTERS) -> str:
    """Any text as one inert Markdown table cell: no HTML, no link, no image, no emphasis, no new cell or line."""
    flat = " ".join(str(text).split())
    short = flat if len(flat) <= limit else flat[: limit - 1] + "…"
    short = printable(short)
    safe = short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # The UI links bare addresses, escaped or not: an invisible character breaks each before its own delimiter.
    unlinked = re.sub(r"(:(?=//)|www(?=\.)|@)", "\\1\u2060", safe, flags=re.IGNORECASE)
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~:$@])", r"\\\1", unlinked)


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """A Markdown table of escaped cells; a note where there is nothing to show."""
    if not rows:
        return "(no rows)"
    header = list(rows[0])
    lines = ["| " + " | ".join(escape_markdown(name) for name in header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(escape_markdown(_shown(row[name])) for name in header) + " |" for row in rows]
    return "\n".join(lines)


def partition_metadata(partition: Partition, *, reused: bool) -> dict[str, dg.MetadataValue]:
    """All metadata of a finished partition beyond what the IO manager adds, named as its asset's contract names it."""
    contract = CONTRACTS[partition.asset]
    figures = partition.read_figures(contract.figures)
    metadata: dict[str, dg.MetadataValue] = {
        "result": dg.MetadataValue.text("unchanged: nothing had to be done" if reused else "built"),
        **_report(partition),
        "built with": dg.MetadataValue.md(markdown_table(_surroundings(partition))),
        **_plots(partition, figures),
    }
    for table in contract.tables:
        if table.sample:
            metadata[f"sample of {table.name}"] = dg.MetadataValue.md(markdown_table(_sample(partition, table)))
    if REJECTED in contract.tables:
        metadata["rejects by reason"] = dg.MetadataValue.md(markdown_table(_sampled_rejects(partition)))
    stored = figures.model_dump(mode="json")
    for one, value in figures.told():
        if isinstance(value, DiversityFigures):
            metadata[one.label] = dg.MetadataValue.md(markdown_table(diversity_rows(value)))
        elif not isinstance(value, Funnel):  # which is among the plots
            metadata |= _figure(one.label, stored[one.name], inside(contract.figures, one.name))
    for name, one in declarations(Cost).items():
        metadata |= _figure(one.label, partition.cost.get(name), inside(Cost, name))
    if changes := _changes(partition):
        metadata["than the build before"] = dg.MetadataValue.md(markdown_table(changes))
    return {**metadata, "fingerprint": dg.MetadataValue.text(partition.fingerprint)}


def _report(partition: Partition) -> dict[str, dg.MetadataValue]:
    """Of the asset that has one: the link that opens it in the browser, and the file, for UIs that `xinstr ui` did not start."""
    if partition.asset != EVAL_REPORT.asset:
        return {}
    language, store = str(partition.manifest["language"]), Store(partition.path.parents[1])
    return {
        "report": dg.MetadataValue.url(report_address(language)),
        "report as a file": dg.MetadataValue.path(str(report_file(store, language))),
    }


def _sample(partition: Partition, table: Table) -> list[dict[str, object]]:
    """The first rows of a table; of measures all, and of replies some, those of the models beside each other."""
    if table == MEASURES:
        return measure_rows(partition.read(table.name))
    if table == REPLIES:
        return beside(partition.read(table.name), SAMPLE_ROWS // 2).to_dicts()
    return partition.scan(table.name).select(table.sample).head(SAMPLE_ROWS).collect().to_dicts()


def progress_metadata(event: Event) -> dict[str, str | int | float]:
    """What an event tells, a value each: numbers, which the UI plots over time, by the unit that they count."""
    numbers = {
        f"{event.unit} done": event.done if event.unit else None,
        f"{event.unit} in all": event.total,
        f"{event.unit} a second": event.rate and round(event.rate, 3),
        "seconds left": event.seconds_left and round(event.seconds_left),
        **{name.replace("_", " "): value for name, value in event.figures.items()},
    }
    return {"doing": event.doing, **{name: value for name, value in numbers.items() if value is not None}}


def _figure(label: str, stored: Any, kinds: Sequence[type[Declared]]) -> dict[str, dg.MetadataValue]:
    """A stored figure under its label: numbers, which the UI plots over time, text, or a table. Curves and matrices are plots."""
    if isinstance(stored, bool):
        return {label: dg.MetadataValue.bool(stored)}
    if isinstance(stored, (int, float)):
        return {label: dg.MetadataValue.float(float(stored))}
    if isinstance(stored, str) and stored:
        return {label: dg.MetadataValue.text(stored)}
    rows = figure_rows(stored, kinds)
    return {label: dg.MetadataValue.md(markdown_table(rows))} if rows else {}


def _surroundings(partition: Partition) -> list[dict[str, object]]:
    """With what it was built, a line each, and where that was said: xinstr.toml, the language's entry or this run."""
    built = partition.built
    shown = ("preset", "base_model", "precision", "prompt_format", "corpus", "seeds")
    lines = {**{name: built[name] for name in shown if built.get(name)}, **built.get("changed", {})}
    said = {"preset": "default", "corpus": "default", "seeds": "default", **built.get("places", {})}
    rows = [{"setting": name, "value": value, "said by": said.get(name, "preset")} for name, value in lines.items()]
    return [*rows, {"setting": "ended", "value": built.get("time", ""), "said by": ""}]


def _changes(partition: Partition) -> list[dict[str, object]]:
    """The numbers that are others than in the build before."""
    before = dict(build_before(partition).select("figure", "value").iter_rows())
    now = dict(numbers(partition.figures))
    return [
        {"figure": name, "before": before[name], "now": value}
        for name, value in now.items()
        if name in before and before[name] != value
    ]


def _sampled_rejects(partition: Partition) -> list[dict[str, object]]:
    """A few rejects of every reason from all over the corpus: a speaker of the language sees whether each is fair."""
    rejected = partition.scan(REJECTED.name).with_columns(order=pl.col("place").hash())
    sampled = rejected.sort("reason", "order").group_by("reason", maintain_order=True).head(REJECTS_A_REASON)
    return sampled.select("reason", "value", "threshold", "excerpt").collect().to_dicts()


def _plots(partition: Partition, figures: Figures) -> dict[str, dg.MetadataValue]:
    plots: dict[str, dg.MetadataValue] = {}
    for one, value in figures.told():
        if isinstance(value, Funnel):
            steps = [{"step": step, one.unit: count} for step, count in value.steps.items()]
            plots[one.label] = dg.MetadataValue.md(markdown_table(steps))
            plots[f"{one.label} plot"] = _image(funnel_chart(value))
    if isinstance(figures, TrainingFigures) and figures.losses:
        plots["loss curve"] = _image(loss_chart({partition.asset: figures.losses}))
    if isinstance(figures, ValidationFigures):
        plots["confusion"] = _image(confusion_chart(figures.confusion))
        if figures.reliability:
            plots["reliability"] = _image(reliability_chart(figures.reliability))
    if PAIRS in CONTRACTS[partition.asset].tables and partition.tables[PAIRS.name]["rows"]:
        ratings = partition.read(PAIRS.name)[RATING.name]
        plots["rating distribution"] = _image(histogram(ratings, "expected level"))
    return plots


def _image(chart: Any) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png(chart)).decode()})")


def _shown(value: object) -> object:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else value
