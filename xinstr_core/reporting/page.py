"""The report page: one self-contained HTML file. Everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import polars as pl

from xinstr_core.evaluation.measures import Measure, compare
from xinstr_core.languages import Language
from xinstr_core.reporting.plots import comparison_plot, confusion_plot, funnel_plot, histogram, loss_plot
from xinstr_core.settings import Settings
from xinstr_core.store import Partition, write_text

SAMPLES = 6
_FUNNELS = ("seed_pairs", "raw_corpus", "candidate_pairs", "refined_pairs", "diversified_set")
_TRAINED = ("reverse_model", "evaluator", "tuned_model")


def write_page(
    folder: Path,
    language: Language,
    settings: Settings,
    inputs: Mapping[str, Partition],
    measures: Sequence[Measure],
    replies: pl.DataFrame,
) -> Path:
    """Write `index.html` into a folder and return the folder."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((files(__package__) / "report.html.jinja").read_text("utf-8"))
    comparisons = compare(measures)
    unit = [c for c in comparisons if "likelihood" not in c.metric]
    points = [
        {"label": f"{c.metric} ({c.prompts})", "model": m.model, "value": m.value, "low": m.low, "high": m.high}
        for c in unit
        for m in (c.base, c.tuned)
    ]
    pairs = inputs["refined_pairs"].read("pairs")
    samples = pairs.filter("kept").sort("pair_id").head(SAMPLES)
    page = template.render(
        language=language,
        settings=settings,
        seeds=inputs["seed_pairs"].figures,
        evaluator=inputs["evaluator"].figures,
        refined=inputs["refined_pairs"].figures,
        tuned=inputs["tuned_model"].figures,
        comparisons=comparisons,
        others=[asdict(m) for m in measures if m.model not in ("base", "tuned")],
        comparison_plot=Markup(comparison_plot(points)) if points else "",
        funnels=[(name, Markup(funnel_plot(inputs[name].figures["funnel"]))) for name in _FUNNELS],
        losses=[(name, Markup(loss_plot(inputs[name].figures["losses"]))) for name in _TRAINED],
        confusion=Markup(confusion_plot(inputs["evaluator"].figures["confusion (true level by predicted level)"])),
        ratings=Markup(histogram(pairs["rating"], "expected level")) if len(pairs) else "",
        pairs=samples.to_dicts(),
        replies=replies.sort(["prompt_id", "model"]).head(2 * SAMPLES).to_dicts(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "index.html", page)
    return folder
