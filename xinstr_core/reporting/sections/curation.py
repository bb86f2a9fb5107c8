"""How far the evaluator can be trusted, round by round, and what people say of what it kept."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from xinstr_core.reporting.blocks import Block, Cell, Listing, Paragraph, Section, cell, with_interval
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import confusion_chart, histogram, reliability_chart
from xinstr_core.reporting.drawing import draw, listing
from xinstr_core.reporting.sections.making import ended
from xinstr_core.schemas.declaration import declarations
from xinstr_core.schemas.eval_report import AUDIT, EVAL_REPORT
from xinstr_core.schemas.evaluator import EVALUATOR, ConstructionFigures, EvaluatorFigures
from xinstr_core.schemas.refined_pairs import KEPT, PAIRS, RATING, REFINED_PAIRS, RefinedFigures, RoundFigures
from xinstr_core.schemas.shared import LEVELS, RIGHT, SCORES, ValidationFigures

_VALIDATED = declarations(ValidationFigures)
_TOLD = ("held_out_rows", "accuracy", "log_loss", "calibration_error")
_AREAS = tuple(name for name in _VALIDATED if name.startswith("auc_"))


def section(built: Built) -> Section:
    evaluator, refined = built.figures(EVALUATOR), built.figures(REFINED_PAIRS)
    blocks = [
        _validation(evaluator),
        *_plots(evaluator),
        *_proofs(refined),
        _rounds(refined),
        *_constructions(evaluator),
    ]
    return Section("evaluator", "The evaluator and what it kept", [*blocks, *_ratings(built), *_audit(built)])


def _validation(evaluator: EvaluatorFigures) -> Listing:
    rows = [
        [Cell(one.label), cell(value), cell(one.compared_with), cell(one.meaning)]
        for one, value in evaluator.told()
        if one.name in (*_TOLD, *_AREAS) and value is not None
    ]
    return Listing(
        "Of the first round, on rows that it had not learned from", ("measure", "value", "beside", "meaning"), rows
    )


def _plots(evaluator: EvaluatorFigures) -> Iterator[Block]:
    confusion = [[f"level {level}", *counts] for level, counts in zip(LEVELS, evaluator.confusion, strict=False)]
    names = ["true level", *(f"rated {level}" for level in LEVELS)]
    yield draw(
        "confusion",
        "Confusion: true level by predicted level, held-out rows",
        confusion_chart(evaluator.confusion),
        pl.DataFrame(confusion, schema=names, orient="row"),
        "Level 1 is wrong, 2 reasonable with a flaw, 3 as good as a seed pair.",
    )
    if evaluator.reliability:
        points = pl.DataFrame(
            evaluator.reliability,
            schema=dict.fromkeys(("mean confidence", "share right", "rows"), pl.Float64),
            orient="row",
        )
        yield draw(
            "reliability",
            "Confidence, and how often it is right",
            reliability_chart(evaluator.reliability),
            points,
            "On the dashed line confidence is what it says; numbers are rows.",
        )


def _proofs(refined: RefinedFigures) -> Iterator[Block]:
    if refined.precision:
        yield Paragraph(
            f"{_capital(refined.precision.said)}. Right is an instruction that asks what the person asked who wrote the seed pair."
        )
    if refined.audit:
        yield Paragraph(f"At the curation: {refined.audit.said}.")


def _rounds(refined: RefinedFigures) -> Listing:
    told = declarations(RoundFigures)
    names = ("round", "log_loss", "accuracy", "auc_level_3", "outcome")
    return Listing(
        "Rounds of label, keep and retrain",
        [told[name].label for name in names],
        [[cell(getattr(one, name)) for name in names] for one in refined.rounds],
    )


def _constructions(evaluator: EvaluatorFigures) -> Iterator[Listing]:
    told = declarations(ConstructionFigures)
    rows = [
        [Cell(name.replace("_", " ")), cell(one.held_out), cell(one.accuracy)]
        for name, one in evaluator.constructions.items()
        if one.accuracy is not None
    ]
    if rows:
        yield Listing(
            "Constructions of the rating set, first round",
            ("construction", told["held_out"].label, told["accuracy"].label),
            rows,
            folded=True,
        )


def _ratings(built: Built) -> Iterator[Block]:
    """How ratings and scores are distributed, kept pairs apart from others: they all lie where the limits put them."""
    pairs = built.read(PAIRS, KEPT, RATING.name, *SCORES, RIGHT)
    for name in (RATING.name, *SCORES, RIGHT):
        if name not in pairs.columns or pairs[name].drop_nulls().is_empty():
            continue
        title = f"{_capital(name.replace('_', ' '))} of accepted pairs"
        values = pairs.group_by(KEPT).agg(
            pairs=pl.len(),
            **{f"{int(100 * share)} %": pl.col(name).quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95)},
        )
        yield draw(
            f"values-{name}",
            title,
            histogram(pairs[name], name.replace("_", " "), pairs[KEPT]),
            listing(f"Quantiles of: {title}", values.sort(KEPT, descending=True)),
        )


def _audit(built: Built) -> Iterator[Block]:
    note, rows = built.figures(EVAL_REPORT).audit_note, built.read(AUDIT)
    if note:
        when = ended(built[EVAL_REPORT])
        yield Paragraph(f"Labelled by a person{f', as read {when} UTC' if when else ''}: {note}.")
    if len(rows):
        cells = [
            [
                Cell(row["aspect"]),
                Cell(row["measure"]),
                with_interval(row["value"], row["low"], row["high"]),
                cell(row["n"]),
            ]
            for row in rows.iter_rows(named=True)
        ]
        yield Listing(
            "Agreement of the ratings with a person who labelled blind", ("aspect", "measure", "value", "n"), cells
        )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
