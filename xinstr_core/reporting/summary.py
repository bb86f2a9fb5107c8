"""A language's report in short: the findings of the verdict, and the figures by which languages stand beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from xinstr_core.evaluation.arms import SELECTED
from xinstr_core.evaluation.measures import Measure
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.progress import duration
from xinstr_core.reporting.blocks import counted, percent
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.people import by_people
from xinstr_core.reporting.sections.making import ended
from xinstr_core.reporting.sections.provenance import licences_of
from xinstr_core.reporting.verdict import Answer, Finding, better, curated, general, limits, publishable, worth
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.metrics import BASE, TUNED, WRONG_LANGUAGE
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.text import without_folders

PERSONAL_DATA = "personal_data"  # the reason of a reject


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval where it is known, and what it is of."""

    value: float
    low: float | None
    high: float | None
    of: str

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return percent(self.value)
        return f"{percent(self.value)} ({percent(self.low)} to {percent(self.high)})"


@dataclass(frozen=True)
class Summary:
    """What the top of a report and a row of the overview tell. InputError where what is stored cannot be read."""

    built: Built

    @property
    def findings(self) -> list[Finding]:
        built, refined = self.built, self.built.figures(REFINED_PAIRS)
        cut = built.figures(RAW_CORPUS).funnel.lost.get(PERSONAL_DATA, 0)
        precision = self.precision
        refused = bool(built.settings(RAW_CORPUS, "corpus").get("refuse_personal_data"))
        is_curated = curated(refined, built.figures(EVALUATOR), by_people(built))
        found = [
            better(built.comparisons, {ENGLISH: "English", built.tag: built.language}),
            is_curated,
            publishable(
                licences_of(built),
                refused,
                cut,
                is_curated.answer is Answer.YES,
                f"{precision}, on {precision.of}" if precision else "",
            ),
            worth(built.gaps, SELECTED),
        ]
        return [one for one in found if one]

    @property
    def limits(self) -> list[str]:
        built = self.built
        return limits(
            built.is_embedded_world,
            built.figures(SEED_PAIRS).english_only,
            built.figures(DIVERSIFIED_SET).advice,
            built.behind(),
        )

    @property
    def kept(self) -> int:
        return self.built.figures(REFINED_PAIRS).funnel.kept

    @property
    def selected(self) -> int:
        return self.built.figures(DIVERSIFIED_SET).funnel.kept

    @property
    def precision(self) -> Share | None:
        """Of the kept pairs: by people where enough labelled, else on held-out instructions, else by the few that are labelled.

        None where nobody measured it.
        """
        people, proof = by_people(self.built), self.built.figures(REFINED_PAIRS).precision
        if proof and proof.precision is not None and not (people and people.is_enough):
            of_these = counted(proof.checked_kept, "held-out instruction")
            return Share(proof.precision, proof.low, proof.high, of_these)
        if people:
            of_these = f"{counted(people.labelled, 'kept pair')} that people labelled"
            return Share(people.precision, people.low, people.high, of_these)
        return None

    def wrong_language(self, model: str) -> Measure | None:
        """Replies of a model in another language than was asked for: to prompts in the language, else to English ones."""
        found = {
            one.prompts: one for one in self.built.measures if one.model == model and one.metric == WRONG_LANGUAGE.name
        }
        return found.get(self.built.tag) or found.get(ENGLISH)

    @property
    def wrong_language_of_both(self) -> list[tuple[str, Measure]]:
        return [(model, found) for model in (BASE, TUNED) if (found := self.wrong_language(model))]

    @property
    def clearly_better(self) -> str:
        """The measures that the first finding weighs."""
        known = general(self.built.comparisons)
        better, worse = sum(one.clear for one in known), sum(one.clearly_worse for one in known)
        return f"{better} better, {worse} worse of {len(known)}"

    @property
    def time_and_money(self) -> str:
        costs = [cost for _, cost in self.built.costs()]
        money = sum(use.money for cost in costs for use in cost.engines.values())
        return duration(sum(cost.seconds for cost in costs)) + (f", money {money:,.2f}" if money else "")

    @property
    def licences(self) -> str:
        rows = licences_of(self.built).rows
        return ", ".join(rows) or "no row"

    @property
    def ended(self) -> str:
        return ended(self.built[EVAL_REPORT])

    @property
    def preset(self) -> str:
        return str(self.built[EVAL_REPORT].built.get("preset") or "")

    @property
    def base_model(self) -> str:
        return without_folders(str(self.built[EVAL_REPORT].built.get("base_model") or ""))
