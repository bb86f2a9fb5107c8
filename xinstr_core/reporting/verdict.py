"""The verdict in plain words: is the tuned model better than its base, is the data curated, may it be published.

Each rule is a function of what was measured. None says more than its cases: what is too little to tell is said to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from xinstr_core.evaluation.gaps import Gap
from xinstr_core.evaluation.measures import Comparison
from xinstr_core.reporting.blocks import percent, shares, spoken
from xinstr_core.reporting.terms import PUBLISHABLE, Licences, Terms
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.metrics import METRIC
from xinstr_core.schemas.refined_pairs import RefinedFigures


class Answer(StrEnum):
    YES = "yes"
    PARTLY = "in part"
    NOT_SHOWN = "not shown"
    NO = "no"


@dataclass(frozen=True)
class Finding:
    """The answer to one question: a sentence that stands by itself, and the numbers that it goes by."""

    question: str
    answer: Answer
    sentence: str
    numbers: tuple[str, ...] = ()


def better(comparisons: Sequence[Comparison]) -> Finding:
    """Whether the tuned model is better than its base, by measures that hold for any text.

    A measure counts where it has enough cases and an interval of the difference, case by case.
    """
    question = "Is the tuned model better than the base model?"
    general = [one for one in comparisons if not METRIC[one.metric].of_embedded_world]
    known = [one for one in general if one.is_known]
    if not general:
        return Finding(question, Answer.NOT_SHOWN, "Not shown: the two models have no measure in common.")
    if not known:
        most, least = max(one.gap.n for one in general), general[0].minimum_cases
        why = (
            f"no measure has {least} cases, from which on a difference tells something; the most is {most}"
            if most < least
            else "no measure has cases that differ"
        )
        return Finding(question, Answer.NOT_SHOWN, f"Not shown: {why}.")
    wins, losses = [one for one in known if one.clear], [one for one in known if one.clearly_worse]
    of_all = f"of {_counted(len(known), 'measure')}"
    rest = len(known) - len(wins) - len(losses)
    open_ones = f"; on {rest} no difference is shown" if rest else ""
    if wins and not losses:
        sentence = f"Yes: it is better on {len(wins)} {of_all} and worse on none{open_ones}."
        answer = Answer.YES
    elif wins:
        sentence = f"In part: it is better on {len(wins)} {of_all} and worse on {len(losses)}{open_ones}."
        answer = Answer.PARTLY
    elif losses:
        sentence = f"No: it is better on none {of_all} and worse on {len(losses)}{open_ones}."
        answer = Answer.NO
    else:
        sentence = f"Not shown: on none {of_all} the difference stands clear of zero."
        answer = Answer.NOT_SHOWN
    return Finding(question, answer, sentence, tuple(_compared(one) for one in (*wins, *losses)))


def _compared(one: Comparison) -> str:
    unit = METRIC[one.metric].unit
    asked = f", prompts in {one.prompts}" if one.prompts != "-" else ""
    went = "better" if one.clear else "worse"
    return (
        f"{one.metric}{asked}: {spoken(one.base.value, unit)} before tuning, {spoken(one.tuned.value, unit)} after: "
        f"{went} ({one.gap.n} cases)"
    )


def curated(refined: RefinedFigures, evaluator: EvaluatorFigures) -> Finding:
    """Whether ratings decided what was kept, and how precise that is."""
    question = "Is the data curated?"
    if not refined.curated:
        why = (
            refined.advice.removeprefix("Not curated: ") or "the evaluator was not good enough to decide what is kept."
        )
        return Finding(
            question,
            Answer.NO,
            f"No: {why}",
            ("What went on is the best rated pair of every text, whatever its rating.",),
        )
    accuracy = f"evaluator: {percent(evaluator.accuracy)} of {evaluator.held_out_rows} held-out rows rightly rated, chance is a third"
    if refined.audit:
        found = refined.audit
        sentence = (
            f"Yes: people find {percent(found.precision)} ({percent(found.low)} to {percent(found.high)}) right of "
            f"{found.labelled} kept pairs that they labelled."
        )
        return Finding(question, Answer.YES, sentence, (accuracy,))
    if refined.precision and refined.precision.precision is not None:
        proof = refined.precision
        sentence = (
            f"Yes: of {_counted(proof.checked_kept, 'held-out instruction')} kept in the same way "
            f"{percent(proof.precision or 0)} ({percent(proof.low or 0)} to {percent(proof.high or 0)}) are right."
        )
        return Finding(question, Answer.YES, sentence, (accuracy,))
    sentence = "Yes: an evaluator that was good enough on held-out seed pairs decided what is kept. How many of the kept pairs are right was not measured on real pairs."
    return Finding(
        question,
        Answer.YES,
        sentence,
        (accuracy, "`xinstr audit write` draws pairs that people can label: their share of right ones is a precision."),
    )


def publishable(licences: Licences, is_curated: bool, personal_data_refused: bool, cut: int) -> Finding:
    """Whether the data may be published, by the licences of its rows and by what was done about personal data."""
    question = "May the data be published?"
    total = licences.total
    if not total:
        return Finding(question, Answer.NO, "No: there is nothing to publish, no row is left.")
    unknown, restricted = licences.under(Terms.UNKNOWN), licences.under(Terms.NOT_COMMERCIAL, Terms.NO_DERIVATIVES)
    good = licences.under(*PUBLISHABLE)
    numbers = [f"Licences of the {_counted(total, 'row')}: {shares({**licences.rows})}"]
    asked = [_condition(one, licences, total) for one in Terms if licences.under(one) and one is not Terms.FREE]
    if not personal_data_refused:
        answer = Answer.NO
        sentence = "No: personal data was not looked for, so rows may hold e-mail addresses and telephone numbers."
    elif not good:
        answer = Answer.NO if restricted and not unknown else Answer.NOT_SHOWN
        sentence = f"{'No' if answer is Answer.NO else 'Not shown'}: no row has a licence that is known to allow it."
    elif unknown or restricted:
        answer = Answer.PARTLY
        said = [
            f"{_part(found, total)} {what}"
            for found, what in (
                (restricted, "have a licence that restricts it"),
                (unknown, "have no licence that is known here"),
            )
            if found
        ]
        sentence = f"In part: {_part(good, total)} rows have a licence that allows it; {' and '.join(said)}."
    else:
        answer = Answer.YES
        sentence = f"Yes, by their licences: {_all(total)} a licence that allows it."
    if answer in (Answer.YES, Answer.PARTLY) and not is_curated:
        sentence += " Say with it that it is not curated."
    found = f" ({_counted(cut, 'page')})" if cut else " (none was found)"
    personal = (
        "Personal data: pages were cut around e-mail addresses, telephone, card and network numbers"
        f"{found}; names of people were not looked for."
        if personal_data_refused
        else "Personal data: build again with corpus.refuse_personal_data = true."
    )
    return Finding(question, answer, sentence, (*numbers, *asked, personal))


def _condition(one: Terms, licences: Licences, total: int) -> str:
    found = licences.under(one)
    return f"{_part(found, total)} rows: their licences {one.value} ({', '.join(sorted(found))})"


def _part(found: Mapping[str, int], total: int) -> str:
    count = sum(found.values())
    return f"{count:,} of {total:,} ({percent(count / total)})"


def _all(total: int) -> str:
    return "the only row has" if total == 1 else f"all {total:,} rows have"


def worth(gaps: Sequence[Gap], selected: str) -> Finding | None:
    """Whether the selection is worth more than other choices of as many pairs; None where no other model was tuned."""
    compared = [gap for gap in gaps if gap.reference == selected]
    if not compared:
        return None
    question = "Was choosing these pairs worth it?"
    general = [gap for gap in compared if not METRIC[gap.metric].of_embedded_world]
    wins = [gap for gap in general if gap.clear]
    losses = [gap for gap in general if gap.clearly_worse]
    arms = ", ".join(dict.fromkeys(gap.arm.replace("_", " ") for gap in compared))
    of_all = f"of {_counted(len(general), 'comparison')} with models tuned on other pairs ({arms})"
    if not wins and not losses:
        return Finding(
            question, Answer.NOT_SHOWN, f"Not shown: the selection is better in none {of_all}, and worse in none."
        )
    answer = Answer.YES if not losses else Answer.PARTLY if wins else Answer.NO
    begins = {Answer.YES: "Yes", Answer.PARTLY: "In part", Answer.NO: "No"}[answer]
    return Finding(
        question, answer, f"{begins}: the selection is better in {len(wins)} {of_all}, and worse in {len(losses)}."
    )


def limits(
    is_embedded_world: bool, english_only: bool, advice: str, judged_content: bool, behind: Sequence[str]
) -> list[str]:
    """What these numbers cannot say."""
    said = []
    if is_embedded_world:
        said.append(
            "The text is generated by the embedded world: its figures show whether the machinery works, and nothing of quality on real text."
        )
    if not judged_content:
        said.append(
            "No measure here judges whether a reply is true or helpful: they tell its language, repetition, whether it ends, and how likely the model finds good responses."
        )
    if english_only:
        said.append(
            "No seed pair has a response in the language: reverse model and evaluator learned from English pairs alone."
        )
    said.append("Every model was trained once: what another order of its rows would change is in no interval.")
    said += [advice] if advice else []
    said += [f"This page mixes two builds: {one}. `xinstr build` brings it up to date." for one in behind]
    return said


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
