"""The rules of the verdict: exact sentences for what was measured, and none that says more than its cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tests.small_line import FIGURES
from xinstr_core.evaluation.gaps import Gap, gaps
from xinstr_core.evaluation.measures import Comparison, Measures, compare
from xinstr_core.reporting.people import ByPeople
from xinstr_core.reporting.terms import Licences
from xinstr_core.reporting.verdict import Answer, better, curated, limits, publishable, worth
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.metrics import (
    BASE,
    HELD_OUT_LIKELIHOOD,
    REPETITION,
    REPLY_INTENT,
    TUNED,
    UNFINISHED,
    WRONG_LANGUAGE,
    Metric,
)
from xinstr_core.schemas.refined_pairs import PrecisionFigures, RefinedFigures
from xinstr_core.settings import EvaluationSettings

LANGUAGES = {"en": "English", "sw": "Swahili"}
EVALUATOR = FIGURES["evaluator"]
REFINED = FIGURES["refined_pairs"]
assert isinstance(EVALUATOR, EvaluatorFigures)
assert isinstance(REFINED, RefinedFigures)
Values = Mapping[Metric, tuple[Sequence[float], Sequence[float]]]


def compared(values: Values) -> list[Comparison]:
    """Base and tuned model on prompts in Swahili, by what each case has: (base, tuned) of every metric."""
    settings = EvaluationSettings(bootstrap_samples=100)
    measures = Measures("sw", settings)
    for metric, of_models in values.items():
        for model, of_cases in zip((BASE, TUNED), of_models, strict=True):
            cases = {str(case): value for case, value in enumerate(of_cases)}
            measures.add(metric, model, cases, prompts="sw")
    return compare(measures.rows, gaps(measures.scores, settings), settings)


def of(ones: int, cases: int = 96) -> list[float]:
    return [1.0] * ones + [0.0] * (cases - ones)


def test_better_is_said_with_its_numbers() -> None:
    found = better(compared({WRONG_LANGUAGE: (of(90), of(3)), REPETITION: (of(5), of(5))}), LANGUAGES)
    assert found.answer is Answer.YES
    assert found.sentence == "Yes: it is better on 1 of 2 measures and worse on none; on 1 no difference is shown."
    assert found.numbers == (
        "wrong-language rate, prompts in Swahili: 94 % before tuning, 3 % after: better (96 cases)",
    )


def test_one_case_says_nothing() -> None:
    found = better(compared({WRONG_LANGUAGE: ([1.0], [0.0])}), LANGUAGES)
    assert found.answer is Answer.NOT_SHOWN
    assert found.sentence == (
        "Not shown: no measure has 20 cases, from which on a difference tells something; the most is 1."
    )
    assert found.numbers == ()
    (comparison,) = compared({WRONG_LANGUAGE: ([1.0], [0.0])})
    assert comparison.verdict == "no verdict: fewer than 20 cases"


def test_none_of_96_in_both_models_is_no_difference() -> None:
    comparisons = compared({WRONG_LANGUAGE: (of(0), of(0))})
    found = better(comparisons, LANGUAGES)
    assert found.sentence == "Not shown: on none of 1 measure the difference stands clear of zero."
    assert comparisons[0].verdict == "not shown: the interval of the difference holds zero"
    assert comparisons[0].tuned.high == pytest.approx(0.0385, abs=1e-4), "none of 96 may still be a few of a hundred"


def test_values_that_are_all_the_same_have_no_interval_and_prove_nothing() -> None:
    found = better(compared({HELD_OUT_LIKELIHOOD: ([-2.0] * 30, [-1.0] * 30)}), LANGUAGES)
    assert found.sentence == "Not shown: no measure has cases that differ."


def test_better_here_and_worse_there() -> None:
    more_wins = {WRONG_LANGUAGE: (of(90), of(3)), UNFINISHED: (of(90), of(50)), REPETITION: (of(0), of(30))}
    found = better(compared(more_wins), LANGUAGES)
    assert found.sentence == "In part: it is better on 2 of 3 measures and worse on 1."
    assert found.numbers[-1] == (
        "Better is not good. Still often after tuning: unfinished replies, prompts in Swahili (52 %); "
        "repetition in replies, prompts in Swahili (31 %)"
    )
    as_many = better(compared({WRONG_LANGUAGE: (of(90), of(3)), REPETITION: (of(0), of(30))}), LANGUAGES)
    assert as_many.sentence == "No: it is better on 1 of 2 measures and worse on 1."
    worse = better(compared({REPETITION: (of(0), of(30))}), LANGUAGES)
    assert (worse.answer, worse.sentence) == (Answer.NO, "No: it is better on none of 1 measure and worse on 1.")


def test_what_the_embedded_world_alone_can_judge_does_not_count() -> None:
    found = better(compared({REPLY_INTENT: (of(0), of(90))}), LANGUAGES)
    assert found.sentence == "Not shown: the two models have no measure in common."


PRECISION = PrecisionFigures(
    wanted=0.8, expected=0.85, limit=0.7, checked=60, checked_kept=40, precision=0.9, low=0.77, high=0.96, wrong=0.05
)  # fmt: skip
LABELLED = ByPeople(24, 0.75, 0.55, 0.88, minimum=0.6, read="2026-03-01 12:34")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            "wanted is a precision of 0.8: a share of 0.85 is expected to be right of what the rating keeps, and of 40 held-out "
            "instructions kept in the same way a share of 0.90 (0.77 to 0.96) is right, and 0.05 asks something else",
        ),
        (
            {"checked_kept": 1, "precision": 0.0, "low": 0.0, "high": 0.79, "wrong": 1.0},
            "wanted is a precision of 0.8: a share of 0.85 is expected to be right of what the rating keeps, and of 1 held-out "
            "instruction kept in the same way a share of 0.00 (0.00 to 0.79) is right, and 1.00 asks something else",
        ),
        (
            {"expected": None, "precision": None, "checked": 96},
            "no pair is surely enough right for the wanted precision of 0.8: the rating keeps nothing, neither of the "
            "candidates nor of 96 held-out instructions",
        ),
        (
            {"precision": None, "checked": 1},
            "wanted is a precision of 0.8: a share of 0.85 is expected to be right of what the rating keeps, and of 1 held-out "
            "instruction it would keep none",
        ),
    ],
)
def test_a_wanted_precision_is_told_in_a_sentence(changed: dict[str, float | None], said: str) -> None:
    assert PRECISION.model_copy(update=changed).said == said


def test_curated_by_held_out_instructions() -> None:
    found = curated(REFINED.model_copy(update={"precision": PRECISION}), EVALUATOR)
    assert found.sentence == "Yes: of 40 held-out instructions kept in the same way 90 % (77 % to 96 %) are right."
    assert found.numbers == ("evaluator: 90 % of 40 held-out rows rightly rated, chance is a third",)


def test_people_go_before_held_out_instructions() -> None:
    refined = REFINED.model_copy(update={"precision": PRECISION})
    found = curated(refined, EVALUATOR, LABELLED)
    assert found.sentence == "Yes: people find 75 % (55 % to 88 %) right of 24 kept pairs that they labelled."
    assert found.numbers[1:] == ("labels as they were read 2026-03-01 12:34 UTC",)
    newer = curated(refined, EVALUATOR, replace(LABELLED, is_newer=True))
    assert newer.sentence == found.sentence
    assert newer.numbers[2] == (
        "the labels are newer than the curation: `xinstr build` curates again with what they say"
    )


def test_what_people_find_too_seldom_right_is_not_curated() -> None:
    found = curated(REFINED, EVALUATOR, replace(LABELLED, precision=0.5, low=0.31, high=0.69, is_newer=True))
    assert (found.answer, found.sentence) == (
        Answer.NO,
        "No: the ratings decided what is kept, but people find 50 % (31 % to 69 %) right of 24 kept pairs that they "
        "labelled, below 60 %.",
    )


def test_few_labels_are_told_and_decide_nothing() -> None:
    few = ByPeople(1, 1.0, 0.21, 1.0, minimum=0.6)
    said = "people find 100 % (21 % to 100 %) right of 1 kept pair that they labelled; fewer than 20 decide nothing"
    found = curated(REFINED, EVALUATOR, few)
    assert found.sentence == (
        "Yes: an evaluator that was good enough on held-out seed pairs decided what is kept. How many of the kept pairs are "
        "right is hardly known: people labelled 1 of them."
    )
    assert found.numbers[1:] == (said,)
    found = curated(REFINED.model_copy(update={"precision": PRECISION}), EVALUATOR, few)
    assert found.sentence.startswith("Yes: of 40 held-out instructions")
    assert found.numbers[1:] == (said,)


def test_curated_without_a_precision_says_that_it_has_none() -> None:
    found = curated(REFINED, EVALUATOR)
    assert found.answer is Answer.YES
    assert found.sentence == (
        "Yes: an evaluator that was good enough on held-out seed pairs decided what is kept. How many of the kept pairs are "
        "right was not measured on real pairs."
    )


def test_not_curated_says_why() -> None:
    advice = "Not curated: accuracy 0.41 is below 0.6. Give more seed pairs."
    found = curated(REFINED.model_copy(update={"curated": False, "advice": advice}), EVALUATOR)
    assert (found.answer, found.sentence) == (Answer.NO, "No: accuracy 0.41 is below 0.6. Give more seed pairs.")


@pytest.mark.parametrize(
    ("rows", "answer", "sentence"),
    [
        ({}, Answer.NO, "No: there is nothing to publish, no row is left."),
        ({"CC0-1.0": 1}, Answer.YES, "Yes, by the licences of its rows: the only row has one that allows it."),
        (
            {"CC-BY-4.0": 30, "CC-BY-SA-4.0": 10},
            Answer.YES,
            "Yes, by the licences of its rows: all 40 rows have one that allows it.",
        ),
        (
            {"CC-BY-4.0": 30, "CC-BY-NC-4.0": 9, "unknown": 1},
            Answer.PARTLY,
            "In part: 30 of 40 rows (75 %) have a licence that allows it; 9 of 40 rows (22 %) have one that restricts it and "
            "1 of 40 rows (2 %) have none that is known here.",
        ),
        ({"CC-BY-NC-4.0": 5}, Answer.NO, "No: every row has a licence that restricts it."),
        ({"unknown": 5}, Answer.NOT_SHOWN, "Not shown: no row has a licence that is known to allow it."),
    ],
)
def test_what_licences_allow(rows: dict[str, int], answer: Answer, sentence: str) -> None:
    found = publishable(Licences(rows), True, 0, True, "")
    assert (found.answer, found.sentence) == (answer, sentence)


def test_what_goes_with_publishing_is_said() -> None:
    found = publishable(
        Licences({"CC-BY-SA-4.0": 4}), True, 3, False, "90 % (77 % to 96 %) of 40 held-out instructions"
    )
    assert found.sentence.endswith("allows it. Say with it that it is not curated.")
    assert found.numbers == (
        "licences of the 4 rows: CC-BY-SA-4.0 4 (100 %)",
        "licences of all 4 rows ask: name the author: CC-BY-SA-4.0",
        "licences of all 4 rows ask: adaptations under the same licence: CC-BY-SA-4.0",
        "personal data: pages were cut around e-mail addresses, telephone, card and network numbers (3 pages had such); names "
        "of people were not looked for",
        "precision of the kept pairs: 90 % (77 % to 96 %) of 40 held-out instructions",
    )


def test_data_in_which_nobody_looked_for_personal_data_may_not_be_published() -> None:
    found = publishable(Licences({"CC0-1.0": 4}), False, 0, True, "")
    assert found.answer is Answer.NO
    assert found.sentence.startswith("No: personal data was not looked for")
    assert found.numbers[-1] == "precision of the kept pairs: not measured"


def gap(difference: float, half: float, arm: str = "random") -> Gap:
    low, high = difference - half, difference + half
    return Gap("sw", "selected", arm, HELD_OUT_LIKELIHOOD.name, "en", difference, low, high, 40, "higher")


def test_what_the_selection_is_worth() -> None:
    assert worth([], "selected") is None
    found = worth([gap(0.1, 0.2)], "selected")
    assert found
    assert found.sentence == (
        "Not shown: the selection is better in none of 1 comparison with models tuned on other pairs (random), and worse in none."
    )
    found = worth([gap(0.3, 0.1), gap(0.1, 0.2, "bottom_half")], "selected")
    assert found
    assert (found.answer, found.sentence) == (
        Answer.YES,
        "Yes: the selection is better in 1 of 2 comparisons with models tuned on other pairs (random, bottom half), and worse in none.",
    )
    found = worth([gap(-0.3, 0.1), *[gap(0.3, 0.1)] * 19], "selected")
    assert found
    assert found.answer is Answer.PARTLY
    assert found.numbers == ("Of 20 comparisons about 1 would stand clear of zero by chance alone.",)
    found = worth([gap(-0.3, 0.1), gap(0.3, 0.1)], "selected")
    assert found
    assert found.answer is Answer.NO


def test_what_the_numbers_cannot_say_is_said() -> None:
    said = limits(True, True, "Only 12 pairs were selected.", ["eval_report was made of another build of raw_corpus"])
    assert len(said) == 6
    assert said[-2:] == [
        "Only 12 pairs were selected.",
        "This page mixes two builds: eval_report was made of another build of raw_corpus. `xinstr build` brings it up to date.",
    ]
    assert len(limits(False, False, "", [])) == 2
