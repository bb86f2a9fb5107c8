"""The report page: one self-contained HTML file. Everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.evaluation.agreement import Agreement
from xinstr_core.evaluation.arm_models import ArmModel
from xinstr_core.evaluation.arms import ARMS, CHOICES
from xinstr_core.evaluation.gaps import Gap
from xinstr_core.evaluation.measures import Measure, compare
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.files import write_text
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
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS
from xinstr_core.schemas.declaration import Contract, FigureDeclaration, Told, declarations
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, MAP
from xinstr_core.schemas.eval_report import ArmFigures
from xinstr_core.schemas.evaluator import EVALUATOR, EvaluatorFigures
from xinstr_core.schemas.metrics import BASE, METRIC, METRICS, TUNED
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import KEPT, PAIRS, RATING, REFINED_PAIRS, RoundFigures
from xinstr_core.schemas.reverse_model import REVERSE_MODEL
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.shared import SCORES, SHARE
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.settings import Settings
from xinstr_core.store import Partition

SAMPLES = 6
_FUNNELS: tuple[Contract[Any], ...] = (SEED_PAIRS, RAW_CORPUS, CANDIDATE_PAIRS, REFINED_PAIRS, DIVERSIFIED_SET)
_TRAINED: tuple[Contract[Any], ...] = (REVERSE_MODEL, EVALUATOR, TUNED_MODEL)


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
    arms: Sequence[ArmModel] = ()
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
        seeds=_figures(inputs, SEED_PAIRS),
        evaluator=_figures(inputs, EVALUATOR),
        refined=_figures(inputs, REFINED_PAIRS),
        selection=_figures(inputs, DIVERSIFIED_SET),
        diversity=_figures(inputs, DIVERSIFIED_SET).diversity,
        tuned=_figures(inputs, TUNED_MODEL),
        # How it was tuned, which what is set now need not be.
        tuning=inputs[TUNED_MODEL.asset].made_of["settings"]["tuning"],
        scores=_scores(_figures(inputs, EVALUATOR)),
        of_rounds=declarations(RoundFigures),
        of_arms=declarations(ArmFigures),
        **_measured(language, settings, findings),
        **_plots(inputs),
        pairs=inputs[REFINED_PAIRS.asset].read(PAIRS.name).filter(KEPT).sort("pair_id").head(SAMPLES).to_dicts(),
        replies=findings.replies.sort("prompt_id", "model").head(2 * SAMPLES).to_dicts(),
        audit=findings.audit,
        audit_note=findings.audit_note,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "index.html", page)
    return folder


def _measured(language: Language, settings: Settings, findings: Findings) -> dict[str, Any]:
    """What the page says of models: base and tuned, both kinds of prompts, arms, gold."""
    comparisons = compare(findings.measures, findings.gaps, settings.evaluation)
    of_arms = [gap for gap in findings.gaps if gap.reference in ARMS]
    models = {BASE, TUNED, *ARMS}
    points = [
        {"label": f"{c.metric} ({c.prompts})", **_point(m)}
        for c in comparisons
        if _unit(c.metric) == SHARE
        for m in (c.base, c.tuned)
    ]
    by_prompts = {(m.metric, m.prompts): m for m in findings.measures if m.model == TUNED}
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
        "choices": CHOICES,
        "arm_measures": [m for m in findings.measures if m.model in ARMS],
        "gaps": of_arms,
        "gap_plots": [
            ("shares of prompts" if unit == SHARE else unit, _markup(gap_plot(of_unit)))
            for unit in dict.fromkeys(metric.unit for metric in METRICS)
            if (of_unit := [gap for gap in of_arms if _unit(gap.metric) == unit])
        ],
        "others": [m for m in findings.measures if m.model not in models],
    }


def _plots(inputs: Mapping[str, Partition]) -> dict[str, Any]:
    """What the page shows of the stages before."""
    evaluator, pairs = _figures(inputs, EVALUATOR), inputs[REFINED_PAIRS.asset].scan(PAIRS.name)
    shown = [name for name in (RATING.name, *SCORES) if name in pairs.collect_schema().names()]
    ratings = pairs.select(shown).drop_nulls().collect()
    return {
        "funnels": [(one.asset, _markup(funnel_plot(_figures(inputs, one).funnel))) for one in _FUNNELS],
        "losses": [(one.asset, _markup(loss_plot(_figures(inputs, one).losses))) for one in _TRAINED],
        "confusion": _markup(confusion_plot(evaluator.confusion)),
        "reliability": _markup(reliability_plot(evaluator.reliability)) if evaluator.reliability else "",
        "ratings": [(name, _markup(histogram(ratings[name], name.replace("_", " ")))) for name in shown]
        if len(ratings)
        else [],
        "cluster_map": _cluster_map(inputs[DIVERSIFIED_SET.asset]),
    }


def _scores(evaluator: EvaluatorFigures) -> list[tuple[FigureDeclaration, float]]:
    """How well the two scores tell apart what they are for, as far as it is known."""
    of_scores = ("auc_shuffled", "auc_pair_fit", "auc_instruction_quality", "auc_generated")
    return [(one, value) for one, value in evaluator.told() if one.name in of_scores and value is not None]


def _cluster_map(diversified: Partition) -> Any:
    points = diversified.read(MAP.name) if MAP.name in diversified.tables else pl.DataFrame()
    return _markup(cluster_map(points)) if len(points) else ""


def _figures(inputs: Mapping[str, Partition], contract: Contract[Told]) -> Told:
    return inputs[contract.asset].read_figures(contract.figures)


def _unit(metric: str) -> str:
    return METRIC[metric].unit


def _point(measure: Measure) -> dict[str, Any]:
    return {name: value for name, value in asdict(measure).items() if name in ("model", "value", "low", "high")}


def _markup(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)
