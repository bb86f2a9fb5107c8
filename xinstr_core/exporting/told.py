"""What a card tells of a language, as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xinstr_core.evaluation.measures import Comparison
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.exporting.facts import SetFacts
from xinstr_core.exporting.markdown import Markdown, code, table
from xinstr_core.languages import Language
from xinstr_core.reporting.verdict import Finding, better
from xinstr_core.schemas.declaration import Declared, declarations
from xinstr_core.schemas.metrics import METRIC
from xinstr_core.schemas.seed_pairs import IN_ENGLISH
from xinstr_core.schemas.shared import ValidationFigures


@dataclass(frozen=True)
class Told:
    """What is told of a language, as tables."""

    facts: SetFacts

    @property
    def funnel(self) -> Markdown:
        return table(["stage", "", "rows"], [[code(asset), label, count] for asset, label, count in self.facts.funnel])

    @property
    def accuracy(self) -> str:
        found = self.facts.accuracy
        return with_interval(found.value, found.low, found.high)

    @property
    def rated_by(self) -> str:
        """Which evaluator the figures are of: that of the last round that counts, which is another than the first."""
        number = self.facts.validation_round
        if number is None:
            return "the evaluator as it was trained first; no round rated pairs with it"
        if number == 1:
            return "the evaluator of round 1, as it was trained first"
        return (
            f"the evaluator of round {number}, which learned again from pairs of the round before; the report's own table is of "
            "the one of round 1"
        )

    @property
    def validation(self) -> Markdown:
        shown = ("auc_shuffled", "auc_generated", "calibration_error")
        found = self.facts.validation
        rows = [
            [one.label, f"{value:.3f}", one.compared_with, one.meaning]
            for one, value in found.told()
            if one.name in shown and value is not None
        ]
        accuracy = _declared(ValidationFigures, "accuracy")
        first = [
            accuracy.label,
            self.accuracy,
            f"{accuracy.compared_with}; {self.facts.minimum_accuracy:g} is needed",
            accuracy.meaning,
        ]
        held_out = _declared(ValidationFigures, "held_out_rows")
        return table(
            ["", "value", "beside", "meaning"],
            [first, *rows, [held_out.label, f"{found.held_out_rows}", "", held_out.meaning]],
        )

    @property
    def precision(self) -> str:
        """What is wanted of the kept pairs and what came of it on held-out instructions; empty where nothing is wanted."""
        found = self.facts.curation.precision
        return f"{found.said[0].upper()}{found.said[1:]}." if found else ""

    @property
    def audit(self) -> Markdown | None:
        found, _ = self.facts.audit
        if not found:
            return None
        rows = [[one.aspect, one.measure, with_interval(one.value, one.low, one.high), one.n] for one in found]
        return table(["aspect", "measure", "value (95 % interval)", "pairs"], rows)

    @property
    def audit_note(self) -> str:
        return self.facts.audit[1]

    @property
    def audit_said(self) -> str:
        found = self.facts.curation.audit
        return f"{found.said}." if found else ""

    @property
    def comparisons(self) -> Markdown | None:
        return comparison_table(self.facts.comparisons)

    @property
    def verdict(self) -> Finding:
        return verdict(self.facts.comparisons, self.facts.built.language)

    @property
    def seeds(self) -> str:
        return ", ".join(f"{count} {origin}" for origin, count in self.facts.seeds_by_origin.items())

    @property
    def made_with(self) -> Markdown:
        return table(
            ["stage", "preset", "changed"], [[code(a), p, code(c) if c else ""] for a, p, c in self.facts.made_with]
        )


_ORIGINS: Mapping[str, str] = {
    "native": "that people wrote in the language",
    "native_instruction_translated": "whose response people wrote in the language and whose instruction a machine translated",
    "response_translated": "whose response a machine translated",
    "parallel": "whose response people translated and whose instruction a model wrote for its English side",
    IN_ENGLISH: "whose response is English",
}


def seed_origins(counts: Mapping[str, int]) -> str:
    """How many seed pairs came about in which way."""
    return ", ".join(f"{count} {_ORIGINS.get(origin, f'of origin {origin}')}" for origin, count in counts.items())


def comparison_table(found: Sequence[Comparison]) -> Markdown | None:
    """Measures of base and tuned model beside each other; None for none."""
    if not found:
        return None
    rows = [
        [
            one.metric,
            one.prompts,
            f"{one.base.value:.3f}",
            f"{one.tuned.value:.3f}",
            with_interval(one.gap.difference, one.gap.low, one.gap.high, "+"),
            one.gap.better or "neither",
            one.gap.n,
            METRIC[one.metric].unit,
            one.verdict,
        ]
        for one in found
    ]
    columns = (
        "measure",
        "prompts in",
        "base",
        "tuned",
        "difference (95 % interval)",
        "which way is better",
        "cases",
        "unit",
    )
    return table([*columns, "tuned is better"], rows)


def verdict(found: Sequence[Comparison], language: Language) -> Finding:
    """Whether the tuned model is better than its base, as the report has it."""
    return better(found, {ENGLISH: "English", language.tag: language.name})


def with_interval(value: float, low: float | None, high: float | None, sign: str = "") -> str:
    if low is None or high is None:
        return f"{value:{sign}.3f} (no interval: too few cases, or all alike)"
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _declared(kind: type[Declared], name: str) -> Any:
    return declarations(kind)[name]
