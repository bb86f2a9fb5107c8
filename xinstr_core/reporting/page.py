"""The report page: one self-contained HTML file. Everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.evaluation.agreement import Agreement
from xinstr_core.evaluation.arms import ARMS, Gap
from xinstr_core.evaluation.measures import Measure, compare
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.languages import Language
from xinstr_core.reporting.cluster_map import cluster_map
from xinstr_core.reporting.plots import (
    comparison_plot,
    confusion_plot,
    funnel_plot,
    gap_plot,
    histogram,
    loss_plot,
    reliability_plot,
)
from xinstr_core.settings import Settings
from xinstr_core.store import Partition, write_text

SAMPLES = 6
_FUNNELS = ("seed_pairs", "raw_corpus", "candidate_pairs", "refined_pairs", "diversified_set")
_TRAINED = ("reverse_model", "evaluator", "tuned_model")
_CONFUSION, _RELIABILITY = "confusion (true level by predicted level)", "reliability (confidence, share right, rows)"
_SCORES = ("instruction_quality", "pair_fit")


@dataclass(frozen=True)
class Findings:
    """What the evaluation found, for the page.

    `arms` says what each arm was tuned on; of `taught` instructions in the tuned model's training, `foreign` are not in
    English. `audit` is how a person's labels agree with the ratings, and `audit_note` what is to be said of the labels.
    """

    measures: Sequence[Measure]
    replies: pl.DataFrame
    taught: int
    foreign: int
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()
    audit: Sequence[Agreement] = ()
    audit_note: str = ""


def write_page(
    folder: Path, language: Language, settings: Settings, inputs: Mapping[str, Partition], findings: Findings
) -> Path:
    """Write `index.html` into a folder and return the folder."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((files(__package__) / "report.html.jinja").read_text("utf-8"))
    page = template.render(
        language=language,
        settings=settings,
        seeds=inputs["seed_pairs"].figures,
        evaluator=inputs["evaluator"].figures,
        refined=inputs["refined_pairs"].figures,
        diversified=inputs["diversified_set"].figures,
        tuned=inputs["tuned_model"].figures,
        **_measured(language, findings),
        **_plots(inputs),
        pairs=inputs["refined_pairs"].read("pairs").filter("kept").sort("pair_id").head(SAMPLES).to_dicts(),
        replies=findings.replies.sort("prompt_id", "model").head(2 * SAMPLES).to_dicts(),
        audit=findings.audit,
        audit_note=findings.audit_note,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "index.html", page)
    return folder


def _measured(language: Language, findings: Findings) -> dict[str, Any]:
    """What the page says of models: base and tuned, both kinds of prompts, arms, gold."""
    comparisons = compare(findings.measures)
    models = {"base", "tuned", *ARMS}
    points = [
        {"label": f"{c.metric} ({c.prompts})", **_point(m)}
        for c in comparisons
        if not _is_likelihood(c.metric)
        for m in (c.base, c.tuned)
    ]
    by_prompts = {(m.metric, m.prompts): m for m in findings.measures if m.model == "tuned"}
    return {
        "comparisons": comparisons,
        "comparison_plot": _markup(comparison_plot(points)) if points else "",
        "zero_shot": [
            (english, native)
            for (metric, asked_in), english in by_prompts.items()
            if asked_in == ENGLISH and (native := by_prompts.get((metric, language.tag)))
        ],
        "taught": findings.taught,
        "foreign": findings.foreign,
        "arms": findings.arms,
        "arm_measures": [m for m in findings.measures if m.model in ARMS],
        "gaps": findings.gaps,
        "gap_plots": [
            (title, _markup(gap_plot([gap for gap in findings.gaps if _is_likelihood(gap.metric) is likelihood])))
            for title, likelihood in (("shares of prompts", False), ("nats per token", True))
            if any(_is_likelihood(gap.metric) is likelihood for gap in findings.gaps)
        ],
        "others": [m for m in findings.measures if m.model not in models],
    }


def _plots(inputs: Mapping[str, Partition]) -> dict[str, Any]:
    """What the page shows of the stages before."""
    evaluator, pairs = inputs["evaluator"].figures, inputs["refined_pairs"].scan("pairs")
    shown = [name for name in ("rating", *_SCORES) if name in pairs.collect_schema().names()]
    ratings = pairs.select(shown).drop_nulls().collect()
    return {
        "funnels": [(name, _markup(funnel_plot(inputs[name].figures["funnel"]))) for name in _FUNNELS],
        "losses": [(name, _markup(loss_plot(inputs[name].figures["losses"]))) for name in _TRAINED],
        "confusion": _markup(confusion_plot(evaluator[_CONFUSION])),
        "reliability": _markup(reliability_plot(evaluator[_RELIABILITY])) if evaluator.get(_RELIABILITY) else "",
        "ratings": [(name, _markup(histogram(ratings[name], name.replace("_", " ")))) for name in shown]
        if len(ratings)
        else [],
        "cluster_map": _cluster_map(inputs["diversified_set"]),
    }


def _cluster_map(diversified: Partition) -> Any:
    points = diversified.read("map") if "map" in diversified.tables else pl.DataFrame()
    return _markup(cluster_map(points)) if len(points) else ""


def _is_likelihood(metric: str) -> bool:
    return "likelihood" in metric


def _point(measure: Measure) -> dict[str, Any]:
    return {name: value for name, value in asdict(measure).items() if name in ("model", "value", "low", "high")}


def _markup(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)
