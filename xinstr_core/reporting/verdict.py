"""The verdict in plain words: is the tuned model better than its base, is the data curated, may it be published.

Each rule is a function of what was measured. None says more than its cases: what is too little to tell is said to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from xinstr_core.curation.limits import MINIMUM_JUDGED
from xinstr_core.evaluation.gaps import Gap
from xinstr_core.evaluation.measures import NO_PROMPTS, Comparison
from xinstr_core.licences import Condition
from xinstr_core.reporting.blocks import counted, percent, shares, spoken
from xinstr_core.reporting.people import ByPeople
from xinstr_core.reporting.terms import Licences
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.metrics import METRIC
from xinstr_core.schemas.refined_pairs import RefinedFigures
from xinstr_core.schemas.shared import SHARE

_MANY = 10  # comparisons, of which one may stand clear by chance
_BAD_SHARE = 0.2  # of what should not happen at all: from here on a reader is told, however bad the base model is


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


def general(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Those that hold for any text and whose cases tell something."""
    return [one for one in comparisons if one.is_known and not METRIC[one.metric].of_embedded_world]


def better(comparisons: Sequence[Comparison], languages: Mapping[str, str]) -> Finding:
    """Whether the tuned model is better than its base, by measures that hold for any text.

    A measure counts where it has enough cases and an interval of the difference, case by case. `languages` has the names
    of those that prompts are in, by tag.
    """
    question = "Is the tuned model better than the base model?"
    measured = [one for one in comparisons if not METRIC[one.metric].of_embedded_world]
    known = general(comparisons)
    if not measured:
        return Finding(question, Answer.NOT_SHOWN, "Not shown: the two models have no measure in common.")
    if not known:
        most, least = max(one.gap.n for one in measured), measured[0].minimum_cases
        why = (
            f"no measure has {least} cases, from which on a difference tells something; the most is {most}"
            if most < least
            else "no measure has cases that differ"
        )
        return Finding(question, Answer.NOT_SHOWN, f"Not shown: {why}.")
    wins, losses = [one for one in known if one.clear], [one for one in known if one.clearly_worse]
    answer, sentence = _weighed(len(wins), len(losses), len(known))
    bad = [
        f"{_named(one, languages)} ({percent(one.tuned.value)})"
        for one in known
        if METRIC[one.metric].unit == SHARE and one.base.better == "lower" and one.tuned.value >= _BAD_SHARE
    ]
    numbers = [_compared(one, languages) for one in (*wins, *losses)]
    numbers += [f"Better is not good. Still often after tuning: {'; '.join(bad)}"] if bad else []
    return Finding(question, answer, sentence, tuple(numbers))


def _weighed(wins: int, losses: int, known: int) -> tuple[Answer, str]:
    """What so many measures of a model say that are clearly better and clearly worse."""
    of_all = f"of {counted(known, 'measure')}"
    rest = known - wins - losses
    on_others = f"; on {rest} no difference is shown" if rest else ""
    if not wins and not losses:
        return Answer.NOT_SHOWN, f"Not shown: on none {of_all} the difference stands clear of zero."
    if not losses:
        return Answer.YES, f"Yes: it is better on {wins} {of_all} and worse on none{on_others}."
    if wins > losses:
        return Answer.PARTLY, f"In part: it is better on {wins} {of_all} and worse on {losses}{on_others}."
    return Answer.NO, f"No: it is better on {wins or 'none'} {of_all} and worse on {losses}{on_others}."


def _compared(one: Comparison, languages: Mapping[str, str]) -> str:
    unit = METRIC[one.metric].unit
    went = "better" if one.clear else "worse"
    return (
        f"{_named(one, languages)}: {spoken(one.base.value, unit)} before tuning, {spoken(one.tuned.value, unit)} after: "
        f"{went} ({one.gap.n} cases)"
    )


def _named(one: Comparison, languages: Mapping[str, str]) -> str:
    asked = f", prompts in {languages.get(one.prompts, one.prompts)}" if one.prompts != NO_PROMPTS else ""
    return f"{one.metric}{asked}"


def curated(refined: RefinedFigures, evaluator: EvaluatorFigures, people: ByPeople | None = None) -> Finding:
    """Whether ratings decided what was kept, and how precise that is: by people where enough pairs are labelled."""
    question = "Is the data curated?"
    if not refined.curated:
        why = (
            refined.advice.removeprefix("Not curated: ") or "the evaluator was not good enough to decide what is kept."
        )
        return Finding(
            question,
            Answer.NO,
            f"No: {why}",
            ("What went on is the best rated pair of every text, whatever its rating.", *_said_by(people)),
        )
    accuracy = f"evaluator: {percent(evaluator.accuracy)} of {evaluator.held_out_rows} held-out rows rightly rated, chance is a third"
    if people and people.is_enough:
        found = f"people find {_right_of(people)}"
        when = _when(people)
        if people.is_too_low:
            sentence = f"No: the ratings decided what is kept, but {found}, below {percent(people.minimum or 0)}."
            return Finding(question, Answer.NO, sentence, (accuracy, *when))
        return Finding(question, Answer.YES, f"Yes: {found}.", (accuracy, *when))
    if refined.precision and refined.precision.precision is not None:
        proof = refined.precision
        sentence = (
            f"Yes: of {counted(proof.checked_kept, 'held-out instruction')} kept in the same way "
            f"{percent(proof.precision or 0)} ({percent(proof.low or 0)} to {percent(proof.high or 0)}) are right."
        )
        return Finding(question, Answer.YES, sentence, (accuracy, *_said_by(people)))
    sentence = "Yes: an evaluator that was good enough on held-out seed pairs decided what is kept."
    if people:
        sentence += f" How many of the kept pairs are right is hardly known: people labelled {people.labelled} of them."
        return Finding(question, Answer.YES, sentence, (accuracy, *_said_by(people)))
    sentence += " How many of the kept pairs are right was not measured on real pairs."
    how = "`xinstr audit write` draws pairs that people can label: their share of right ones is a precision."
    return Finding(question, Answer.YES, sentence, (accuracy, how))


def _said_by(people: ByPeople | None) -> tuple[str, ...]:
    """What people found where it does not decide, for the numbers of the finding."""
    if not people:
        return ()
    few = "" if people.is_enough else f"; fewer than {MINIMUM_JUDGED} decide nothing"
    return (f"people find {_right_of(people)}{few}", *_when(people))


def _right_of(people: ByPeople) -> str:
    of_these = f"{counted(people.labelled, 'kept pair')} that they labelled"
    return f"{percent(people.precision)} ({percent(people.low)} to {percent(people.high)}) right of {of_these}"


def _when(people: ByPeople) -> tuple[str, ...]:
    """Of when the labels are, and whether the curation knew them."""
    said = (f"labels as they were read {people.read} UTC",) if people.read else ()
    if not people.is_newer:
        return said
    return (*said, "the labels are newer than the curation: `xinstr build` curates again with what they say")


def publishable(licences: Licences, refused: bool, cut: int, is_curated: bool, precision: str) -> Finding:
    """Whether the data may be published: by the licences of its rows, and by what was done about personal data.

    `refused`: whether pages were cut around personal data, `cut`: how many were. Without curation, or a `precision`, data
    may be published that says so.
    """
    question = "May the data be published?"
    if not licences.total:
        return Finding(question, Answer.NO, "No: there is nothing to publish, no row is left.")
    answer, sentence = _by_licences(licences) if refused else (Answer.NO, _PERSONAL_DATA_KEPT)
    if answer in (Answer.YES, Answer.PARTLY) and not is_curated:
        sentence += " Say with it that it is not curated."
    numbers = [f"licences of the {counted(licences.total, 'row')}: {shares({**licences.rows})}"]
    asked = [(f"ask: {one}", licences.asking(one)) for one in Condition]
    numbers += [
        f"licences of {_part(found, licences.total)} {what}: {', '.join(sorted(found))}"
        for what, found in (*asked, ("are not known here", licences.unknown))
        if found
    ]
    if refused:
        found_any = f"{counted(cut, 'page')} had such" if cut else "none was found"
        numbers.append(
            "personal data: pages were cut around e-mail addresses, telephone, card and network numbers "
            f"({found_any}); names of people were not looked for"
        )
    numbers.append(f"precision of the kept pairs: {precision or 'not measured'}")
    return Finding(question, answer, sentence, tuple(numbers))


_PERSONAL_DATA_KEPT = (
    "No: personal data was not looked for, so rows may hold e-mail addresses and telephone numbers. Build again with "
    "`corpus.refuse_personal_data` true."
)


def _by_licences(licences: Licences) -> tuple[Answer, str]:
    unknown, restricted = licences.unknown, licences.restricted
    good, total = licences.publishable, licences.total
    if not good and not unknown:
        return Answer.NO, "No: every row has a licence that restricts it."
    if not good:
        return Answer.NOT_SHOWN, "Not shown: no row has a licence that is known to allow it."
    lacking = [
        f"{_part(found, total)} {what}"
        for found, what in ((restricted, "have one that restricts it"), (unknown, "have none that is known here"))
        if found
    ]
    if lacking:
        return Answer.PARTLY, f"In part: {_part(good, total)} have a licence that allows it; {' and '.join(lacking)}."
    all_rows = "the only row has" if total == 1 else f"all {total:,} rows have"
    return Answer.YES, f"Yes, by the licences of its rows: {all_rows} one that allows it."


def _part(found: Mapping[str, int], total: int) -> str:
    count = sum(found.values())
    return f"all {total:,} rows" if count == total else f"{count:,} of {total:,} rows ({percent(count / total)})"


def worth(gaps: Sequence[Gap], selected: str) -> Finding | None:
    """Whether the selection is worth more than other choices of as many pairs; None where no other model was tuned."""
    compared = [gap for gap in gaps if gap.reference == selected and not METRIC[gap.metric].of_embedded_world]
    if not compared:
        return None
    question = "Was choosing these pairs worth it?"
    wins, losses = sum(gap.clear for gap in compared), sum(gap.clearly_worse for gap in compared)
    arms = ", ".join(dict.fromkeys(gap.arm.replace("_", " ") for gap in compared))
    of_all = f"of {counted(len(compared), 'comparison')} with models tuned on other pairs ({arms})"
    chance = (
        f"Of {len(compared)} comparisons about {0.05 * len(compared):.0f} would stand clear of zero by chance alone."
    )
    numbers = (chance,) if len(compared) >= _MANY else ()
    if not wins and not losses:
        sentence = f"Not shown: the selection is better in none {of_all}, and worse in none."
        return Finding(question, Answer.NOT_SHOWN, sentence, numbers)
    answer = Answer.YES if not losses else Answer.PARTLY if wins > losses else Answer.NO
    sentence = f"{answer.value.capitalize()}: the selection is better in {wins or 'none'} {of_all}, and worse in {losses or 'none'}."
    return Finding(question, answer, sentence, numbers)


def limits(is_embedded_world: bool, english_only: bool, advice: str, behind: Sequence[str]) -> list[str]:
    """What these numbers cannot say."""
    said = []
    if is_embedded_world:
        said.append(
            "The text is generated by the embedded world: its figures show whether the machinery works, and nothing of quality on real text."
        )
    said.append(
        "No measure here judges whether a reply is true or helpful: they tell its language, repetition, whether it ends, and "
        "how likely the model finds good responses. Read the replies below."
    )
    if english_only:
        said.append(
            "No seed pair has a response in the language: reverse model and evaluator learned from English pairs alone."
        )
    said.append("Every model was trained once: what another order of its rows would change is in no interval.")
    said += [advice] if advice else []
    said += [f"This page mixes two builds: {one}. `xinstr build` brings it up to date." for one in behind]
    return said
