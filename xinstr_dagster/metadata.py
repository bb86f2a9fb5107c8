"""What a person sees of a partition in the UI: figures, a funnel, plots and sample rows that cannot break out."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence

import dagster as dg
import polars as pl

from xinstr_core.reporting.plots import confusion_plot, funnel_plot, histogram, loss_plot, reliability_plot
from xinstr_core.store import Partition
from xinstr_core.text import printable

SAMPLE_ROWS = 8
REJECTS_A_REASON = 4
CELL_CHARACTERS = 160
# Columns that a reader wants to see, by asset: a sample of every column would be unreadable.
_SAMPLES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "raw_corpus": (("documents", ("doc_id", "text", "lid_score")),),
    "seed_pairs": (("seeds", ("instruction", "response", "origin")),),
    "candidate_pairs": (("pairs", ("instruction", "response", "status", "detail")),),
    "refined_pairs": (("pairs", ("instruction", "response", "rating", "instruction_quality", "pair_fit", "verdict")),),
    "diversified_set": (("rows", ("cluster_id", "instruction", "response", "split")),),
    "eval_report": (
        ("measures", ("metric", "model", "prompts", "value", "low", "high", "n")),
        ("replies", ("instruction", "model", "reply")),
    ),
}


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
    """All metadata of a finished partition beyond what the IO manager adds."""
    figures = partition.figures
    metadata: dict[str, dg.MetadataValue] = {
        "result": dg.MetadataValue.text("unchanged: nothing had to be done" if reused else "built"),
        **_plots(partition),
    }
    for table, columns in _SAMPLES.get(partition.asset, ()):
        sample = partition.scan(table).select(columns).head(SAMPLE_ROWS).collect()
        metadata[f"sample of {table}"] = dg.MetadataValue.md(markdown_table(sample.to_dicts()))
    if partition.asset == "raw_corpus":
        metadata["rejects by reason"] = dg.MetadataValue.md(markdown_table(_sampled_rejects(partition)))
        licences = [{"licence": name, "documents": count} for name, count in figures["licences"].items()]
        metadata["licences"] = dg.MetadataValue.md(markdown_table(licences))
    if partition.asset == "eval_report":
        metadata["report"] = dg.MetadataValue.path(str(partition.folder("report") / "index.html"))
    for name, value in {**figures, **partition.cost}.items():
        if isinstance(value, bool):
            metadata[name] = dg.MetadataValue.bool(value)
        elif isinstance(value, (int, float)):  # plotted over time by the UI
            metadata[name] = dg.MetadataValue.float(float(value))
        elif isinstance(value, str) and value:
            metadata[name] = dg.MetadataValue.text(value)
    metadata["fingerprint"] = dg.MetadataValue.text(partition.fingerprint)
    # Last, since the UI spreads JSON over the page.
    nested = {k: v for k, v in figures.items() if isinstance(v, (dict, list)) and k not in ("losses", "funnel")}
    return {**metadata, "figures": dg.MetadataValue.json(nested)} if nested else metadata


def _sampled_rejects(partition: Partition) -> list[dict[str, object]]:
    """A few rejects of every reason from all over the corpus: a speaker of the language sees whether each is fair."""
    rejected = partition.scan("rejected").with_columns(order=pl.col("place").hash())
    sampled = rejected.sort("reason", "order").group_by("reason", maintain_order=True).head(REJECTS_A_REASON)
    return sampled.select("reason", "value", "threshold", "excerpt").collect().to_dicts()


def _plots(partition: Partition) -> dict[str, dg.MetadataValue]:
    figures = partition.figures
    plots: dict[str, dg.MetadataValue] = {}
    if funnel := figures.get("funnel"):
        plots["funnel"] = dg.MetadataValue.md(markdown_table([{"step": k, "rows": v} for k, v in funnel.items()]))
        plots["funnel plot"] = _image(funnel_plot(funnel, "png"))
    if losses := figures.get("losses"):
        plots["loss curve"] = _image(loss_plot(losses, "png"))
    if confusion := figures.get("confusion (true level by predicted level)"):
        plots["confusion"] = _image(confusion_plot(confusion, "png"))
    if reliability := figures.get("reliability (confidence, share right, rows)"):
        plots["reliability"] = _image(reliability_plot(reliability, "png"))
    if partition.asset == "refined_pairs" and partition.tables["pairs"]["rows"]:
        plots["rating distribution"] = _image(histogram(partition.read("pairs")["rating"], "expected level", "png"))
    return plots


def _image(png: bytes) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def _shown(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value
